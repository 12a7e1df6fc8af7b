-- Renews a lease, unless it never expires, and records progress.
-- KEYS  the root of all keys
-- ARGV  id, token, 1 while the device has it, else 0; then, if there is progress: step, steps, preview
-- Returns 1, or 0 if the lease is lost.

local id = ARGV[1]
if not held(id, ARGV[2]) then return 0 end
if redis.call('ZSCORE', key('leases'), id) ~= 'inf' then redis.call('ZADD', key('leases'), now() + LEASE_S, id) end
if ARGV[3] == '0' then redis.call('HSET', key('task', id), 'made', 1) end
if ARGV[4] then
  redis.call('HSET', key('task', id), 'step', ARGV[4], 'steps', ARGV[5], 'preview', ARGV[6])
  changed(id)
end
return 1
