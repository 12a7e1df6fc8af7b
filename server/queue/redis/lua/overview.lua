-- The state of the whole queue.
-- KEYS  the root of all keys
-- Returns {queued, running, acceptance time of the oldest waiting task or '', callbacks, of these due,
--   {class, number waiting, their cost, …}, {worker, time of its heartbeat, …},
--   {models that tasks miss (JSON), the number of these tasks, their cost, …}, {pool, the cost of what waits for it, …}}.

drop_silent(now() - LEASE_S)

local running = redis.call('ZCARD', key('leases'))
local oldest, lines = redis.call('ZRANGE', key('waiting'), 0, 0, 'WITHSCORES')[2] or '', {}
for class in pairs(WEIGHTS) do
  lines[#lines + 1] = class
  lines[#lines + 1] = redis.call('HGET', key('totals'), class .. ':count') or '0'
  lines[#lines + 1] = redis.call('HGET', key('totals'), class .. ':cost') or '0'
end
local workers = redis.call('ZRANGEBYSCORE', key('heard'), '(' .. now() - LEASE_S, 'inf', 'WITHSCORES')
for place = 1, #workers, 2 do
  workers[place] = redis.call('HGET', key('workers'), workers[place])
end
local missed, costs = {}, {}
local labels = redis.call('HGETALL', key('missing'))
for place = 1, #labels, 2 do
  local cost = redis.call('HGET', key('missing', 'cost'), labels[place]) or '0'
  for _, value in ipairs({labels[place], labels[place + 1], cost}) do missed[#missed + 1] = value end
end
for _, pool in ipairs(live_pools()) do
  local cost = 0
  for class in pairs(WEIGHTS) do cost = cost + (redis.call('HGET', key('totals', pool), class .. ':cost') or 0) end
  costs[#costs + 1], costs[#costs + 2] = pool, tostring(cost)
end
return {
  redis.call('SCARD', key('unfinished')) - running, running, oldest,
  redis.call('ZCARD', key('callbacks')), redis.call('ZCOUNT', key('callbacks'), '-inf', now()), lines, workers,
  missed, costs,
}
