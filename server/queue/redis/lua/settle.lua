-- Ends a task: frees its slot, ends any lease, stores its result; the oldest results are dropped first.
-- KEYS  the root of all keys
-- ARGV  id, tenant, created_at, how many results to keep; then the fields to store: field, value, …

local id, tenant = ARGV[1], ARGV[2]
if redis.call('SISMEMBER', key('unfinished'), id) == 1 then finish(read(id)) end
redis.call('DEL', key('task', id))
redis.call('HSET', key('task', id), unpack(ARGV, 5))
redis.call('ZADD', key('history', tenant), ARGV[3], id)
redis.call('ZADD', key('ended'), 'NX', redis.call('INCR', key('orders')), id)
while redis.call('ZCARD', key('ended')) > tonumber(ARGV[4]) do
  local first = redis.call('ZPOPMIN', key('ended'))[1]
  forget(first, redis.call('HGET', key('task', first), 'tenant'))
end
changed(id)
