-- Commits one change to a ledger, all or nothing. The change may create the ledger or replace everything
-- in it. Redis does not roll back a script, so all checks are made before the first write.
--
-- A commit is made once, even if it is sent several times: a writer that receives no reply sends it again
-- with the same nonce. The result is the change that was made the first time, as long as the change feed
-- still has it. Otherwise it is `conflict`, as for any commit that expects an older change.
--
-- KEYS    1 staged arguments, 2 head, 3 changes, 4 audit, 5 lost; then, for each collection, its documents and their keys; then,
--         for each versioned collection, its versions and their fields
-- ARGV    1 format that the writer supports
--         2 id that must be the last change; `none`: the ledger must not exist
--         3 the new epoch, if this commit starts one
--         4 nonce of this commit
--         5 `1` to replace everything, otherwise `0`
--         6 approximate number of changes to keep
--         7 approximate number of audit entries to keep; empty: all
--         8 the writes for the change feed as JSON; empty: too large for the feed
--         9 number of audit entries, 10 number of versions, 11 number of collections, 12 number of writes
--         …then, for each audit entry, 8 arguments:
--           at, kind, key, actorId, actorName, action, the entry as JSON, onBehalfOf or empty
--         …then, for each version, 3 arguments: versioned collection number, field, the version as JSON
--         …then, for each write, 3 arguments:
--           collection number, key, the document as JSON; empty deletes it
--         Of the arguments of versions and writes, the first ones may be staged: see staged.lua
-- RESULT  {`committed`, id, previous} or {`conflict`, id of the last change or `none`}
--         {`foreign`} if the keys have data that Pennon did not write: see mend.lua. Nothing was written
-- ERRORS  PENNONNEWER, PENNONLOST, PENNONSTAGED, PENNONCORRUPT, NOPERM: nothing was written
-- EVENT   the change, in changes, as `<revision>-0`: id, previous, replaceAll, writes

local staged, head, changes, audit, lost = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local FIRST_COLLECTION = 6
local supportedFormat, expect, epoch, nonce = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local replaceAll, maxChanges, maxAudit, writes = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local auditCount = tonumber(ARGV[9])
local versionCount, collectionCount = tonumber(ARGV[10]), tonumber(ARGV[11])
local writeCount = tonumber(ARGV[12])
local FIRST_VERSIONED = FIRST_COLLECTION + collectionCount * 2
local FIRST_AUDIT, AUDIT_ARGUMENTS, VERSION_ARGUMENTS, WRITE_ARGUMENTS = 13, 8, 3, 3
local FIRST_VERSION = FIRST_AUDIT + auditCount * AUDIT_ARGUMENTS
local FIRST_WRITE = FIRST_VERSION + versionCount * VERSION_ARGUMENTS
local LAST_ARGUMENT = FIRST_WRITE + writeCount * WRITE_ARGUMENTS - 1
local stagedCount, argument = stagedArguments(staged, FIRST_VERSION, LAST_ARGUMENT)

local function corrupt(what)
  return redis.error_reply('PENNONCORRUPT ' .. what)
end

local function parts(id)
  return string.match(id, '^(%w+)%.(%d+)%.(%w+)$')
end

-- Returns the id of the change that this commit made when it was sent before, if it was.
local function madeBefore(last, revision)
  local _, _, lastNonce = parts(last)
  if lastNonce == nonce then return last end
  local entry = redis.call('XRANGE', changes, revision .. '-0', revision .. '-0')[1]
  if not entry then return nil end
  local id, previous = entry[2][2], entry[2][4]
  local _, _, entryNonce = parts(id)
  if previous == expect and entryNonce == nonce then return id end
end

-- Returns the highest revision that a stream has ever had. XADD fails unless the new id is higher, so an entry
-- that Pennon did not write could make the commit fail halfway.
local function lastRevisionIn(stream)
  if redis.call('EXISTS', stream) == 0 then return 0 end
  local info = redis.call('XINFO', 'STREAM', stream)
  for i = 1, #info, 2 do
    if info[i] == 'last-generated-id' then return tonumber(string.match(info[i + 1], '^%d+')) end
  end
  return 0
end

-- A command without permission ends the script and earlier writes remain, so permissions are checked
-- first. Redis supports that since version 7.
local function permitted(...)
  return not redis.acl_check_cmd or redis.acl_check_cmd(...)
end

-- Returns the first command that this script may need and its user may not run.
local function forbidden()
  if not permitted('HSET', head, 'id', '') then return 'HSET', head end
  for _, stream in ipairs({ changes, audit }) do
    if not permitted('XADD', stream, '*', 'id', '') then return 'XADD', stream end
  end
  for i = FIRST_COLLECTION, #KEYS, 2 do
    local documents, keys = KEYS[i], KEYS[i + 1]
    if not permitted('HSET', documents, 'key', '') then return 'HSET', documents end
    if not permitted('HDEL', documents, 'key') then return 'HDEL', documents end
    if not permitted('ZADD', keys, 0, 'key') then return 'ZADD', keys end
    if not permitted('ZREM', keys, 'key') then return 'ZREM', keys end
    if not permitted('UNLINK', documents, keys) then return 'UNLINK', documents end
  end
end

local stored = redis.call('HMGET', head, 'format', 'id')
local format, last = stored[1], stored[2] or 'none'
if format and tonumber(format) > tonumber(supportedFormat) then
  return redis.error_reply('PENNONNEWER ' .. format)
end

local lastEpoch, lastRevision = parts(last)
if last ~= 'none' and not lastRevision then return corrupt('"' .. last .. '" is not a change id') end

for _, stream in ipairs({ changes, audit }) do
  if isOther(stream, 'stream') then return { 'foreign' } end
end
for i = FIRST_VERSIONED, #KEYS, 2 do
  if isOther(KEYS[i], 'hash') or isOther(KEYS[i + 1], 'zset') then return { 'foreign' } end
end

if last ~= expect then
  local _, expectRevision = parts(expect)
  local made = madeBefore(last, string.format('%.0f', tonumber(expectRevision or 0) + 1))
  if made then return { 'committed', made, expect } end
  return { 'conflict', last }
end

if last == 'none' then
  if redis.call('EXISTS', lost) == 1 then
    return redis.error_reply('PENNONLOST ' .. head .. ' existed before')
  end
  for i = 3, #KEYS do
    if redis.call('EXISTS', KEYS[i]) == 1 then
      return corrupt(KEYS[i] .. ' exists, but ' .. head .. ' does not')
    end
  end
end

local lostError = lostDocuments(head, FIRST_COLLECTION, FIRST_VERSIONED - 1)
if lostError then return lostError end

local incomplete = stagedError(staged, stagedCount)
if incomplete then return incomplete end

local revision = tonumber(lastRevision or 0) + 1
for _, stream in ipairs({ changes, audit }) do
  if lastRevisionIn(stream) >= revision then return { 'foreign' } end
end

for i = FIRST_COLLECTION, #KEYS, 2 do
  if redis.call('HLEN', KEYS[i]) ~= redis.call('ZCARD', KEYS[i + 1]) then
    return { 'foreign' }
  end
end

local command, key = forbidden()
if command then
  return redis.error_reply('NOPERM the user may not run ' .. command .. ' on ' .. key)
end

local revisionText = string.format('%.0f', revision)
local startsEpoch = last == 'none' or replaceAll == '1'
local id = (startsEpoch and epoch or lastEpoch) .. '.' .. revisionText .. '.' .. nonce

-- Nothing can fail from here on.

redis.call('XADD', changes, 'MAXLEN', '~', maxChanges, revisionText .. '-0',
  'id', id, 'previous', last, 'replaceAll', replaceAll, 'writes', writes)

if replaceAll == '1' then
  for i = FIRST_COLLECTION, FIRST_VERSIONED - 1 do redis.call('UNLINK', KEYS[i]) end
end

local function put(documents, keys, key, document)
  redis.call('HSET', documents, key, '{"changeId":"' .. id .. '","document":' .. document .. '}')
  redis.call('ZADD', keys, 0, key)
end

local function delete(documents, keys, key)
  redis.call('HDEL', documents, key)
  redis.call('ZREM', keys, key)
end

for i = FIRST_VERSION, FIRST_WRITE - 1, VERSION_ARGUMENTS do
  local versions, field = FIRST_VERSIONED + (tonumber(argument(i)) - 1) * 2, argument(i + 1)
  redis.call('HSET', KEYS[versions], field, argument(i + 2))
  redis.call('ZADD', KEYS[versions + 1], 0, field)
end

for i = FIRST_WRITE, LAST_ARGUMENT, WRITE_ARGUMENTS do
  local collection, key, document = tonumber(argument(i)), argument(i + 1), argument(i + 2)
  local documents = FIRST_COLLECTION + (collection - 1) * 2
  if document == '' then delete(KEYS[documents], KEYS[documents + 1], key)
  else put(KEYS[documents], KEYS[documents + 1], key, document) end
end

local function log(number, i)
  local entry = { revisionText .. '-' .. number, 'at', ARGV[i], 'kind', ARGV[i + 1], 'key', ARGV[i + 2],
    'actorId', ARGV[i + 3], 'actorName', ARGV[i + 4], 'action', ARGV[i + 5], 'entry', ARGV[i + 6],
    'onBehalfOf', ARGV[i + 7] }
  if maxAudit == '' then redis.call('XADD', audit, unpack(entry))
  else redis.call('XADD', audit, 'MAXLEN', '~', maxAudit, unpack(entry)) end
end

for number = 0, auditCount - 1 do log(number, FIRST_AUDIT + number * AUDIT_ARGUMENTS) end

redis.call('UNLINK', staged)
redis.call('HSET', head, 'format', supportedFormat, 'id', id,
  'documents', countDocuments(id, FIRST_COLLECTION, FIRST_VERSIONED - 1))
return { 'committed', id, last }
