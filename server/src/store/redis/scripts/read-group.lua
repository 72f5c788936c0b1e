-- Returns what is in a group of folded values.
--
-- KEYS    1 the hash of the group
-- ARGV    none
-- RESULT  each field with its value after it. The client would make an object of a HGETALL, whose fields are texts
-- EVENT   none

return redis.call('HGETALL', KEYS[1])
