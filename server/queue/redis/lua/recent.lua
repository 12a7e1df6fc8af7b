-- A page of a tenant's tasks, newest first.
-- KEYS  the root of all keys
-- ARGV  tenant, how many to skip, how many to show, the states to show (all if none)
-- Returns {number of all, view, …}.

local history, skipped, shown = key('history', ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local wanted = {unpack(ARGV, 4)}
local found = {}
if #wanted == 0 then
  found[1] = redis.call('ZCARD', history)
  for _, id in ipairs(redis.call('ZREVRANGE', history, skipped, skipped + shown - 1)) do
    found[#found + 1] = view(id)
  end
  return found
end
local total, states = 0, {}
for _, state in ipairs(wanted) do states[state] = true end
for _, id in ipairs(redis.call('ZREVRANGE', history, 0, -1)) do
  if states[redis.call('HGET', key('task', id), 'state')] then
    total = total + 1
    if total > skipped and total <= skipped + shown then found[#found + 1] = view(id) end
  end
end
return {total, unpack(found)}
