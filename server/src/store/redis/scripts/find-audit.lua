-- Searches a ledger's audit log from an entry towards older ones. Reads a limited number of entries, so
-- that it never blocks Redis for long. The caller continues from where it stopped.
--
-- KEYS    1 audit
-- ARGV    1 where to start: `+`, or `(` and the id of an entry to start before
--         2 maximum number of matching entries
--         3 maximum number of entries to read, approximately
--         4 maximum number of bytes to read, approximately
--         5 kind, 6 key, 7 actor (id or name), 8 action, 9 onBehalfOf, each prefixed with `=`; empty: any
--         10 from (inclusive) and 11 until (exclusive), milliseconds since 1970; empty: any
--         12 environment, prefixed with `=`; empty: any. Parses every entry
-- RESULT  {rows, id of the entry to continue before, or nil at the end of the log}
--         rows is a flat list, newest first: id, time in milliseconds since 1970; for each entry
-- EVENT   none

local audit = KEYS[1]
local from, limit, maxEntries, maxBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kind, key, actor, action, onBehalfOf = ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local since, till, environment = tonumber(ARGV[10]), tonumber(ARGV[11]), ARGV[12]
local MAX_STEP = 50

-- The fields of an entry are names and values in turn: at, kind, key, actorId, actorName, action, entry,
-- onBehalfOf. Entries of earlier versions lack the last one.
local function matches(fields)
  return (kind == '' or '=' .. fields[4] == kind)
    and (key == '' or '=' .. fields[6] == key)
    and (actor == '' or '=' .. fields[8] == actor or '=' .. fields[10] == actor)
    and (action == '' or '=' .. fields[12] == action)
    and (onBehalfOf == '' or '=' .. (fields[16] or '') == onBehalfOf)
    and (not since or tonumber(fields[2]) >= since)
    and (not till or tonumber(fields[2]) < till)
    and (environment == '' or '=' .. cjson.decode(fields[14]).environment == environment)
end

-- Another application may have added an entry.
local function isOurs(fields)
  return fields[1] == 'at' and fields[13] == 'entry'
end

local rows, found, seen, bytes = {}, 0, 0, 0
-- Entries may be large, so the first steps read few of them.
local step = 1

while true do
  local entries = redis.call('XREVRANGE', audit, from, '-', 'COUNT', step)
  for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    if isOurs(fields) and matches(fields) then
      rows[#rows + 1], rows[#rows + 2] = id, fields[2]
      found = found + 1
    end
    seen, bytes = seen + 1, bytes + #(fields[14] or '')
    if found == limit or seen >= maxEntries or bytes >= maxBytes then return { rows, id } end
    from = '(' .. id
  end
  if #entries < step then return { rows, false } end
  step = math.min(2 * step, MAX_STEP)
end
