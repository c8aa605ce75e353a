-- The successor is stored: what was kept inside the tombstone is no longer needed. KEYS: session. ARGV: the successor's place.
local _, what = look(KEYS[1])
if what == 'moved' and redis.call('GETRANGE', KEYS[1], 2, 1 + MEMBER) == ARGV[1] then
  redis.call('SET', KEYS[1], string.char(FORMAT, MOVED) .. ARGV[1], 'KEEPTTL')
end
return {'done'}
