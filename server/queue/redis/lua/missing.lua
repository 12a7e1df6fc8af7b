-- The models that a task with all of these would have to wait for.
-- KEYS  the root of all keys
-- ARGV  models

drop_silent(now() - LEASE_S)
return missing(ARGV)
