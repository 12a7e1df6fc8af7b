-- Part of every script: the waiting tasks. Each pool that can serve a task has it in its own lines: one for each class and
-- tenant, and within it one for each model.
--   line:<pool>:<class>:<tenant>            sorted set of ids by their order
--   plain:<pool>:<class>:<tenant>           the same, of the tasks that fetch no images
--   warm:<pool>:<class>:<tenant>:<model>    the same, of one model
--   images:<pool>:<class>:<tenant>:<model>  of one model, the tasks that fetch images
--   costs:<pool>:<class>, totals:<pool>     hashes of the tenants' costs, and of the classes' counts and costs
--   weights:<pool>:<class>                  hash of the tenants' weights, from their newest task
--   turns:<pool>, turns:<pool>:<class>      fair-queueing tags of classes, and of tenants within one
--   waiting                                 sorted set of all waiting ids by acceptance time
--   totals                                  hash of the classes' counts and costs over all pools
--   missing                                 hash of the number of tasks that no pool serves, by the models they miss
--   missing:cost                            hash of their cost

local function read(id)
  local names = {'tenant', 'class', 'model', 'order', 'state', 'cost', 'deaths', 'weight', 'fetches',
    'models', 'pools', 'missing'}
  local found = redis.call('HMGET', key('task', id), unpack(names))
  return {
    id = id, tenant = found[1], class = found[2], model = found[3], order = found[4], state = found[5],
    cost = tonumber(found[6] or 0), deaths = tonumber(found[7] or 0), weight = tonumber(found[8] or 1),
    fetches = found[9] == '1', models = found[10] and cjson.decode(found[10]) or {found[3]}, pools = found[11] or '', missing = found[12],
  }
end

-- `wake:<pool>` has at most one token: the worker that takes it looks for a task, and puts it back if there are more.
local function ring(pool)
  if redis.call('LLEN', key('wake', pool)) == 0 then redis.call('RPUSH', key('wake', pool), 1) end
end

local function count(totals, task, sign)
  redis.call('HINCRBY', totals, task.class .. ':count', sign)
  redis.call('HINCRBYFLOAT', totals, task.class .. ':cost', sign * task.cost)
end

-- The sorted sets of a pool's waiting task by its order.
local function lines_of(task, pool)
  return {
    key('line', pool, task.class, task.tenant),
    key(task.fetches and 'images' or 'warm', pool, task.class, task.tenant, task.model),
    not task.fetches and key('plain', pool, task.class, task.tenant) or nil,
  }
end

local function join_pool(task, pool)
  enter(key('turns', pool), task.class)
  enter(key('turns', pool, task.class), task.tenant)
  for _, line in ipairs(lines_of(task, pool)) do redis.call('ZADD', line, task.order, task.id) end
  redis.call('HSET', key('weights', pool, task.class), task.tenant, task.weight)
  redis.call('HINCRBYFLOAT', key('costs', pool, task.class), task.tenant, task.cost)
  count(key('totals', pool), task, 1)
  ring(pool)
end

-- Empty sums are deleted, not subtracted to zero, so that no rounding error stays.
local function leave_pool(task, pool)
  local class, tenants = task.class, key('turns', pool, task.class)
  for _, line in ipairs(lines_of(task, pool)) do redis.call('ZREM', line, task.id) end
  redis.call('HINCRBYFLOAT', key('costs', pool, class), task.tenant, -task.cost)
  count(key('totals', pool), task, -1)
  if redis.call('EXISTS', key('line', pool, class, task.tenant)) == 1 then return end
  redis.call('HDEL', key('costs', pool, class), task.tenant)
  redis.call('HDEL', key('weights', pool, class), task.tenant)
  leave(tenants, task.tenant)
  if redis.call('EXISTS', tenants) == 1 then return end
  redis.call('HDEL', key('totals', pool), class .. ':count', class .. ':cost')
  leave(key('turns', pool), class)
end

local function count_missing(label, cost, sign)
  redis.call('HINCRBYFLOAT', key('missing', 'cost'), label, sign * cost)
  if redis.call('HINCRBY', key('missing'), label, sign) > 0 then return end
  redis.call('HDEL', key('missing'), label)
  redis.call('HDEL', key('missing', 'cost'), label)
end

-- Puts a waiting task into the lines of the pools that serve it now, and out of the others.
local function place(task)
  local pools, serves = serving(task.models, live_pools()), {}
  for _, pool in ipairs(pools) do
    serves[pool] = true
    if not task.pools:find(pool, 1, true) then join_pool(task, pool) end
  end
  for pool in task.pools:gmatch('%S+') do
    if not serves[pool] then leave_pool(task, pool) end
  end
  redis.call('HSET', key('task', task.id), 'pools', table.concat(pools, ' '))
  local label = #pools == 0 and cjson.encode(missing(task.models)) or false
  if label == task.missing then return end
  if task.missing then
    count_missing(task.missing, task.cost, -1)
    redis.call('HDEL', key('task', task.id), 'missing')
  end
  if label then
    count_missing(label, task.cost, 1)
    redis.call('HSET', key('task', task.id), 'missing', label)
  end
end

-- Chooses the pools of some waiting tasks again. One call takes few, so that it does not hold up the others.
local function review()
  local found = redis.call('ZPOPMIN', key('review'), REVIEWED)
  for at = 1, #found, 2 do
    local task = read(found[at])
    if task.state == 'waiting' then place(task) end
  end
end

-- An api of an earlier release puts tasks into no pool. Some waiting tasks are looked at again and again, so that none is
-- forgotten during an upgrade.
local function look_at_some()
  for _, id in ipairs(redis.call('ZRANDMEMBER', key('waiting'), SAMPLED)) do
    local task = read(id)
    if task.state == 'waiting' then place(task) end
  end
end

-- A pool has come or gone.
local function begin_review()
  redis.call('ZUNIONSTORE', key('review'), 1, key('waiting'))
  for _, pool in ipairs(live_pools()) do ring(pool) end
end

-- Workers without a heartbeat for LEASE_S are dropped.
local function drop_silent(since)
  local silent = redis.call('ZRANGEBYSCORE', key('heard'), '-inf', since)
  for _, worker in ipairs(silent) do
    local pool = redis.call('HGET', key('members'), worker)
    redis.call('ZREM', key('heard'), worker)
    redis.call('HDEL', key('workers'), worker)
    redis.call('HDEL', key('members'), worker)
    if pool then drop_pool_if_empty(pool) end
  end
  if #silent > 0 then begin_review() end
end

-- A task keeps its order for life, so a returned task gets its old position.
local function join_line(task)
  redis.call('ZADD', key('waiting'), redis.call('ZSCORE', key('history', task.tenant), task.id) or now(), task.id)
  count(key('totals'), task, 1)
  task.pools = ''
  place(task)
end

local function leave_line(task)
  if redis.call('ZREM', key('waiting'), task.id) == 0 then return end
  for pool in task.pools:gmatch('%S+') do leave_pool(task, pool) end
  if task.missing then
    count_missing(task.missing, task.cost, -1)
    redis.call('HDEL', key('task', task.id), 'missing')
  end
  count(key('totals'), task, -1)
  if redis.call('EXISTS', key('waiting')) == 0 then redis.call('DEL', key('totals')) end
end
