-- Creates a ledger exactly as of a copy, with the ids of its changes. Does nothing if the ledger exists with another
-- last change, and nothing of it is lost or damaged. Redis does not roll back a script, so all checks are made before
-- the first write.
--
-- What is left of the ledger, because Redis has lost a part of its keys, is replaced. Its versions are kept, and
-- so is its audit log unless it has entries that are newer than the copy: the next changes need their ids.
--
-- KEYS    1 staged arguments, 2 head, 3 changes, 4 audit, 5 lost; then, for each collection, its documents and their keys; then,
--         for each versioned collection, its versions and their fields
-- ARGV    1 format, 2 id of the last change of the copy, 3 its revision
--         4 number of audit entries, 5 number of versions, 6 number of collections, 7 number of documents
--         …then, for each audit entry, 8 arguments:
--           at, kind, key, actorId, actorName, action, the entry as JSON, onBehalfOf or empty
--         …then, for each version, 3 arguments: versioned collection number, field, the version as JSON
--         …then, for each document, 4 arguments: collection number, key, id of the change that wrote it, JSON
--         Of the arguments of versions and documents, the first ones may be staged: see staged.lua
-- RESULT  id of the last change of the ledger
-- ERRORS  PENNONSTAGED: nothing was written
-- EVENT   none: followers find that the ledger exists again

local staged, head, changes, audit, lost = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local FIRST_COLLECTION, FIRST_AUDIT = 6, 8
local AUDIT_ARGUMENTS, VERSION_ARGUMENTS, DOCUMENT_ARGUMENTS = 8, 3, 4
local format, id, revision = ARGV[1], ARGV[2], ARGV[3]
local auditCount, versionCount = tonumber(ARGV[4]), tonumber(ARGV[5])
local collectionCount, documentCount = tonumber(ARGV[6]), tonumber(ARGV[7])
local FIRST_VERSIONED = FIRST_COLLECTION + collectionCount * 2
local FIRST_VERSION = FIRST_AUDIT + auditCount * AUDIT_ARGUMENTS
local FIRST_DOCUMENT = FIRST_VERSION + versionCount * VERSION_ARGUMENTS
local LAST_ARGUMENT = FIRST_DOCUMENT + documentCount * DOCUMENT_ARGUMENTS - 1
local stagedCount, argument = stagedArguments(staged, FIRST_VERSION, LAST_ARGUMENT)

local function typeAt(i)
  if i <= 2 or i == 5 then return 'hash' end
  if i <= 4 then return 'stream' end
  return i % 2 == 0 and 'hash' or 'zset'
end

local others = {}
for i, key in ipairs(KEYS) do
  if isOther(key, typeAt(i)) then others[#others + 1] = key end
end

local last = not isOther(head, 'hash') and redis.call('HGET', head, 'id')
local isDamaged = #others > 0 or last and lostDocuments(head, FIRST_COLLECTION, FIRST_VERSIONED - 1)
-- With the last change of the copy, what the ledger should have is what the copy has.
if last and last ~= id and not isDamaged then return last end

local incomplete = stagedError(staged, stagedCount)
if incomplete then return incomplete end

-- Nothing can fail from here on.

redis.call('UNLINK', changes, lost, unpack(others))

-- The new entries follow those of the last change. A stream remembers higher ids than it has.
local newest = redis.call('XREVRANGE', audit, '+', '-', 'COUNT', 1)[1]
local newestRevision, newestNumber = string.match(newest and newest[1] or '', '^(%d+)-(%d+)$')
local isNewer = newest and tonumber(newestRevision) > tonumber(revision)
if isNewer then redis.call('UNLINK', audit) end
if newest and not isNewer then redis.call('XSETID', audit, newest[1]) end
local nextNumber = newestRevision == revision and tonumber(newestNumber) + 1 or 0
for i = FIRST_COLLECTION, FIRST_VERSIONED - 1 do redis.call('UNLINK', KEYS[i]) end

for i = FIRST_VERSION, FIRST_DOCUMENT - 1, VERSION_ARGUMENTS do
  local versions, field = FIRST_VERSIONED + (tonumber(argument(i)) - 1) * 2, argument(i + 1)
  if not redis.call('HGET', KEYS[versions], field) then
    redis.call('HSET', KEYS[versions], field, argument(i + 2))
    redis.call('ZADD', KEYS[versions + 1], 0, field)
  end
end

for i = FIRST_DOCUMENT, LAST_ARGUMENT, DOCUMENT_ARGUMENTS do
  local documents, key = FIRST_COLLECTION + (tonumber(argument(i)) - 1) * 2, argument(i + 1)
  redis.call('HSET', KEYS[documents], key,
    '{"changeId":"' .. argument(i + 2) .. '","document":' .. argument(i + 3) .. '}')
  redis.call('ZADD', KEYS[documents + 1], 0, key)
end

for number = 0, auditCount - 1 do
  local i = FIRST_AUDIT + number * AUDIT_ARGUMENTS
  redis.call('XADD', audit, revision .. '-' .. (nextNumber + number), 'at', ARGV[i], 'kind', ARGV[i + 1], 'key', ARGV[i + 2],
    'actorId', ARGV[i + 3], 'actorName', ARGV[i + 4], 'action', ARGV[i + 5], 'entry', ARGV[i + 6],
    'onBehalfOf', ARGV[i + 7])
end

redis.call('UNLINK', staged)
redis.call('HSET', head, 'format', format, 'id', id,
  'documents', countDocuments(id, FIRST_COLLECTION, FIRST_VERSIONED - 1))
return id
