-- Part of every script: which workers can serve which tasks, as in server/queue/pools.py.
--   pools            set of the pools that have a live worker; while it is empty, the pool `any` takes every task
--   members          hash of each live worker's pool
--   models:<pool>    set of the models that its workers have, and of an empty name, so that it is never empty
--   broken:<pool>    set of those that they cannot load
--   review           waiting ids by acceptance time, whose pools are chosen again because a pool has come or gone

local ANY = 'any'

local function live_pools()
  local live = redis.call('SMEMBERS', key('pools'))
  return #live > 0 and live or {ANY}
end

local function is_live(pool)
  return redis.call('SISMEMBER', key('pools'), pool) == 1 or (pool == ANY and redis.call('EXISTS', key('pools')) == 0)
end

local function loads(pool, model)
  return pool ~= ANY and redis.call('SISMEMBER', key('models', pool), model) == 1
    and redis.call('SISMEMBER', key('broken', pool), model) == 0
end

local function has(pool, model)
  return pool ~= ANY and (redis.call('SISMEMBER', key('models', pool), model) == 1
    or redis.call('SISMEMBER', key('broken', pool), model) == 1)
end

local function any_of(pools, test, model)
  for _, pool in ipairs(pools) do
    if test(pool, model) then return true end
  end
  return false
end

-- The pools among `live` that take a task with these models.
local function serving(models, live)
  local found = {}
  for _, pool in ipairs(live) do
    local serves = true
    for _, model in ipairs(pool == ANY and {} or models) do
      serves = serves and (loads(pool, model) or (has(pool, model) and not any_of(live, loads, model)))
    end
    if serves then found[#found + 1] = pool end
  end
  return found
end

-- The models that no pool has; all of them if no pool has them together; none if a pool takes the task.
local function missing(models)
  local live, found = live_pools(), {}
  if #serving(models, live) > 0 then return found end
  for _, model in ipairs(models) do
    if not any_of(live, has, model) then found[#found + 1] = model end
  end
  return #found > 0 and found or models
end

local function drop_pool_if_empty(pool)
  for _, other in ipairs(redis.call('HVALS', key('members'))) do
    if other == pool then return end
  end
  redis.call('SREM', key('pools'), pool)
  redis.call('DEL', key('models', pool), key('broken', pool), key('wake', pool))
end
