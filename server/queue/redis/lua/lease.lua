-- Leases the next task to a worker, picked as by server/queue/fair_queue.py.
-- KEYS  the root of all keys
-- ARGV  worker, token, its pool, number of tenants for which it fetches enough, these tenants; then its loaded models
-- Returns {body, deaths, parked}; or the milliseconds for which it leaves the task to other workers; or nothing if no
-- task waits or the logs have not been read.

local worker, token, pool, excluded, fetching = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), {}
for place = 5, 4 + excluded do fetching[ARGV[place]] = true end
local resident = {unpack(ARGV, 5 + excluded)}

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

-- The oldest task of a tenant that this worker may take.
local function oldest(class, tenant)
  return redis.call('ZRANGE', key(fetching[tenant] and 'plain' or 'line', pool, class, tenant), 0, 0)[1]
end

-- The same, of the tasks that need one of the loaded models, or no model.
local function oldest_warm(class, tenant)
  local chosen, order = nil, math.huge
  for _, line in ipairs(fetching[tenant] and {'warm'} or {'warm', 'images'}) do
    for _, model in ipairs({'', unpack(resident)}) do
      local head = redis.call('ZRANGE', key(line, pool, class, tenant, model), 0, 0, 'WITHSCORES')
      if head[1] and tonumber(head[2]) < order then chosen, order = head[1], tonumber(head[2]) end
    end
  end
  return chosen
end

-- The least served tenants with a task for this worker: {name, tag}, …
local function in_turn(class)
  local flows, tenants = redis.call('ZRANGE', key('turns', pool, class), 0, LOOK_AHEAD + excluded - 1, 'WITHSCORES'), {}
  for place = 1, #flows, 2 do
    if #tenants < LOOK_AHEAD and oldest(class, flows[place]) then
      tenants[#tenants + 1] = {name = flows[place], tag = tonumber(flows[place + 1])}
    end
  end
  return tenants
end

-- The least served tenant's task, unless a tenant within SLACK of it has one for a loaded model.
local function choose(class)
  local tenants = in_turn(class)
  if #tenants == 0 then return nil end
  for place = 1, owes_fairness() and 0 or #resident > 0 and #tenants or 0 do
    local warm = tenants[place].tag <= tenants[1].tag + SLACK and oldest_warm(class, tenants[place].name)
    if warm then return warm end
  end
  return oldest(class, tenants[1].name)
end

if not opened() or not is_live(pool) then return false end
review()
local class, id
for _, each in ipairs(redis.call('ZRANGE', key('turns', pool), 0, -1)) do
  class, id = each, choose(each)
  if id then break end
end
if not id then
  local reviewing = redis.call('EXISTS', key('review')) == 1
  if not class and not reviewing then return false end
  ring(pool)
  return reviewing and 1 or FETCHING_PAUSE_S * 1000
end
local task = read(id)
local courtesy = courtesy_ms(task)
if courtesy > 0 then
  ring(pool)
  return courtesy
end
picked()
charge(key('turns', pool, class), task.tenant, task.cost / task.weight)
charge(key('turns', pool), class, task.cost / WEIGHTS[class])
leave_line(task)
redis.call('HSET', key('task', id), 'started_at', now())
hold(id, token, worker)
changed(id)
if redis.call('EXISTS', key('turns', pool)) == 1 then ring(pool) end
return {redis.call('HGET', key('task', id), 'body'), task.deaths, redis.call('HGET', key('task', id), 'parked') or ''}
