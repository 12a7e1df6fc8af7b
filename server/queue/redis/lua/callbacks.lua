-- Takes due callbacks and hides them for a while.
-- KEYS  the root of all keys
-- ARGV  now, how many, when the taken ones are due again
-- Returns {id, due_at, tries, …}.

local taken = redis.call('ZRANGEBYSCORE', key('callbacks'), '-inf', ARGV[1], 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local answer = {}
for place = 1, #taken, 2 do
  redis.call('ZADD', key('callbacks'), ARGV[3], taken[place])
  answer[#answer + 1] = taken[place]
  answer[#answer + 1] = taken[place + 1]
  answer[#answer + 1] = redis.call('HGET', key('tries'), taken[place])
end
return answer
