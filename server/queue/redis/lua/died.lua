-- A device died under a task.
-- KEYS  the root of all keys
-- ARGV  id, token, where
-- Answers 1 if it waits again or is somebody else's, 0 if that was one death too many.

local id = ARGV[1]
if not held(id, ARGV[2]) then return 1 end
count_death(id, ARGV[3])
if is_poison(id) then return 0 end
take_back(id)
return 1
