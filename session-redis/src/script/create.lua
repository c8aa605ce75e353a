-- KEYS: session. ARGV: value, life (ms), the server's time after which it is too late (ms; 0: never).
local head, what = look(KEYS[1])
if what == 'ended' then return {'ended', string.sub(head, 3, 3)} end
if what ~= 'absent' then return {'taken'} end
local not_after = tonumber(ARGV[3])
if not_after > 0 and time_us() / 1000 > not_after then return {'late'} end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {'stored'}
