-- Precedes the scripts that read or write a ledger. The head has the number of documents that the last change
-- left in each collection. A collection that has fewer of them has lost some.

-- Returns an error if one of the collections has lost documents; KEYS `first` to `last` are their pairs of keys.
-- A version of Pennon that did not write the numbers leaves those of an earlier change, which do not count.
local function lostDocuments(head, first, last)
  local stored = redis.call('HMGET', head, 'id', 'documents')
  local id, counts = stored[1], string.gmatch(stored[2] or '', '%S+')
  if not id or counts() ~= id then return nil end
  for i = first, last, 2 do
    -- The reply is an error if the key contains something else.
    local count, expected = redis.pcall('HLEN', KEYS[i]), tonumber(counts())
    if expected and (type(count) ~= 'number' or count < expected) then
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
