-- Says whether a change is part of the ledger's history as it is now. A follower whose last change is not
-- has lost its place: the feed was trimmed, the ledger was dropped or begun anew, or Redis lost changes
-- that the follower has already seen.
--
-- KEYS    1 head, 2 changes
-- ARGV    1 id of a change; `none` asks whether there is no such ledger
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
