-- Whoever works on a task may stop: how it ended is in the log. Until that is settled its lease is nobody's, and lasts.
-- KEYS  the root of all keys
-- ARGV  id, a token that nobody has

local id = ARGV[1]
if read(id).state == 'running' then
  redis.call('HSET', key('task', id), 'token', ARGV[2])
  redis.call('ZADD', key('leases'), 'inf', id)
end
