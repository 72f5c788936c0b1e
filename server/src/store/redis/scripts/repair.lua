-- Replaces the damaged value of a document, unless it has been written in the meantime.
--
-- KEYS    1 head, 2 documents
-- ARGV    1 key, 2 the damaged value, 3 the document as JSON
-- RESULT  1 if the value was replaced, otherwise 0
-- ERRORS  none
-- EVENT   none

local head, documents = KEYS[1], KEYS[2]
local key, damaged, document = ARGV[1], ARGV[2], ARGV[3]

local id = redis.call('HGET', head, 'id')
if not id or redis.call('HGET', documents, key) ~= damaged then return 0 end
redis.call('HSET', documents, key, '{"changeId":"' .. id .. '","document":' .. document .. '}')
return 1
