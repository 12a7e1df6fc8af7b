-- What is known of a task.
-- KEYS  the root of all keys
-- ARGV  id
-- Answers {position, field, value, …}, or nothing.

return view(ARGV[1])
