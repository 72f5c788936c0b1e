-- Creates a ledger exactly as of a copy, with the ids of its changes. Does nothing if the ledger exists and has
-- lost no documents. Redis does not roll back a script, so all checks are made before the first write.
--
-- What is left of the ledger, because Redis has lost a part of its keys, is replaced. Its versions are kept, and
-- so is its audit log unless it has entries that are newer than the copy: the next changes need their ids.
--
-- KEYS    1 head, 2 changes, 3 audit, 4 lost; then, for each collection, its documents and their keys; then,
--         for each versioned collection, its versions and their fields
-- ARGV    1 format, 2 id of the last change of the copy, 3 its revision
--         4 number of audit entries, 5 number of versions, 6 number of collections
--         …then, for each audit entry, 8 arguments:
--           at, kind, key, actorId, actorName, action, the entry as JSON, onBehalfOf or empty
--         …then, for each version, 3 arguments: versioned collection number, field, the version as JSON
--         …then, for each document, 4 arguments: collection number, key, id of the change that wrote it, JSON
-- RESULT  id of the last change of the ledger
-- EVENT   none: followers find that the ledger exists again

local head, changes, audit, lost = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FIRST_COLLECTION, FIRST_AUDIT = 5, 7
local AUDIT_ARGUMENTS, VERSION_ARGUMENTS, DOCUMENT_ARGUMENTS = 8, 3, 4
local format, id, revision = ARGV[1], ARGV[2], ARGV[3]
local auditCount, versionCount, collectionCount = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local FIRST_VERSIONED = FIRST_COLLECTION + collectionCount * 2
local FIRST_VERSION = FIRST_AUDIT + auditCount * AUDIT_ARGUMENTS
local FIRST_DOCUMENT = FIRST_VERSION + versionCount * VERSION_ARGUMENTS

local last = redis.call('HGET', head, 'id')
if last and not lostDocuments(head, FIRST_COLLECTION, FIRST_VERSIONED - 1) then return last end

local newest = redis.call('XREVRANGE', audit, '+', '-', 'COUNT', 1)[1]
local isNewer = newest and tonumber(string.match(newest[1], '^%d+')) >= tonumber(revision)

-- Nothing can fail from here on.

redis.call('UNLINK', changes, lost)
if isNewer then redis.call('UNLINK', audit) end
for i = FIRST_COLLECTION, FIRST_VERSIONED - 1 do redis.call('UNLINK', KEYS[i]) end

for i = FIRST_VERSION, FIRST_DOCUMENT - 1, VERSION_ARGUMENTS do
  local versions = FIRST_VERSIONED + (tonumber(ARGV[i]) - 1) * 2
  if not redis.call('HGET', KEYS[versions], ARGV[i + 1]) then
    redis.call('HSET', KEYS[versions], ARGV[i + 1], ARGV[i + 2])
    redis.call('ZADD', KEYS[versions + 1], 0, ARGV[i + 1])
  end
end

for i = FIRST_DOCUMENT, #ARGV, DOCUMENT_ARGUMENTS do
  local documents, key = FIRST_COLLECTION + (tonumber(ARGV[i]) - 1) * 2, ARGV[i + 1]
  redis.call('HSET', KEYS[documents], key, '{"changeId":"' .. ARGV[i + 2] .. '","document":' .. ARGV[i + 3] .. '}')
  redis.call('ZADD', KEYS[documents + 1], 0, key)
end

for number = 0, auditCount - 1 do
  local i = FIRST_AUDIT + number * AUDIT_ARGUMENTS
  redis.call('XADD', audit, revision .. '-' .. number, 'at', ARGV[i], 'kind', ARGV[i + 1], 'key', ARGV[i + 2],
    'actorId', ARGV[i + 3], 'actorName', ARGV[i + 4], 'action', ARGV[i + 5], 'entry', ARGV[i + 6],
    'onBehalfOf', ARGV[i + 7])
end

redis.call('HSET', head, 'format', format, 'id', id,
  'documents', countDocuments(id, FIRST_COLLECTION, FIRST_VERSIONED - 1))
return id
