-- Part of every script: the waiting tasks, a line for each class and tenant, and within it one for each model.
--   line:<class>:<tenant>          sorted set of ids by their order      costs:<class>  hash of the tenants' costs
--   warm:<class>:<tenant>:<model>  the same, of one model                totals         hash of the classes' counts, costs
--   waiting                        sorted set of all these ids by acceptance time
--   weights:<class>                hash of the tenants' weights, from their newest task
--   turns, turns:<class>           fair-queueing tags of classes, and of tenants within one

local ROOT = KEYS[1]

local function key(...)
  return table.concat({ROOT, ...}, ':')
end

local function read(id)
  local names = {'tenant', 'class', 'model', 'order', 'state', 'cost', 'deaths', 'weight'}
  local found = redis.call('HMGET', key('task', id), unpack(names))
  return {
    id = id, tenant = found[1], class = found[2], model = found[3], order = found[4], state = found[5],
    cost = tonumber(found[6] or 0), deaths = tonumber(found[7] or 0), weight = tonumber(found[8] or 1),
  }
end

-- `wake` has at most one token: the worker that takes it looks for a task, and puts it back if there are more.
local function ring()
  if redis.call('LLEN', key('wake')) == 0 then redis.call('RPUSH', key('wake'), 1) end
end

local function count(task, sign)
  redis.call('HINCRBYFLOAT', key('costs', task.class), task.tenant, sign * task.cost)
  redis.call('HINCRBY', key('totals'), task.class .. ':count', sign)
  redis.call('HINCRBYFLOAT', key('totals'), task.class .. ':cost', sign * task.cost)
end

-- A task keeps its order for life, so a returned task gets its old position.
local function join_line(task)
  enter(key('turns'), task.class)
  enter(key('turns', task.class), task.tenant)
  redis.call('ZADD', key('line', task.class, task.tenant), task.order, task.id)
  redis.call('ZADD', key('warm', task.class, task.tenant, task.model), task.order, task.id)
  redis.call('ZADD', key('waiting'), redis.call('ZSCORE', key('history', task.tenant), task.id) or now(), task.id)
  redis.call('HSET', key('weights', task.class), task.tenant, task.weight)
  count(task, 1)
  ring()
end

-- Empty sums are deleted, not subtracted to zero, so that no rounding error stays.
local function leave_line(task)
  local line, tenants = key('line', task.class, task.tenant), key('turns', task.class)
  if redis.call('ZREM', line, task.id) == 0 then return end
  redis.call('ZREM', key('warm', task.class, task.tenant, task.model), task.id)
  redis.call('ZREM', key('waiting'), task.id)
  count(task, -1)
  if redis.call('EXISTS', line) == 1 then return end
  redis.call('HDEL', key('costs', task.class), task.tenant)
  redis.call('HDEL', key('weights', task.class), task.tenant)
  leave(tenants, task.tenant)
  if redis.call('EXISTS', tenants) == 1 then return end
  redis.call('HDEL', key('totals'), task.class .. ':count', task.class .. ':cost')
  leave(key('turns'), task.class)
end
