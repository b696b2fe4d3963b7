-- wrk -s sign_ins.lua URL: wrong passwords for people who are there, each from another address, as through a proxy.
-- About one a second from each connection: more than can be hashed, so that some are told to come back later; without
-- a pause, those would be tens of thousands a second that say nothing of what hashing costs the others.
local headers = { ["Content-Type"] = "application/x-www-form-urlencoded", ["Sec-Fetch-Site"] = "same-origin" }

function request()
   headers["X-Forwarded-For"] = ("10.%d.%d.%d"):format(math.random(0, 255), math.random(0, 255), math.random(1, 254))
   return wrk.format("POST", nil, headers, "username=person" .. math.random(10000) .. "&password=wrong-password")
end

function delay()
   return math.random(500, 1500)
end

dofile("bench/load/result.lua")
