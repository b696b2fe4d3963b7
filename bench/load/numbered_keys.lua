-- wrk -s numbered_keys.lua URL -- COUNT: each request carries one of the keys bench-1, bench-11, … up to COUNT, at
-- random: of ten tokens of a person, the API access key.
local before, after, tenths

function init(args)
   math.randomseed(os.time() + tonumber(tostring(args):match("0x(%x+)"), 16) % 1000003)
   before, after = wrk.format("GET", nil, { ["X-Redmine-API-Key"] = "bench-NUMBER" }):match("(.*)NUMBER(.*)")
   tenths = tonumber(args[1]) / 10
end

function request()
   return ("%s%d%s"):format(before, math.random(0, tenths - 1) * 10 + 1, after)
end

dofile("bench/load/result.lua")
