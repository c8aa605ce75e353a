-- In front of every script. Layout: see layout.rs. Times are milliseconds, as numbers; Lua's numbers hold them exactly until 2^53.
local FORMAT, SESSION, ENDED, MOVED = 1, 1, 2, 3
local HEADER, MEMBER = 34, 55

local function time_us()
  local now = redis.call('TIME')
  return tonumber(now[1]) * 1000000 + tonumber(now[2])
end

local function number_at(bytes, at)
  return (struct.unpack('>I8', bytes, at))
end

local function max(a, b)
  if a > b then return a else return b end
end

local function min(a, b)
  if a < b then return a else return b end
end

-- The first bytes of a value, and what it is: 'absent', 'live', 'ended', 'moved', or 'unknown' if another release wrote it.
local function look(key)
  local head = redis.call('GETRANGE', key, 0, HEADER - 1)
  if head == '' then return head, 'absent' end
  if string.byte(head, 1) ~= FORMAT then return head, 'unknown' end
  local kind = string.byte(head, 2)
  if kind == SESSION then
    if #head < HEADER then return head, 'unknown' end
    return head, 'live'
  end
  if kind == ENDED then return head, 'ended' end
  if kind == MOVED then return head, 'moved' end
  return head, 'unknown'
end
