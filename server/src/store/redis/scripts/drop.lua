-- Removes a ledger with its change feed and its audit log. Removing what is not there is fine.
--
-- KEYS    every key of the ledger, its head first
-- ARGV    none
-- RESULT  none
-- EVENT   none: followers see that the head is gone

redis.call('UNLINK', unpack(KEYS))
