-- Marks the store as the one that has lost an installation, if it has no control ledger. From then on no commit
-- creates one; only a restore does. Returns the current request for copies.
--
-- Removes what another program has put in place of these keys, because nothing else would notice that.
--
-- KEYS    1 head, 2 lost, 3 restore, 4 removed
-- ARGV    1 the installation
-- RESULT  the first entry of the stream `restore`, or nil
-- EVENT   none

local head, lost, restore, removed = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

local function removeOther(key, expected)
  if isOther(key, expected) then redis.call('UNLINK', key) end
end

removeOther(lost, 'hash')
removeOther(restore, 'stream')
removeOther(removed, 'hash')

if not redis.call('HGET', head, 'id') and redis.call('EXISTS', lost) == 0 then
  redis.call('HSET', lost, 'installation', ARGV[1])
end
return redis.call('XRANGE', restore, '-', '+', 'COUNT', 1)[1] or false
