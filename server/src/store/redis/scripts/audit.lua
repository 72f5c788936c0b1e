-- Searches a ledger's audit log from an entry back to older ones, and looks at so many entries that Redis
-- is never held up for long: whoever wants more calls again with where this stopped.
--
-- KEYS    1 audit
-- ARGV    1 where to begin: `+`, or `(` and the id of an entry to begin before
--         2 entries wanted at most
--         3 entries to look at, about
--         4 bytes to look at, about
--         5 kind, 6 key, 7 actor (id or name), 8 action, each behind `=`; empty: any
--         9 from (at or after) and 10 until (before), milliseconds since 1970; empty: any
-- RESULT  {rows, the id of an entry to read on before, or nil where there are no more}
--         rows are id, the entry as JSON, and so on, newest first
-- EVENT   none

local audit = KEYS[1]
local from, wanted, enoughEntries, enoughBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local kind, key, actor, action = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local at, before = tonumber(ARGV[9]), tonumber(ARGV[10])
local STEP = 50

-- An entry's fields are at, kind, key, actorId, actorName, action and entry, each behind its name.
local function matches(fields)
  return (kind == '' or '=' .. fields[4] == kind)
    and (key == '' or '=' .. fields[6] == key)
    and (actor == '' or '=' .. fields[8] == actor or '=' .. fields[10] == actor)
    and (action == '' or '=' .. fields[12] == action)
    and (not at or tonumber(fields[2]) >= at)
    and (not before or tonumber(fields[2]) < before)
end

local rows, found, seen, bytes = {}, 0, 0, 0

while true do
  local entries = redis.call('XREVRANGE', audit, from, '-', 'COUNT', STEP)
  for _, entry in ipairs(entries) do
    local id, fields = entry[1], entry[2]
    if matches(fields) then
      rows[#rows + 1], rows[#rows + 2] = id, fields[14]
      found = found + 1
    end
    seen, bytes = seen + 1, bytes + #fields[14]
    if found == wanted or seen >= enoughEntries or bytes >= enoughBytes then return { rows, id } end
    from = '(' .. id
  end
  if #entries < STEP then return { rows, false } end
end
