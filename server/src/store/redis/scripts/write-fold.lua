-- Writes what was folded of a partition of events, and the cursor of the fold. Only compares and sets.
--
-- KEYS    1 cursor (string), 2 groups (set: names of all groups), 3… the hash of each group
-- ARGV    1 the expected cursor, or an empty text, 2 the next cursor, then for each group: its name, whether it is
--         removed as a whole (`1` or `0`), the number of fields to remove, those fields, the number of fields to set,
--         those fields each with its value
-- RESULT  1 if it was written, 0 if the cursor is another one
-- EVENT   none

if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
local at = 3
local function take()
  local value = ARGV[at]
  at = at + 1
  return value
end
for i = 3, #KEYS do
  local name, isRemoved = take(), take() == '1'
  if isRemoved then redis.call('UNLINK', KEYS[i]) end
  for _ = 1, tonumber(take()) do redis.call('HDEL', KEYS[i], take()) end
  local count = tonumber(take())
  for _ = 1, count do
    local field = take()
    redis.call('HSET', KEYS[i], field, take())
  end
  if count > 0 then
    redis.call('SADD', KEYS[2], name)
  elseif redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('SREM', KEYS[2], name)
  end
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
