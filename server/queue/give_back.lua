-- Puts a task back at the head of its line, no death counted; does nothing if the lease is lost.
-- KEYS  the root of all keys
-- ARGV  id, token

if held(ARGV[1], ARGV[2]) then take_back(ARGV[1]) end
