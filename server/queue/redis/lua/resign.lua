-- KEYS  the root of all keys
-- ARGV  who leads no more

if redis.call('GET', key('leader')) == ARGV[1] then redis.call('DEL', key('leader')) end
