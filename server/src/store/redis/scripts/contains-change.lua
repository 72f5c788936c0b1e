-- Returns whether a change is part of the ledger's current history. If a follower's last change is not,
-- the feed was trimmed, the ledger was dropped or created again, or Redis lost changes that the follower
-- has already received.
--
-- KEYS    1 head, 2 changes
-- ARGV    1 id of a change; `none` checks that the ledger does not exist
--         2 its revision
-- RESULT  1 or 0
-- EVENT   none

local head, changes = KEYS[1], KEYS[2]
local id, revision = ARGV[1], ARGV[2]

local last = redis.call('HGET', head, 'id') or 'none'
if last == id then return 1 end
if id == 'none' then return 0 end

local entry = redis.call('XRANGE', changes, revision .. '-0', revision .. '-0')[1]
return entry and entry[2][2] == id and 1 or 0
