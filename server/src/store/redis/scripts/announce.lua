-- Says that a server is alive, and answers which servers are. Time is that of Redis, so the servers'
-- clocks do not matter.
--
-- KEYS    1 servers (sorted set: id → when last heard), 2 reports (hash: id → report)
-- ARGV    1 id, 2 the server's report as JSON, 3 milliseconds that this lasts
-- RESULT  id, milliseconds since it was heard, report, and so on
-- EVENT   none

local servers, reports = KEYS[1], KEYS[2]
local id, report, lasts = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

redis.call('ZADD', servers, now, id)
redis.call('HSET', reports, id, report)

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', servers, '-inf', now - lasts)) do
  redis.call('ZREM', servers, silent)
  redis.call('HDEL', reports, silent)
end
redis.call('PEXPIRE', servers, lasts)
redis.call('PEXPIRE', reports, lasts)

local rows = {}
local heard = redis.call('ZRANGE', servers, 0, -1, 'WITHSCORES')
for i = 1, #heard, 2 do
  local other = redis.call('HGET', reports, heard[i])
  if other then
    rows[#rows + 1] = heard[i]
    rows[#rows + 1] = tostring(now - tonumber(heard[i + 1]))
    rows[#rows + 1] = other
  end
end
return rows
