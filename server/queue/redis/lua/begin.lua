-- Called before the logs are read. A restarted Redis may have lost its last writes, so it leases nothing until then.
-- KEYS  the root of all keys
-- ARGV  run id of Redis, id of this replay

if redis.call('GET', key('open')) ~= ARGV[1] then redis.call('DEL', key('open')) end
redis.call('SET', key('reading'), ARGV[1] .. ':' .. ARGV[2])
