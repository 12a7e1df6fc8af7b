-- A device died while it ran a task.
-- KEYS  the root of all keys
-- ARGV  id, token, place
-- Returns 1 if the task waits again or has another lease, 0 if it is poison.

local id = ARGV[1]
if not held(id, ARGV[2]) then return 1 end
count_death(id, ARGV[3])
if is_poison(id) then return 0 end
take_back(id)
return 1
