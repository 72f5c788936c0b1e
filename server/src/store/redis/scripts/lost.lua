-- Precedes the scripts that read or write a ledger. The head has the number of documents that the last change
-- left in each collection. A collection that has fewer of them has lost some.

-- Commands that return little, and fail if a key is not of the type.
local PROBES = { hash = { 'HLEN' }, zset = { 'ZCARD' }, stream = { 'XRANGE', '0-0', '0-0' } }

-- Whether a key contains something else than Pennon keeps there.
local function isOther(key, expected)
  local command, from, to = unpack(PROBES[expected])
  local reply = from and redis.pcall(command, key, from, to) or redis.pcall(command, key)
  return type(reply) == 'table' and reply.err ~= nil and string.find(reply.err, 'WRONGTYPE', 1, true) ~= nil
end

-- Returns an error if the head has lost its id, or one of the collections documents; KEYS `first` to `last` are the
-- pairs of keys of these.
-- A version of Pennon that did not write the numbers leaves those of an earlier change, which do not count. One with
-- fewer collections leaves fewer numbers: later collections are at the end.
local function lostDocuments(head, first, last)
  local stored = redis.call('HMGET', head, 'id', 'documents')
  local id, counts = stored[1], string.gmatch(stored[2] or '', '%S+')
  if id and not string.match(id, '^%w+%.%d+%.%w+$') then
    return redis.error_reply('PENNONLOST ' .. head .. ' has no change id')
  end
  if not id or counts() ~= id then return nil end
  for i = first, last, 2 do
    local expected = tonumber((counts()))
    local isLost = isOther(KEYS[i], 'hash') or isOther(KEYS[i + 1], 'zset')
    if expected and (isLost or redis.call('HLEN', KEYS[i]) < expected) then
      return redis.error_reply('PENNONLOST ' .. KEYS[i] .. ' lacks documents')
    end
  end
end

-- Returns the numbers for the head, once a change is made. KEYS `first` to `last` are the pairs of keys.
local function countDocuments(id, first, last)
  local counts = { id }
  for i = first, last, 2 do counts[#counts + 1] = redis.call('HLEN', KEYS[i]) end
  return table.concat(counts, ' ')
end
