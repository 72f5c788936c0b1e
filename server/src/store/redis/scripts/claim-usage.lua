-- Remembers reports of providers, and finds those that were received before. Does what withReport in
-- usage-store.ts does.
--
-- KEYS    1 done (string: the result for the id), 2… the window of the instance of each report (string: the highest
--         sequence, a colon, and `1` for each report that was seen, from the highest one down)
-- ARGV    1 milliseconds for which the id and the windows are known, 2 reports in a window, 3… the sequence of each
-- RESULT  `1` for each report that is new, otherwise `0`, in one text
-- EVENT   none

local done, ttl, size = KEYS[1], ARGV[1], tonumber(ARGV[2])
local known = redis.call('GET', done)
if known then return known end

local function withReport(highest, seen, sequence)
  local ahead = sequence - highest
  if ahead > 0 then
    local skipped = string.rep('0', math.min(ahead - 1, size))
    return sequence, string.sub('1' .. skipped .. seen, 1, size)
  end
  local place = -ahead
  if place >= size or string.sub(seen, place + 1, place + 1) == '1' then return nil end
  local padded = seen .. string.rep('0', place - #seen)
  return highest, string.sub(padded, 1, place) .. '1' .. string.sub(padded, place + 2)
end

local results = {}
for i = 2, #KEYS do
  local highest, seen = string.match(redis.call('GET', KEYS[i]) or '0:', '^(%d+):([01]*)$')
  local newHighest, newSeen = withReport(tonumber(highest or 0), seen or '', tonumber(ARGV[i + 1]))
  results[i - 1] = newHighest and '1' or '0'
  if newHighest then
    redis.call('SET', KEYS[i], string.format('%.0f', newHighest) .. ':' .. newSeen, 'PX', ttl)
  end
end

local result = table.concat(results)
redis.call('SET', done, result, 'PX', ttl)
return result
