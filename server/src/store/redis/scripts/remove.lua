-- Removes keys of a ledger. Does nothing if they do not exist.
--
-- KEYS    the keys to remove
-- ARGV    none
-- RESULT  none
-- EVENT   none: followers find that the head, or the change feed, is missing

redis.call('UNLINK', unpack(KEYS))
