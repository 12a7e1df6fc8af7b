-- Takes back up to a hundred tasks whose lease has expired. A death is counted if the device still had the task. A
-- poisoned task is not leased again, but a controller must fail it, so it is returned again after LEASE_S in case that
-- controller dies. No lease expires while the logs are being read, because no heartbeat may have arrived.
-- KEYS  the root of all keys
-- ARGV  a token for the leases of poisoned tasks
-- Returns {{body, token, worker, deaths, 1 if it is poison}, …}.

drop_silent(now() - LEASE_S)
review()
look_at_some()
local lost = {}
if not opened() then return lost end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', key('leases'), '-inf', now(), 'LIMIT', 0, 100)) do
  local found = redis.call('HMGET', key('task', id), 'body', 'token', 'worker')
  if redis.call('HEXISTS', key('task', id), 'made') == 0 then count_death(id, found[3]:match('^[^:]*')) end
  redis.call('HDEL', key('task', id), 'parked')
  local poison = is_poison(id)
  if poison then
    found[2] = ARGV[1] .. id
    hold(id, found[2], found[3])
  else
    take_back(id)
  end
  found[4], found[5] = redis.call('HGET', key('task', id), 'deaths'), poison and 1 or 0
  lost[#lost + 1] = found
end
return lost
