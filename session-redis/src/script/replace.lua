-- KEYS: session. ARGV: now, expected revision (8 bytes), revision (8 bytes), record, seen, idle timeout (-1: none), absolute
-- deadline, grace, how far the owner's list was extended for it (0: it was not).
local head, what = look(KEYS[1])
if what == 'unknown' then return {'unknown', head} end
local now = tonumber(ARGV[1])
if what ~= 'live' or number_at(head, 3) <= now then return {'gone'} end
if string.sub(head, 27, 34) ~= ARGV[2] then return {'conflict', redis.call('GET', KEYS[1])} end
local seen = max(number_at(head, 11), tonumber(ARGV[5]))
local idle, deadline = tonumber(ARGV[6]), tonumber(ARGV[7])
if idle >= 0 then deadline = min(deadline, seen + idle) end
local bound = max(number_at(head, 19), tonumber(ARGV[9]))
if deadline > bound then return {'extend'} end
local life = max(deadline - now, 0) + tonumber(ARGV[8])
local value = string.char(FORMAT, SESSION) .. struct.pack('>I8I8I8', deadline, seen, bound) .. ARGV[3] .. ARGV[4]
redis.call('SET', KEYS[1], value, 'PX', string.format('%.0f', life))
return {'stored'}
