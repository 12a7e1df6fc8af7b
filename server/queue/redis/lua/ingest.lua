-- Makes a task from the log ready to be leased. If it was ingested before, only its priority may change.
-- KEYS  the root of all keys
-- ARGV  id, tenant, class, models (JSON), cost, weight, created_at, fetches, body
-- Returns its position; nothing if it no longer waits, no pool serves it, or while the logs are being read.

local id = ARGV[1]
if redis.call('EXISTS', key('task', id)) == 0 then begin(unpack(ARGV, 1, 9)) end
local task = read(id)
if task.state == 'admitted' then
  redis.call('ZREM', key('reserved'), id)
  redis.call('HSET', key('task', id), 'state', 'waiting', 'since', now())
  join_line(task)
  changed(id)
elseif task.class ~= ARGV[3] and (task.state == 'waiting' or task.state == 'running') then
  leave_line(task)
  redis.call('HSET', key('task', id), 'class', ARGV[3], 'body', ARGV[9])
  task = read(id)
  if task.state == 'waiting' then join_line(task) end
  changed(id)
end
if (task.state ~= 'admitted' and task.state ~= 'waiting') or not opened() then return false end
local place = position(task)
return place > 0 and place
