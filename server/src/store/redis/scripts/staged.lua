-- Precedes the scripts whose last arguments may be staged: the first ones of these are in a hash, by number from 1.

-- Returns how many of the arguments `first` to `last` are staged, and a function that returns one of them.
local function stagedArguments(staged, first, last)
  local count = last - #ARGV
  local function argument(i)
    local number = i - first + 1
    if number <= count then return redis.call('HGET', staged, tostring(number)) end
    return ARGV[i - count]
  end
  return count, argument
end

-- Returns an error if not all of them have arrived.
local function stagedError(staged, count)
  if count > 0 and redis.call('HLEN', staged) ~= count then
    return redis.error_reply('PENNONSTAGED ' .. staged .. ' is not complete')
  end
end
