-- Puts a session that is about to be stored into its owner's list. KEYS: list, revocations. ARGV: place (member), life of the list
-- (ms), now (ms), grace (ms), most sessions (0: any number), 'refuse' or 'oldest', 'look' or 'decide', the revocations that the
-- caller knows, how many dead members follow, the dead members, then members that do not count.
-- Answers: verdict, server's time (µs), revocations (all, others, spared), list with scores, victims.
local list, place = KEYS[1], ARGV[1]
local now_us = time_us()
local now_ms = math.floor(now_us / 1000)
local revoked = redis.call('HMGET', KEYS[2], 'all', 'others', 'spared')
local known = (revoked[1] or '') .. '/' .. (revoked[2] or '')
local dead = tonumber(ARGV[9])
for position = 10, 9 + dead do
  redis.call('ZREM', list, ARGV[position])
end
local answer = function(verdict, members, victims)
  return {verdict, string.format('%.0f', now_us), revoked[1] or '', revoked[2] or '', revoked[3] or '', members, victims}
end

-- What can have no life left goes; so a list does not grow with every login that ever was.
local over = min(now_ms, tonumber(ARGV[3])) - tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', list, 1, string.format('%.0f', over))

local most, victims = tonumber(ARGV[5]), {}
if most > 0 then
  local spare = {}
  for position = 10 + dead, #ARGV do
    spare[ARGV[position]] = true
  end
  local members = redis.call('ZRANGE', list, 0, -1, 'WITHSCORES')
  -- A session that is being renewed stands there twice: count handles.
  local handles, order, condemned = {}, {}, {}
  local own = string.sub(place, 9, 23)
  for position = 1, #members, 2 do
    local member = members[position]
    local handle = string.sub(member, 9, 23)
    if members[position + 1] == 'inf' then
      condemned[#condemned + 1] = member
    elseif handle ~= own and not spare[member] then
      if not handles[handle] then
        handles[handle] = {began = '', members = {}}
        order[#order + 1] = handle
      end
      local entry = handles[handle]
      entry.members[#entry.members + 1] = member
      local began = number_at(member, 1)
      if entry.began == '' or began > entry.began then entry.began = began end
    end
  end
  local excess = #order + 1 - most
  if excess > 0 and (ARGV[7] == 'look' or ARGV[8] ~= known) then return answer('over', members, {}) end
  if excess > 0 and ARGV[6] == 'refuse' then return answer('full', {}, {}) end
  -- Those that began first go; of those that began together the one that a list shows last.
  local later = function(a, b)
    for at = 1, 15 do
      local left, right = string.byte(a, at), string.byte(b, at)
      if left ~= right then return left > right end
    end
    return false
  end
  table.sort(order, function(a, b)
    if handles[a].began ~= handles[b].began then return handles[a].began < handles[b].began end
    return later(a, b)
  end)
  for position = 1, excess do
    for _, member in ipairs(handles[order[position]].members) do
      local was = redis.call('ZSCORE', list, member)
      redis.call('ZADD', list, 'inf', member)
      victims[#victims + 1] = member
      victims[#victims + 1] = was
    end
  end
  -- Chosen by a login that has not ended them yet: whoever comes next does, before it goes live.
  for _, member in ipairs(condemned) do
    victims[#victims + 1] = member
    victims[#victims + 1] = 'inf'
  end
end

redis.call('ZADD', list, 'NX', string.format('-%.0f', now_ms), place)
if redis.call('PTTL', list) < tonumber(ARGV[2]) then redis.call('PEXPIRE', list, ARGV[2]) end
return answer('listed', {}, victims)
