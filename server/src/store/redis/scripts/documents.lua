-- Reads documents in byte order of their keys, from one collection after another, up to a limit. A caller
-- that continues from where it stopped compares the ids: if they differ, the ledger has changed in between.
--
-- KEYS    1 head; then for each collection its documents and their keys
-- ARGV    1 format that the reader supports
--         2 number of the collection to start with
--         3 where to start in it: `-`, or `(` and the key to start after
--         4 maximum number of documents
--         5 number of bytes after which to stop; at least one document is read
-- RESULT  {`foreign`} if a collection and its keys do not have the same documents: see mend.lua. Otherwise
--         {id of the last change or nil, rows, where to continue or nil}
--         rows is a flat list: collection number, key, {"changeId", "document"} as JSON; for each document
--         where to continue is {collection number, key to start after}
-- ERRORS  PENNONNEWER, PENNONLOST
-- EVENT   none

local head = KEYS[1]
local supportedFormat, first, from = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local maxDocuments, maxBytes = tonumber(ARGV[4]), tonumber(ARGV[5])

local stored = redis.call('HMGET', head, 'format', 'id')
local format, id = stored[1], stored[2]
if format and tonumber(format) > tonumber(supportedFormat) then
  return redis.error_reply('PENNONNEWER ' .. format)
end
if not id then return { false, {}, false } end

local lostError = lostDocuments(head, 2, #KEYS)
if lostError then return lostError end

for i = 2, #KEYS, 2 do
  if redis.call('HLEN', KEYS[i]) ~= redis.call('ZCARD', KEYS[i + 1]) then return { 'foreign' } end
end

local rows, count, bytes = {}, 0, 0

for collection = first, (#KEYS - 1) / 2 do
  local documents, keys = KEYS[collection * 2], KEYS[collection * 2 + 1]
  for _, key in ipairs(redis.call('ZRANGEBYLEX', keys, from, '+', 'LIMIT', 0, maxDocuments - count + 1)) do
    if count > 0 and (count == maxDocuments or bytes >= maxBytes) then
      return { id, rows, { rows[#rows - 2], rows[#rows - 1] } }
    end
    local document = redis.call('HGET', documents, key)
    if not document then return { 'foreign' } end
    rows[#rows + 1], rows[#rows + 2], rows[#rows + 3] = tostring(collection), key, document
    count, bytes = count + 1, bytes + #document
  end
  from = '-'
end

return { id, rows, false }
