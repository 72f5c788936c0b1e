-- Takes or renews the lease on the fold of a partition of events.
--
-- KEYS    1 lease (string: the process that has it)
-- ARGV    1 the process, 2 for how many milliseconds
-- RESULT  1 if the process has the lease now, 0 if another one has it
-- EVENT   none

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
