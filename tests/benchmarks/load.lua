-- Distinct rows out, every answer checked. Run by load.py as
--   wrk -s load.lua URL -- BODIES EXPECTED PATTERN TOLERANCE EXACT
--
-- BODIES     a file with a request body in each line
-- EXPECTED   a file with the predictions for it in the same line; "echo": the body itself
-- PATTERN    its capture is the list of predictions in an answer
-- TOLERANCE  relative difference from which on a prediction is wrong
-- EXACT      1: every thread has one connection, and an answer must be that to its own request.
--            0: wrk does not tell connections of a thread apart; an answer must be that to some
--            request which is not answered yet, and answers it.

local threads = {}

function setup(thread)
  thread:set("number", #threads)
  table.insert(threads, thread)
end

local function lines_of(path)
  local lines = {}
  for line in io.lines(path) do
    lines[#lines + 1] = line
  end
  return lines
end

local function numbers_of(text)
  local numbers = {}
  for word in text:gmatch("[^%s,]+") do
    numbers[#numbers + 1] = tonumber(word)
  end
  return numbers
end

local requests, expected, pattern, tolerance, is_exact
local index_of = {} -- of the request to which an answer seen before belongs
local outstanding = {}
local next_index

right, wrong, example = 0, 0, ""

function init(args)
  local bodies = lines_of(args[1])
  expected, requests = {}, {}
  for index, body in ipairs(bodies) do
    requests[index] = wrk.format("POST", nil, nil, body)
    outstanding[index] = 0
  end
  if args[2] == "echo" then
    for index, body in ipairs(bodies) do
      index_of[body] = index
    end
  else
    for index, line in ipairs(lines_of(args[2])) do
      expected[index] = numbers_of(line)
    end
  end
  pattern, tolerance = args[3], tonumber(args[4])
  is_exact = args[5] == "1"
  next_index = (number * 97) % #requests
end

function request()
  next_index = next_index % #requests + 1
  outstanding[next_index] = outstanding[next_index] + 1
  return requests[next_index]
end

local function is_close(numbers, others)
  if #numbers ~= #others then
    return false
  end
  for i = 1, #numbers do
    if not (math.abs(numbers[i] - others[i]) <= tolerance * math.max(1, math.abs(others[i]))) then
      return false
    end
  end
  return true
end

-- The request with these predictions, nil when there is none.
local function find(text)
  local index = index_of[text]
  if index then
    return index
  end
  local numbers = numbers_of(text)
  for candidate = 1, #expected do
    if is_close(numbers, expected[candidate]) then
      index_of[text] = candidate
      return candidate
    end
  end
end

function response(status, headers, body)
  local text = status == 200 and body:match(pattern)
  local index = text and find(text)
  if index and outstanding[index] > 0 and (not is_exact or index == next_index) then
    outstanding[index] = outstanding[index] - 1
    right = right + 1
  else
    wrong = wrong + 1
    if example == "" then
      example = status .. " " .. body:sub(1, 300)
    end
  end
end

local function quoted(text)
  return '"' .. text:gsub('[%c"\\]', function(c)
    return string.format("\\u%04x", c:byte())
  end) .. '"'
end

function done(summary, latency)
  local n_right, n_wrong, first = 0, 0, ""
  for _, thread in ipairs(threads) do
    n_right = n_right + thread:get("right")
    n_wrong = n_wrong + thread:get("wrong")
    if first == "" then
      first = thread:get("example")
    end
  end
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '\nresult {"seconds":%.6f,"right":%d,"wrong":%d,"failed":%d,"example":%s,' ..
    '"p50":%.1f,"p95":%.1f,"p99":%.1f}\n',
    summary.duration / 1e6, n_right, n_wrong, failed, quoted(first),
    latency:percentile(50), latency:percentile(95), latency:percentile(99)
  ))
end
