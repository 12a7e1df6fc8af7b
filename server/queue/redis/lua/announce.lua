-- A worker lives; those that were silent for a lease's time are forgotten.
-- KEYS  the root of all keys
-- ARGV  name, what it says of itself

for _, silent in ipairs(redis.call('ZRANGEBYSCORE', key('heard'), '-inf', now() - LEASE_S)) do
  redis.call('ZREM', key('heard'), silent)
  redis.call('HDEL', key('workers'), silent)
end
redis.call('ZADD', key('heard'), now(), ARGV[1])
redis.call('HSET', key('workers'), ARGV[1], ARGV[2])
