-- Adds counts of evaluations, once for each id.
--
-- KEYS    1 done (string: marks the id), 2 last (hash: flag → minute of its last evaluation), 3 unknown (set of the
--         day), 4… hashes of counts
-- ARGV    1 milliseconds for which the id is known, 2 for which last is kept, 3 for which unknown is kept,
--         4 the most unknown keys of a day; 5 number of unknown keys, the keys; number of flags, each with its minute;
--         then for each hash: milliseconds for which it is kept, number of fields, each field with its count
-- RESULT  1 if the counts were added, 0 if they were added before
-- EVENT   none

local done, last, unknown = KEYS[1], KEYS[2], KEYS[3]
if not redis.call('SET', done, '', 'NX', 'PX', ARGV[1]) then return 0 end

local at = 4
local function take()
  at = at + 1
  return ARGV[at]
end

local unknownKeys = tonumber(take())
for _ = 1, unknownKeys do
  local key = take()
  if redis.call('SCARD', unknown) < tonumber(ARGV[4]) then redis.call('SADD', unknown, key) end
end
if unknownKeys > 0 then redis.call('PEXPIRE', unknown, ARGV[3]) end

for _ = 1, tonumber(take()) do
  local flag, minute = take(), take()
  local known = redis.call('HGET', last, flag)
  if not known or tonumber(known) < tonumber(minute) then redis.call('HSET', last, flag, minute) end
end
redis.call('PEXPIRE', last, ARGV[2])

for i = 4, #KEYS do
  local ttl = take()
  for _ = 1, tonumber(take()) do
    local field = take()
    redis.call('HINCRBY', KEYS[i], field, take())
  end
  redis.call('PEXPIRE', KEYS[i], ttl)
end
return 1
