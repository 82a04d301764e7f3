-- Copyright The apikey-operator Authors.
-- SPDX-License-Identifier: Apache-2.0

-- Takes one request out of the bucket of a key, as Pace.Decide does. The server runs a script to its end before anything
-- else, so replicas cannot take the same request twice, and its clock is the only one that counts.
--
-- KEYS[1]  the bucket: "<requests taken out of it> <when, in microseconds since 1970>"; none: it is full
-- ARGV     requests, burst, period in microseconds
-- Returns  1 if granted else 0, how many more fit now, microseconds until the next fits, microseconds until it is full
--
-- The bucket says what was taken and not when it is full again, so that under a changed limit it still says what was
-- used. Numbers are doubles here: with at most 1,000,000 requests in a bucket, one is kept to a ten-billionth.

local requests, burst, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local rounding = 1e-6 -- of a request: who waited as long as they were told must not be refused for the last digit

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])

local taken, since = 0, now
local bucket = redis.call('GET', KEYS[1])
if bucket then
  local count, moment = string.match(bucket, '^(%S+) (%d+)$')
  taken, since = tonumber(count) or 0, tonumber(moment) or now
end

-- A bucket is never emptier than empty, though the limit was lowered, and never from the future, though the clock was
-- set back. Both must be written down also when the request is refused, or the key would wait for what it once used.
local correction = since > now
taken = math.max(0, taken - math.max(0, now - since) * requests / period)
if taken > burst then
  taken, correction = burst, true
end

local granted = taken + 1 <= burst + rounding
if granted then
  taken = taken + 1
end

-- A refused request writes nothing: at many refusals a second, what each adds would drown in the rounding.
if granted or correction then
  local milliseconds = math.max(1, math.ceil(taken * period / requests / 1000))
  redis.call('SET', KEYS[1], string.format('%.17g %.0f', taken, now), 'PX', string.format('%.0f', milliseconds))
end

local free = burst - taken
local wait = 0
if free + rounding < 1 then
  wait = math.ceil((1 - free) * period / requests)
end

return { granted and 1 or 0, math.max(0, math.floor(free + rounding)), wait, math.ceil(taken * period / requests) }
