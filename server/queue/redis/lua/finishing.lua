-- Makes a lease permanent, because its outcome is in the log.
-- KEYS  the root of all keys
-- ARGV  id, token

if held(ARGV[1], ARGV[2]) then redis.call('ZADD', key('leases'), 'inf', ARGV[1]) end
