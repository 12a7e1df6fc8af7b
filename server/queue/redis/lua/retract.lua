-- Frees the slot of an admitted task; does nothing once it is ingested.
-- KEYS  the root of all keys
-- ARGV  id

if read(ARGV[1]).state == 'admitted' then drop(ARGV[1]) end
