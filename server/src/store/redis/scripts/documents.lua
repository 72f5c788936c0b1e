-- Reads documents in the byte order of their keys, from one collection after the other, until there are
-- enough. Whoever reads on where this stopped compares the id: another one means that the ledger has
-- changed in between.
--
-- KEYS    1 head; then for each collection its documents and their keys
-- ARGV    1 format that the reader knows
--         2 number of the collection to begin with
--         3 where to begin in it: `-`, or `(` and the key to begin after
--         4 documents to read at most
--         5 bytes after which to stop; at least one document is read
-- RESULT  {id of the last change or nil, rows, where to read on or nil}
--         rows are number of the collection, key, {"changeId", "document"} as JSON, and so on
--         where to read on is {number of the collection, key to begin after}
-- ERRORS  PENNONNEWER, PENNONCORRUPT
-- EVENT   none

local head = KEYS[1]
local knownFormat, first, from = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local most, enoughBytes = tonumber(ARGV[4]), tonumber(ARGV[5])

local stored = redis.call('HMGET', head, 'format', 'id')
local format, id = stored[1], stored[2]
if format and tonumber(format) > tonumber(knownFormat) then
  return redis.error_reply('PENNONNEWER ' .. format)
end
if not id then return { false, {}, false } end

local rows, count, bytes = {}, 0, 0

for collection = first, (#KEYS - 1) / 2 do
  local documents, keys = KEYS[collection * 2], KEYS[collection * 2 + 1]
  for _, key in ipairs(redis.call('ZRANGEBYLEX', keys, from, '+', 'LIMIT', 0, most - count + 1)) do
    if count > 0 and (count == most or bytes >= enoughBytes) then
      return { id, rows, { rows[#rows - 2], rows[#rows - 1] } }
    end
    local document = redis.call('HGET', documents, key)
    if not document then return redis.error_reply('PENNONCORRUPT ' .. documents .. ' lacks ' .. key) end
    rows[#rows + 1], rows[#rows + 2], rows[#rows + 3] = tostring(collection), key, document
    count, bytes = count + 1, bytes + #document
  end
  from = '-'
end

return { id, rows, false }
