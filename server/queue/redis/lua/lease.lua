-- Leases the next task to a worker, picked as by server/queue/fair_queue.py.
-- KEYS  the root of all keys
-- ARGV  worker, token; then its loaded models
-- Returns {body, deaths, parked}; or the milliseconds for which workers with the model go first; or nothing if no task
-- waits or the logs have not been read.

local worker, token, resident = ARGV[1], ARGV[2], {unpack(ARGV, 3)}

local function owes_fairness()
  return (tonumber(redis.call('GET', key('picks', worker)) or 0) + 1) % STRICTLY_FAIR_EVERY == 0
end

local function picked()
  redis.call('INCR', key('picks', worker))
  redis.call('EXPIRE', key('picks', worker), 3600)
end

local function courtesy_ms(task)
  if #resident == 0 or task.model == '' then return 0 end
  for _, model in ipairs(resident) do
    if model == task.model then return 0 end
  end
  return math.ceil((tonumber(redis.call('HGET', key('task', task.id), 'since') or 0) + COURTESY_S - now()) * 1000)
end

-- The oldest task of a line that needs one of these models, or no model.
local function oldest_warm(class, tenant)
  local chosen, order = nil, math.huge
  for _, model in ipairs({'', unpack(resident)}) do
    local head = redis.call('ZRANGE', key('warm', class, tenant, model), 0, 0, 'WITHSCORES')
    if head[1] and tonumber(head[2]) < order then chosen, order = head[1], tonumber(head[2]) end
  end
  return chosen
end

-- The least served tenant's task, unless a tenant within SLACK of it has one for a loaded model.
local function choose(class)
  local tenants = redis.call('ZRANGE', key('turns', class), 0, LOOK_AHEAD - 1, 'WITHSCORES')
  local patience = tenants[2] + SLACK
  for place = 1, owes_fairness() and 0 or #resident > 0 and #tenants or 0, 2 do
    local warm = tonumber(tenants[place + 1]) <= patience and oldest_warm(class, tenants[place])
    if warm then return warm end
  end
  return redis.call('ZRANGE', key('line', class, tenants[1]), 0, 0)[1]
end

local class = redis.call('ZRANGE', key('turns'), 0, 0)[1]
if not class or not opened() then return false end
local id = choose(class)
local task = read(id)
local courtesy = courtesy_ms(task)
if courtesy > 0 then
  ring()
  return courtesy
end
picked()
charge(key('turns', class), task.tenant, task.cost / task.weight)
charge(key('turns'), class, task.cost / WEIGHTS[class])
leave_line(task)
redis.call('HSET', key('task', id), 'started_at', now())
hold(id, token, worker)
changed(id)
if redis.call('EXISTS', key('turns')) == 1 then ring() end
return {redis.call('HGET', key('task', id), 'body'), task.deaths, redis.call('HGET', key('task', id), 'parked') or ''}
