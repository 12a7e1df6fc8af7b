-- Takes or renews the lead: of the controllers, one reads the logs at a time.
-- KEYS  the root of all keys
-- ARGV  who would lead
-- 1 if they do now

local leader = redis.call('GET', key('leader'))
if leader and leader ~= ARGV[1] then return 0 end
redis.call('SET', key('leader'), ARGV[1], 'PX', LEAD_S * 1000)
return 1
