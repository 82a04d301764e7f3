-- Copyright The apikey-operator Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Takes requests out of the bucket of a key, as Pace.Decide does for one. The server runs a script to its end before
-- anything else, so replicas cannot take the same request twice, and its clock is the only one that counts.
--
-- KEYS[1]  the bucket: "<requests taken out of it> <when, in microseconds since 1970>"; none: it is full
-- ARGV     requests, burst, period in microseconds; how many to take, 0 to look; how many the caller knows to be taken
-- Returns  how many are granted, how many more fit now, microseconds until the next fits, microseconds until it is full
--
-- The bucket says what was taken and not when it is full again, so that under a changed limit it still says what was
-- used. Numbers are doubles here: with at most 1,000,000 requests in a bucket, one is kept to a ten-billionth.

local requests, burst, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count, known = tonumber(ARGV[4]), tonumber(ARGV[5])
local rounding = 1e-6 -- of a request: who waited as long as they were told must not be refused for the last digit
local most = 1000001 -- no limit has a greater burst than 1,000,000: a bucket that says more was not written here

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

-- A bucket that this script cannot have written counts as none: another type, another text, nan, inf, a number below zero
-- or above every limit. A comparison with nan is false.
local function read()
  local bucket = redis.pcall('GET', KEYS[1])
  if type(bucket) ~= 'string' or #bucket > 64 then
    return 0, now
  end
  local taken, since = string.match(bucket, '^(%S+) (%d+)$')
  taken, since = tonumber(taken), tonumber(since)
  if taken and since and taken >= 0 and taken <= most then
    return taken, since
  end
  return 0, now
end
local taken, since = read()

-- A bucket is never emptier than empty, though the limit was lowered, and never from the future, though the clock was
-- set back. Both must be written down also when the request is refused, or the key would wait for what it once used.
local correction = since > now
taken = math.max(0, taken - math.max(0, now - since) * requests / period)
if taken < known then -- a store that lost what it had written learns it again
  taken, correction = known, true
end
if taken > burst then
  taken, correction = burst, true
end

local granted = math.max(0, math.min(count, math.floor(burst - taken + rounding)))
taken = taken + granted

-- A refused request writes no bucket: at many refusals a second, what each adds would drown in the rounding. It does see
-- to it that the bucket ends, for one without an end may have been put there.
local milliseconds = math.max(1, math.ceil(taken * period / requests / 1000))
if granted > 0 or correction then
  redis.call('SET', KEYS[1], string.format('%.17g %.0f', taken, now), 'PX', string.format('%.0f', milliseconds))
elseif redis.call('PTTL', KEYS[1]) == -1 then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', milliseconds))
end

local free = burst - taken
local wait = 0
if free + rounding < 1 then
  wait = math.ceil((1 - free) * period / requests)
end

return { granted, math.max(0, math.floor(free + rounding)), wait, math.ceil(taken * period / requests) }
