-- Part of every script: the life of a task.
--   task:<id>         hash; its state is admitted, waiting or running until it has ended, then succeeded, failed, canceled
--   unfinished, active:<tenant>  sets of ids, in all and of a tenant       history:<tenant>  its ids by arrival
--   reserved          admitted ids by when their slot is free again        leases            running ids by when they expire

-- Whether the logs have been read in this run of Redis. Keys of an earlier run do not open the queue.
local function opened()
  return redis.call('GET', key('open')) == redis.call('INFO', 'server'):match('run_id:(%w+)')
end

local function changed(id)
  redis.call('PUBLISH', key('changed', id), '')
end

local function begin(id, tenant, class, models, cost, weight, created_at, fetches, body)
  redis.call('HSET', key('task', id), 'tenant', tenant, 'class', class, 'models', models,
    'model', cjson.decode(models)[1] or '', 'cost', cost, 'weight', weight, 'fetches', fetches, 'body', body, 'order', redis.call('INCR', key('orders')), 'state', 'admitted', 'deaths', 0)
  redis.call('SADD', key('unfinished'), id)
  redis.call('SADD', key('active', tenant), id)
  redis.call('ZADD', key('history', tenant), created_at, id)
end

-- Removes a task from the unfinished ones.
local function finish(task)
  leave_line(task)
  redis.call('ZREM', key('leases'), task.id)
  redis.call('ZREM', key('reserved'), task.id)
  redis.call('SREM', key('unfinished'), task.id)
  redis.call('SREM', key('active', task.tenant), task.id)
end

local function forget(id, tenant)
  redis.call('ZREM', key('history', tenant), id)
  redis.call('DEL', key('task', id))
end

-- Removes a task that was never accepted.
local function drop(id)
  local task = read(id)
  finish(task)
  forget(id, task.tenant)
  changed(id)
end

local function hold(id, token, worker)
  redis.call('HSET', key('task', id), 'state', 'running', 'token', token, 'worker', worker)
  redis.call('ZADD', key('leases'), now() + LEASE_S, id)
end

local function held(id, token)
  return redis.call('HGET', key('task', id), 'token') == token
end

-- The rule of server/queue/poison.py; places are separated by newlines.
local function count_death(id, place)
  local places = redis.call('HGET', key('task', id), 'places') or '\n'
  if not places:find('\n' .. place .. '\n', 1, true) then places = places .. place .. '\n' end
  redis.call('HSET', key('task', id), 'places', places)
  redis.call('HINCRBY', key('task', id), 'deaths', 1)
  redis.call('HDEL', key('task', id), 'parked')
end

local function is_poison(id)
  local deaths, places = unpack(redis.call('HMGET', key('task', id), 'deaths', 'places'))
  local _, lines = (places or '\n'):gsub('\n', '')
  deaths = tonumber(deaths)
  return deaths >= DEATHS_AT_MOST or (deaths >= DEATHS_UNTIL_POISON and lines > PLACES_UNTIL_POISON)
end

local function take_back(id)
  redis.call('HDEL', key('task', id), 'token', 'worker', 'started_at', 'made', 'step', 'steps', 'preview')
  redis.call('HSET', key('task', id), 'state', 'waiting', 'since', now())
  redis.call('ZREM', key('leases'), id)
  join_line(read(id))
  changed(id)
end
