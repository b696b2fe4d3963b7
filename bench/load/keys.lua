-- wrk -s keys.lua URL -- HEADER FILE: each request carries HEADER with one of the lines of FILE, at random.
local requests = {}

function init(args)
   -- Each thread of wrk has a state of its own: the address of a table of it seeds it apart from the others.
   math.randomseed(os.time() + tonumber(tostring(requests):match("0x(%x+)"), 16) % 1000003)
   for value in io.lines(args[2]) do
      requests[#requests + 1] = wrk.format("GET", nil, { [args[1]] = value })
   end
end

function request()
   return requests[math.random(#requests)]
end

dofile("bench/load/result.lua")
