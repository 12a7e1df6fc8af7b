-- Opens the queue after the logs have been read; does nothing if Redis was emptied or restarted since.
-- KEYS  the root of all keys
-- ARGV  run id of Redis, id of this replay

if redis.call('GET', key('reading')) ~= ARGV[1] .. ':' .. ARGV[2] then return end
redis.call('SET', key('open'), ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now() + LEASE_S)) do
  redis.call('ZADD', key('leases'), now() + LEASE_S, id)
end
for _, pool in ipairs(live_pools()) do ring(pool) end
