-- Puts a task back at the head of its line without counting a death; does nothing if the lease is lost.
-- KEYS  the root of all keys
-- ARGV  id, token, key of its snapshot (may be empty)

if not held(ARGV[1], ARGV[2]) then return end
if ARGV[3] ~= '' then redis.call('HSET', key('task', ARGV[1]), 'parked', ARGV[3]) end
take_back(ARGV[1])
