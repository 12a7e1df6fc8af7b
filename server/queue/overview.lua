-- The state of the whole queue.
-- KEYS  the root of all keys
-- Answers {queued, running, cost of what waits, worker, when it was heard of, …}.

local running = redis.call('ZCARD', key('leases'))
local cost = 0
for class in pairs(WEIGHTS) do
  cost = cost + (redis.call('HGET', key('totals'), class .. ':cost') or 0)
end
local answer = {redis.call('SCARD', key('unfinished')) - running, running, tostring(cost)}
local heard = redis.call('ZRANGEBYSCORE', key('heard'), '(' .. now() - LEASE_S, 'inf', 'WITHSCORES')
for place = 1, #heard, 2 do
  answer[#answer + 1] = redis.call('HGET', key('workers'), heard[place])
  answer[#answer + 1] = heard[place + 1]
end
return answer
