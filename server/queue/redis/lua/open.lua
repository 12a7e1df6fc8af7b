-- The logs have been read; counts for nothing if Redis was emptied or started anew since that reading began.
-- KEYS  the root of all keys
-- ARGV  this run of Redis, this reading

if redis.call('GET', key('reading')) ~= ARGV[1] .. ':' .. ARGV[2] then return end
redis.call('SET', key('open'), ARGV[1])
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now() + LEASE_S)) do
  redis.call('ZADD', key('leases'), now() + LEASE_S, id)
end
ring()
