-- Remembers a revocation and answers whom it concerns, in one step: a login comes before it, and is listed, or after it, and finds
-- it remembered. KEYS: list, revocations. ARGV: 'all', 'others' or 'one', handle, life of the memory (ms).
local now_us = string.format('%.0f', time_us())
if ARGV[1] == 'all' then
  redis.call('HSET', KEYS[2], 'all', now_us)
  redis.call('HDEL', KEYS[2], 'others', 'spared')
elseif ARGV[1] == 'others' then
  local before = redis.call('HMGET', KEYS[2], 'all', 'others', 'spared')
  -- Who was spared by the one before is not spared now, and who is spared now was not spared then.
  if before[2] and before[3] ~= ARGV[2] and tonumber(before[2]) > tonumber(before[1] or '0') then
    redis.call('HSET', KEYS[2], 'all', before[2])
  end
  redis.call('HSET', KEYS[2], 'others', now_us, 'spared', ARGV[2])
end
if ARGV[1] ~= 'one' then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
