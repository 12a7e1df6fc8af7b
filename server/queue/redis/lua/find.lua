-- The view of a task.
-- KEYS  the root of all keys
-- ARGV  id
-- Returns {position, field, value, …}, or nothing; with a field `stale` if the task may have ended.

local found = view(ARGV[1])
if found and redis.call('SISMEMBER', key('unfinished'), ARGV[1]) == 1 and not opened() then
  found[#found + 1], found[#found + 2] = 'stale', '1'
end
return found
