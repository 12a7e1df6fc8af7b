-- Records a worker and its pool; those without a heartbeat for LEASE_S are dropped.
-- KEYS  the root of all keys
-- ARGV  name, its report (JSON), its pool; then, if an earlier call has asked for them: models (JSON), broken ones (JSON)
-- Returns 1 if the models of this pool are not known, and then does nothing else.

local function add_all(set, names)
  for _, name in ipairs(names) do redis.call('SADD', set, name) end
end

local name, report, pool, models, broken = unpack(ARGV)
drop_silent(now() - LEASE_S)
if pool ~= ANY and not models and redis.call('EXISTS', key('models', pool)) == 0 then return 1 end
if models then
  add_all(key('models', pool), cjson.decode(models))
  add_all(key('models', pool), {''})
  add_all(key('broken', pool), cjson.decode(broken))
end
local former = redis.call('HGET', key('members'), name)
redis.call('ZADD', key('heard'), now(), name)
redis.call('HSET', key('workers'), name, report)
redis.call('HSET', key('members'), name, pool)
local is_new = redis.call('SADD', key('pools'), pool) == 1
if former and former ~= pool then drop_pool_if_empty(former) end
if is_new or (former and not is_live(former)) then begin_review() end
review()
return 0
