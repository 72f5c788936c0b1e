-- Saves the report of a server and returns those of all running servers. Uses the time of Redis, so the clocks
-- of the servers do not matter.
--
-- KEYS    1 servers (sorted set: id → time of the last report), 2 reports (hash: id → report)
-- ARGV    1 id, 2 the server's report as JSON, 3 milliseconds for which the report is valid
-- RESULT  flat list: id, milliseconds since its report, report; for each server
-- EVENT   none

local servers, reports = KEYS[1], KEYS[2]
local id, report, ttl = ARGV[1], ARGV[2], tonumber(ARGV[3])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- The clock of Redis may have been set back. A report from the future would be valid until that time comes again.
for _, early in ipairs(redis.call('ZRANGEBYSCORE', servers, '(' .. now, '+inf')) do
  redis.call('ZADD', servers, now, early)
end

redis.call('ZADD', servers, now, id)
redis.call('HSET', reports, id, report)

for _, expired in ipairs(redis.call('ZRANGEBYSCORE', servers, '-inf', now - ttl)) do
  redis.call('ZREM', servers, expired)
  redis.call('HDEL', reports, expired)
end
redis.call('PEXPIRE', servers, ttl)
redis.call('PEXPIRE', reports, ttl)

local rows = {}
local members = redis.call('ZRANGE', servers, 0, -1, 'WITHSCORES')
for i = 1, #members, 2 do
  local memberReport = redis.call('HGET', reports, members[i])
  if memberReport then
    rows[#rows + 1] = members[i]
    rows[#rows + 1] = tostring(now - tonumber(members[i + 1]))
    rows[#rows + 1] = memberReport
  end
end
return rows
