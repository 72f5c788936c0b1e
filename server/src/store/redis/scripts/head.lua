-- Reads the last change of a ledger.
--
-- KEYS    1 head; then, for each collection, its documents and their keys
-- ARGV    none
-- RESULT  {format or nil, id of the last change or nil}
-- ERRORS  PENNONLOST if a collection has lost documents
-- EVENT   none

return lostDocuments(KEYS[1], 2, #KEYS) or redis.call('HMGET', KEYS[1], 'format', 'id')
