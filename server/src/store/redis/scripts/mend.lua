-- Removes what Pennon did not write from the keys of a ledger, because it would prevent writes: entries of streams
-- that are newer than the last change, fields of documents, and what has replaced a whole stream, or all versions. A document that is missing in the sorted set
-- of keys is added there. Nothing is removed if a document is lost: a key without a document, which has versions,
-- or in a collection without any. A damaged document is left as it is: see repair.lua.
--
-- KEYS    1 head, 2 changes, 3 audit, 4 lost; then, for each collection, its documents and their keys; then,
--         for each versioned collection, its versions and their fields
-- ARGV    1 number of collections
-- RESULT  flat list: key, what was removed from it; for each removal
-- ERRORS  PENNONCORRUPT
-- EVENT   none

local head, changes, audit = KEYS[1], KEYS[2], KEYS[3]
local FIRST_COLLECTION, STEP = 5, 500
local lastCollection = FIRST_COLLECTION + tonumber(ARGV[1]) * 2 - 1
local LAST_SEQUENCE = '18446744073709551615'

local last = redis.call('HGET', head, 'id')
local revision = last and string.match(last, '^%w+%.(%d+)%.%w+$')
if not revision then return {} end

-- Collections whose sorted set of keys has one that is not the key of a document.
local removed, mismatched = {}, {}

local function report(key, what)
  removed[#removed + 1], removed[#removed + 2] = key, what
end

local function removeOther(key, expected)
  if not isOther(key, expected) then return end
  redis.call('UNLINK', key)
  report(key, 'all of it')
end

removeOther(changes, 'stream')
removeOther(audit, 'stream')
for i = lastCollection + 1, #KEYS, 2 do
  removeOther(KEYS[i], 'hash')
  removeOther(KEYS[i + 1], 'zset')
end

-- Returns whether a key without a document had one, as far as that can be known.
local function hadDocument(i, key)
  local fields = KEYS[lastCollection + 1 + i - FIRST_COLLECTION + 1]
  if not fields or redis.call('ZCARD', fields) == 0 then return true end
  local from, to = '[' .. key .. '/', '(' .. key .. '0'
  return #redis.call('ZRANGEBYLEX', fields, from, to, 'LIMIT', 0, 1) > 0
end

for i = FIRST_COLLECTION, lastCollection, 2 do
  for _, key in ipairs(redis.call('ZRANGE', KEYS[i + 1], 0, -1)) do
    if not redis.call('HGET', KEYS[i], key) then
      if hadDocument(i, key) then
        return redis.error_reply('PENNONCORRUPT ' .. KEYS[i] .. ' has no ' .. key)
      end
      mismatched[i] = true
    end
  end
end

-- A stream remembers its highest id even if that entry is deleted, so the id is always set.
for _, stream in ipairs({ changes, audit }) do
  local from = string.format('%.0f', tonumber(revision) + 1) .. '-0'
  local entries
  repeat
    entries = redis.call('XREVRANGE', stream, '+', from, 'COUNT', STEP)
    for _, entry in ipairs(entries) do
      redis.call('XDEL', stream, entry[1])
      report(stream, entry[1])
    end
  until #entries < STEP
  if redis.call('EXISTS', stream) == 1 then
    redis.call('XSETID', stream, revision .. '-' .. LAST_SEQUENCE)
  end
end

local function isOurs(i, key)
  if i > lastCollection then return string.match(key, '/%d+$') end
  return string.sub(redis.call('HGET', KEYS[i], key), 1, 13) == '{"changeId":"'
end

-- Returns whether the field is the key of a document, whose value is damaged.
local function isDamaged(i, key)
  if i > lastCollection or not hadDocument(i, key) then return false end
  return #redis.call('ZRANGEBYLEX', KEYS[i + 1], '[' .. key, '[' .. key, 'LIMIT', 0, 1) > 0
end

-- A field that is missing in one of a pair of keys is added there if it is one of Pennon, and otherwise removed.
for i = FIRST_COLLECTION, #KEYS, 2 do
  local documents, keys = KEYS[i], KEYS[i + 1]
  if mismatched[i] or redis.call('HLEN', documents) ~= redis.call('ZCARD', keys) then
    for _, key in ipairs(redis.call('HKEYS', documents)) do
      if isOurs(i, key) then
        redis.call('ZADD', keys, 0, key)
      elseif not isDamaged(i, key) then
        redis.call('HDEL', documents, key)
        report(documents, key)
      end
    end
    for _, key in ipairs(redis.call('ZRANGE', keys, 0, -1)) do
      if not redis.call('HGET', documents, key) then
        redis.call('ZREM', keys, key)
        report(keys, key)
      end
    end
  end
end

return removed
