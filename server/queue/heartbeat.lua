-- Renews a lease, unless it never expires, and records progress.
-- KEYS  the root of all keys
-- ARGV  id, token; then, if there is progress: step, steps, preview
-- Answers 1, or 0 if the lease is lost.

local id = ARGV[1]
if not held(id, ARGV[2]) then return 0 end
if redis.call('ZSCORE', key('leases'), id) ~= 'inf' then redis.call('ZADD', key('leases'), now() + LEASE_S, id) end
if ARGV[3] then
  redis.call('HSET', key('task', id), 'step', ARGV[3], 'steps', ARGV[4], 'preview', ARGV[5])
  changed(id)
end
return 1
