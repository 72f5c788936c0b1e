-- Removes a ledger, its change feed and its audit log. Does nothing if the ledger does not exist.
--
-- KEYS    every key of the ledger, its head first
-- ARGV    none
-- RESULT  none
-- EVENT   none: followers find that the head is missing

redis.call('UNLINK', unpack(KEYS))
