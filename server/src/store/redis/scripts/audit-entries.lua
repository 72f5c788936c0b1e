-- Reads entries of a ledger's audit log by their ids.
--
-- KEYS    1 audit
-- ARGV    1 number of bytes after which to stop; at least one entry is read
--         2… ids
-- RESULT  a flat list: id, the entry as JSON; for each entry that exists
-- EVENT   none

local audit, maxBytes = KEYS[1], tonumber(ARGV[1])
local rows, bytes = {}, 0

for i = 2, #ARGV do
  local entry = redis.call('XRANGE', audit, ARGV[i], ARGV[i])[1]
  -- Another application may have added an entry.
  local text = entry and entry[2][13] == 'entry' and entry[2][14]
  if text then
    bytes = bytes + #text
    if #rows > 0 and bytes > maxBytes then return rows end
    rows[#rows + 1], rows[#rows + 2] = entry[1], text
  end
end

return rows
