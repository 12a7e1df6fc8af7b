-- Takes or renews the leadership: one controller at a time reads the logs.
-- KEYS  the root of all keys
-- ARGV  id of the controller
-- Returns 1 if it leads.

local leader = redis.call('GET', key('leader'))
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', key('leader'), ARGV[1], 'PX', LEAD_S * 1000)
return 1
