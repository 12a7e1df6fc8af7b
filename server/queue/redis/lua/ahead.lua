-- Part of every script: the view of a task, and the number of tasks before it.

-- The number of pieces of other flows that are done before `flow` has done `work` and is next again, and their cost;
-- exact if each flow's pieces cost the same. `size_of` returns a flow's number of pieces, their mean work divided by the
-- flow's weight, and that weight. Above ASKED flows it extrapolates from the least served, so that its time is bounded.
local function before(flows, flow, work, size_of)
  local turn = standing(flows, flow) + work
  local others = redis.call('ZRANGEBYSCORE', flows, '-inf', turn, 'WITHSCORES', 'LIMIT', 0, ASKED)
  local pieces, cost, heard = 0, 0, 0
  for place = 1, #others, 2 do
    local other, lead = others[place], turn - tonumber(others[place + 1])
    if other ~= flow then
      local size, mean, weight = size_of(other)
      local due = other < flow and math.floor(lead / mean) + 1 or math.ceil(lead / mean)
      due = math.min(due, size)
      pieces, cost, heard = pieces + due, cost + due * mean * weight, heard + 1
    end
  end
  if #others < 2 * ASKED then return pieces, cost end
  local all = redis.call('ZCOUNT', flows, '-inf', turn) - (redis.call('ZSCORE', flows, flow) and 1 or 0)
  return pieces * all / heard, cost * all / heard
end

local function position_in(pool, task)
  local line = key('line', pool, task.class, task.tenant)
  local function line_of(tenant)
    local size = redis.call('ZCARD', key('line', pool, task.class, tenant))
    local weight = tonumber(redis.call('HGET', key('weights', pool, task.class), tenant) or 1)
    return size, redis.call('HGET', key('costs', pool, task.class), tenant) / size / weight, weight
  end
  local function lines_of(class)
    local found = redis.call('HMGET', key('totals', pool), class .. ':count', class .. ':cost')
    return tonumber(found[1]), found[2] / found[1] / WEIGHTS[class], WEIGHTS[class]
  end
  local own, work = redis.call('ZCOUNT', line, '-inf', '(' .. task.order), 0
  if own > 0 then
    local _, mean, weight = line_of(task.tenant)
    work = own * mean * weight
  end
  local same_class, cost = before(key('turns', pool, task.class), task.tenant, work / task.weight, line_of)
  local others = before(key('turns', pool), task.class, (work + cost) / WEIGHTS[task.class], lines_of)
  return math.floor(own + same_class + others + 0.5) + 1
end

-- Where it is served first; 0 if no pool serves it.
local function position(task)
  local first = math.huge
  for _, pool in ipairs(serving(task.models, live_pools())) do first = math.min(first, position_in(pool, task)) end
  return first < math.huge and first or 0
end

-- Returns {position, field, value, …}; false for an unknown task.
local function view(id)
  local fields = redis.call('HGETALL', key('task', id))
  if #fields == 0 then return false end
  local task = read(id)
  local waits = task.state == 'admitted' or task.state == 'waiting'
  table.insert(fields, 1, waits and position(task) or 0)
  if waits and fields[1] == 0 then
    fields[#fields + 1], fields[#fields + 2] = 'missing', cjson.encode(missing(task.models))
  end
  return fields
end
