-- Takes a token from a tenant's bucket, as server/queue/memory/rate_limit.py does.
-- KEYS  the root of all keys
-- ARGV  tenant, seconds per token, size of the bucket
-- Returns nothing, or the seconds to wait as text if no token was taken.

local tenant, token_s, burst = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local at = now()
redis.call('ZREMRANGEBYSCORE', key('rates'), '-inf', at)
local full_at = (tonumber(redis.call('ZSCORE', key('rates'), tenant)) or at) + token_s
local wait_s = full_at - at - burst * token_s
if wait_s > ROUNDING_S then return tostring(wait_s) end
redis.call('ZADD', key('rates'), string.format('%.17g', full_at), tenant)
return false
