-- A device died under a task.
-- KEYS  the root of all keys
-- ARGV  id, token
-- Answers 1 if it waits again or is somebody else's, 0 if that was one death too many.

local id = ARGV[1]
if not held(id, ARGV[2]) then return 1 end
redis.call('HDEL', key('task', id), 'parked')
if redis.call('HINCRBY', key('task', id), 'deaths', 1) >= DEATHS_UNTIL_POISON then return 0 end
take_back(id)
return 1
