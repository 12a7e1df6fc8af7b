-- Ends the lease of a task whose outcome is in the log. Until it is settled, the task has a permanent lease without owner.
-- KEYS  the root of all keys
-- ARGV  id, an unused token

local id = ARGV[1]
if read(id).state == 'running' then
  redis.call('HSET', key('task', id), 'token', ARGV[2])
  redis.call('ZADD', key('leases'), 'inf', id)
end
