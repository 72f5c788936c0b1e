-- Removes what is left of a ledger that does not exist, and its mark, so that it can be created. Does nothing if
-- the ledger exists.
--
-- KEYS    1 head; then all other keys of the ledger
-- ARGV    none
-- RESULT  none
-- EVENT   none

if not redis.call('HGET', KEYS[1], 'id') then redis.call('UNLINK', unpack(KEYS)) end
