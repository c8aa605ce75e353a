-- KEYS: session. ARGV: seen, deadline, life (ms), how far the owner's list was extended for it (0: it was not).
local head, what = look(KEYS[1])
if what == 'unknown' then return {'unknown', head} end
local seen = tonumber(ARGV[1])
if what ~= 'live' or number_at(head, 3) <= seen then return {'gone'} end
if number_at(head, 11) >= seen then return {'recorded'} end
local deadline = max(number_at(head, 3), tonumber(ARGV[2]))
local bound = max(number_at(head, 19), tonumber(ARGV[4]))
if deadline > bound then return {'extend', redis.call('GET', KEYS[1])} end
redis.call('SETRANGE', KEYS[1], 2, struct.pack('>I8I8I8', deadline, seen, bound))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'recorded'}
