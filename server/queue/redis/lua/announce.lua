-- Records a worker; those without a heartbeat for LEASE_S are dropped.
-- KEYS  the root of all keys
-- ARGV  name, its report (JSON)

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', key('heard'), '-inf', now() - LEASE_S)) do
  redis.call('ZREM', key('heard'), silent)
  redis.call('HDEL', key('workers'), silent)
end
redis.call('ZADD', key('heard'), now(), ARGV[1])
redis.call('HSET', key('workers'), ARGV[1], ARGV[2])
