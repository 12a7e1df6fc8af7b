-- Gives up a lock.
-- KEYS  the root of all keys
-- ARGV  name of the lock, its holder

if redis.call('GET', key('lock', ARGV[1])) == ARGV[2] then redis.call('DEL', key('lock', ARGV[1])) end
