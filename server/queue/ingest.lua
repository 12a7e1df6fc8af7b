-- Makes a task from the log ready to be leased; does nothing if it was ready before.
-- KEYS  the root of all keys
-- ARGV  id, tenant, class, model, cost, created_at, body

local id = ARGV[1]
if redis.call('EXISTS', key('task', id)) == 0 then begin(unpack(ARGV, 1, 7)) end
local task = read(id)
if task.state ~= 'admitted' then return end
redis.call('ZREM', key('reserved'), id)
redis.call('HSET', key('task', id), 'state', 'waiting', 'since', now())
join_line(task)
changed(id)
