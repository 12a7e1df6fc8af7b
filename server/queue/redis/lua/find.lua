-- What is known of a task.
-- KEYS  the root of all keys
-- ARGV  id
-- Answers {position, field, value, …}, or nothing; with a field `stale` if it may have ended since.

local found = view(ARGV[1])
if found and redis.call('SISMEMBER', key('unfinished'), ARGV[1]) == 1 and not opened() then
  found[#found + 1], found[#found + 2] = 'stale', '1'
end
return found
