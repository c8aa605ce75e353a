-- The first half of a rotation: from here on the session is at its successor. KEYS: session. ARGV: now, expected revision (8 bytes),
-- the successor's place in its owner's list (empty: the owner has no more to do with it), life of the tombstone (ms).
local head, what = look(KEYS[1])
if what == 'unknown' then return {'unknown', head} end
if what ~= 'live' or number_at(head, 3) <= tonumber(ARGV[1]) then return {'gone'} end
if string.sub(head, 27, 34) ~= ARGV[2] then return {'conflict', redis.call('GET', KEYS[1])} end
local tombstone = string.char(FORMAT, ENDED) .. 'r'
if ARGV[3] ~= '' then
  -- The session stays inside until the successor is stored: a list that looks in between still shows it.
  tombstone = string.char(FORMAT, MOVED) .. ARGV[3] .. redis.call('GET', KEYS[1])
end
redis.call('SET', KEYS[1], tombstone, 'PX', ARGV[4])
return {'retired', string.sub(head, 11, 18)}
