-- Part of every script: the waiting tasks, a line for each class and tenant, and within it one for each model.
--   line:<class>:<tenant>            sorted set of ids by their order
--   plain:<class>:<tenant>           the same, of the tasks that fetch no images
--   warm:<class>:<tenant>:<model>    the same, of one model
--   images:<class>:<tenant>:<model>  of one model, the tasks that fetch images
--   waiting                          sorted set of all these ids by acceptance time
--   costs:<class>, totals            hashes of the tenants' costs, and of the classes' counts and costs
--   weights:<class>                  hash of the tenants' weights, from their newest task
--   turns, turns:<class>             fair-queueing tags of classes, and of tenants within one

local ROOT = KEYS[1]

local function key(...)
  return table.concat({ROOT, ...}, ':')
end

local function read(id)
  local names = {'tenant', 'class', 'model', 'order', 'state', 'cost', 'deaths', 'weight', 'fetches'}
  local found = redis.call('HMGET', key('task', id), unpack(names))
  return {
    id = id, tenant = found[1], class = found[2], model = found[3], order = found[4], state = found[5],
    cost = tonumber(found[6] or 0), deaths = tonumber(found[7] or 0), weight = tonumber(found[8] or 1),
    fetches = found[9] == '1',
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

-- The sorted sets of a waiting task by its order.
local function lines_of(task)
  return {
    key('line', task.class, task.tenant),
    key(task.fetches and 'images' or 'warm', task.class, task.tenant, task.model),
    not task.fetches and key('plain', task.class, task.tenant) or nil,
  }
end

-- A task keeps its order for life, so a returned task gets its old position.
local function join_line(task)
  enter(key('turns'), task.class)
  enter(key('turns', task.class), task.tenant)
  for _, line in ipairs(lines_of(task)) do redis.call('ZADD', line, task.order, task.id) end
  redis.call('ZADD', key('waiting'), redis.call('ZSCORE', key('history', task.tenant), task.id) or now(), task.id)
  redis.call('HSET', key('weights', task.class), task.tenant, task.weight)
  count(task, 1)
  ring()
end

-- Empty sums are deleted, not subtracted to zero, so that no rounding error stays.
local function leave_line(task)
  local line, tenants = key('line', task.class, task.tenant), key('turns', task.class)
  if not redis.call('ZSCORE', line, task.id) then return end
  for _, each in ipairs(lines_of(task)) do redis.call('ZREM', each, task.id) end
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
