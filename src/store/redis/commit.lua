#!lua
-- Commits many aggregates of one partition. A script is isolated but not rolled back, so every check comes before the
-- first write.
--
-- KEYS: epoch, head, log, index, timers, then for each commit: aggregate, history, seen
-- ARGV: epoch, log retention, number of commits, then for each commit:
--   id, expected version, snapshot, due or '', number of keys, (key, receipt, offset)*, number of events, (seq, body)*
-- Answers one array for each commit:
--   {'C', first position} | {'D', key, value, ...} | {'V', version, snapshot} | {'R'}
-- or {'E'} when the epoch is another one.
local call = redis.call
if call('GET', KEYS[1]) ~= ARGV[1] then
  return {'E'}
end
local retention = ARGV[2]
local head = tonumber(call('GET', KEYS[2]) or '0')
local answers = {}
local at = 4
local places = {}
for i = 1, tonumber(ARGV[3]) do
  local key = 3 + i * 3
  local expected = ARGV[at + 1]
  local keys = tonumber(ARGV[at + 4])
  local events_at = at + 5 + 3 * keys
  local events = tonumber(ARGV[events_at])
  local version = call('HGET', KEYS[key], 'v') or '0'
  local answer = nil
  if version ~= expected then
    if tonumber(version) < tonumber(expected) then
      answer = {'R'}
    else
      answer = {'V', version, call('HGET', KEYS[key], 's')}
    end
  else
    if version == '0' then
      local kind = call('TYPE', KEYS[key + 1]).ok
      if kind ~= 'none' and kind ~= 'hash' then
        return redis.error_reply('WRONGTYPE ' .. KEYS[key + 1])
      end
    end
    for k = at + 5, events_at - 1, 3 do
      local known = call('HGET', KEYS[key + 2], ARGV[k])
      if known then
        answer = answer or {'D'}
        answer[#answer + 1] = ARGV[k]
        answer[#answer + 1] = known
      end
    end
    if not answer then
      answer = {'C', string.format('%.0f', head + 1)}
      places[#places + 1] = {key, at, keys, events_at, events, head}
      head = head + events
    end
  end
  answers[i] = answer
  at = events_at + 1 + 2 * events
end
if #places == 0 then
  return answers
end
local index = {}
for _, place in ipairs(places) do
  local key, from, keys, events_at, events, before = unpack(place)
  local history = {}
  local last
  for e = 1, events do
    last = string.format('%.0f', before + e)
    local seq, body = ARGV[events_at + 2 * e - 1], ARGV[events_at + 2 * e]
    call('XADD', KEYS[3], last .. '-0', 'e', body)
    history[2 * e - 1] = seq
    history[2 * e] = last .. ' ' .. body
  end
  call('HSET', KEYS[key + 1], unpack(history))
  if keys > 0 then
    local seen = {}
    for k = 1, keys do
      local k_at = from + 5 + 3 * (k - 1)
      seen[2 * k - 1] = ARGV[k_at]
      seen[2 * k] = string.format('%.0f', before + 1 + tonumber(ARGV[k_at + 2])) .. ' ' .. ARGV[k_at + 1]
    end
    call('HSET', KEYS[key + 2], unpack(seen))
  end
  call('HSET', KEYS[key], 'v', string.format('%.0f', tonumber(ARGV[from + 1]) + 1), 's', ARGV[from + 2])
  if ARGV[from + 3] ~= '' then
    call('ZADD', KEYS[5], ARGV[from + 3], ARGV[from])
  else
    call('ZREM', KEYS[5], ARGV[from])
  end
  index[#index + 1] = last
  index[#index + 1] = ARGV[from]
end
call('SET', KEYS[2], string.format('%.0f', head))
call('ZADD', KEYS[4], unpack(index))
call('XTRIM', KEYS[3], 'MAXLEN', '~', retention)
return answers
