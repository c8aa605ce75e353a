-- Keeps an owner's list. KEYS: list. ARGV: 'settle' (the session is stored), 'extend' (it may live longer) or 'remove', place
-- (member), until when it may live (ms), life of the list (ms), then members to remove.
local list, how, place = KEYS[1], ARGV[1], ARGV[2]
if how ~= 'remove' then
  local score = redis.call('ZSCORE', list, place)
  local pending = score and tonumber(score) < 0
  local condemned = score == 'inf'
  if (how == 'settle' and pending) or (how == 'extend' and not condemned) then
    redis.call('ZADD', list, ARGV[3], place)
    if redis.call('PTTL', list) < tonumber(ARGV[4]) then redis.call('PEXPIRE', list, ARGV[4]) end
  end
end
for position = 5, #ARGV do
  redis.call('ZREM', list, ARGV[position])
end
return {'done'}
