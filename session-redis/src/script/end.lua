-- Ends a session: leaves a tombstone, so that nothing under way brings it back. KEYS: session. ARGV: reason (1 byte), life of the
-- tombstone (ms), 'mark' to leave one where nothing is, 'whole' to answer the value and not only its header.
local head, what = look(KEYS[1])
if what == 'unknown' then return {'unknown', head} end
if what == 'ended' then return {'ended', string.sub(head, 3, 3)} end
if what == 'moved' then
  local successor = redis.call('GETRANGE', KEYS[1], 2, 1 + MEMBER)
  return {'moved', successor, redis.call('GETRANGE', KEYS[1], 2 + MEMBER, 1 + MEMBER + HEADER)}
end
if what == 'absent' and ARGV[3] ~= 'mark' then return {'absent'} end
if ARGV[4] == 'whole' then head = redis.call('GET', KEYS[1]) end
redis.call('SET', KEYS[1], string.char(FORMAT, ENDED) .. ARGV[1], 'PX', ARGV[2])
return {what, head}
