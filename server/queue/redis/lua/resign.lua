-- KEYS  the root of all keys
-- ARGV  id of the controller that gives up the leadership

if redis.call('GET', key('leader')) == ARGV[1] then redis.call('DEL', key('leader')) end
