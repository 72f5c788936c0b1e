-- Marks the store as the one that has lost an installation, if it has no control ledger. From then on no commit
-- creates one; only a restore does. Returns the current request for copies.
--
-- KEYS    1 head, 2 lost, 3 restore
-- ARGV    1 the installation
-- RESULT  the first entry of the stream `restore`, or nil
-- EVENT   none

local head, lost, restore = KEYS[1], KEYS[2], KEYS[3]

if not redis.call('HGET', head, 'id') and redis.call('EXISTS', lost) == 0 then
  redis.call('HSET', lost, 'installation', ARGV[1])
end
return redis.call('XRANGE', restore, '-', '+', 'COUNT', 1)[1] or false
