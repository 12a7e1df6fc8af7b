-- The logs are about to be read. A Redis that was started anew may have lost what it was told last: it leases nothing.
-- KEYS  the root of all keys
-- ARGV  this run of Redis, this reading

if redis.call('GET', key('open')) ~= ARGV[1] then redis.call('DEL', key('open')) end
redis.call('SET', key('reading'), ARGV[1] .. ':' .. ARGV[2])
