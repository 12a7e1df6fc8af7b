-- Part of every script: start-time fair queueing, as in server/queue/start_time_fair_queueing.py.
-- A flow's tag is its score in the sorted set `flows`; paused flows keep theirs in `flows:rest`. Ties go by name.

local ROOT = KEYS[1]

local function key(...)
  return table.concat({ROOT, ...}, ':')
end

local function now()
  local time = redis.call('TIME')
  return time[1] + time[2] / 1e6
end

local function least(flows)
  return tonumber(redis.call('ZRANGE', flows, 0, 0, 'WITHSCORES')[2])
end

-- The tag of a flow, or the tag it would get if it entered now.
local function standing(flows, flow)
  local tag = redis.call('ZSCORE', flows, flow)
  if tag then return tonumber(tag) end
  local rested = tonumber(redis.call('ZSCORE', flows .. ':rest', flow) or 0)
  return math.max(rested, least(flows) or 0)
end

local function enter(flows, flow)
  redis.call('ZADD', flows, 'NX', standing(flows, flow), flow)
  redis.call('ZREM', flows .. ':rest', flow)
end

-- Keeps a paused flow's tag only while it is above the least tag, which bounds their number.
local function leave(flows, flow)
  local tag = redis.call('ZSCORE', flows, flow)
  redis.call('ZREM', flows, flow)
  redis.call('ZADD', flows .. ':rest', tag, flow)
  redis.call('ZREMRANGEBYSCORE', flows .. ':rest', '-inf', least(flows) or 'inf')
end

local function charge(flows, flow, work)
  redis.call('ZINCRBY', flows, work, flow)
end
