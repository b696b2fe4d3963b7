-- wrk -s paths.lua URL -- HEADER VALUE FILE: requests to the paths in FILE, one after the other, with HEADER.
local requests, at = {}, 0

function init(args)
   for path in io.lines(args[3]) do
      requests[#requests + 1] = wrk.format("GET", path, { [args[1]] = args[2] })
   end
end

function request()
   at = at % #requests + 1
   return requests[at]
end

dofile("bench/load/result.lua")
