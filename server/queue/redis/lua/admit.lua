-- Reserves one of a tenant's slots for a task that is about to be published.
-- KEYS  the root of all keys
-- ARGV  id, tenant, class, models (JSON), cost, weight, created_at, fetches, body, limit
-- Returns the view of a known task with this id, 0 above the limit, 1 if admitted; nothing while the logs are being
-- read, because the number of used slots is not known before.

local id, tenant = ARGV[1], ARGV[2]
for _, stale in ipairs(redis.call('ZRANGEBYSCORE', key('reserved'), '-inf', now(), 'LIMIT', 0, 100)) do
  drop(stale)
end
local known = view(id)
if known then return known end
if not opened() then return false end
if redis.call('SCARD', key('active', tenant)) >= tonumber(ARGV[10]) then return 0 end
begin(unpack(ARGV, 1, 9))
redis.call('ZADD', key('reserved'), now() + RESERVED_S, id)
return 1
