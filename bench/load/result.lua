-- What was measured, as one line of JSON behind what wrk says itself. Answers of 400 and above count as refused.
function done(summary, latency)
   local errors = summary.errors
   local result = '\n{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "failed": %d}\n'
   local failed = errors.connect + errors.read + errors.write + errors.timeout
   local p50, p99 = latency:percentile(50) / 1000, latency:percentile(99) / 1000
   io.write(result:format(summary.requests, summary.duration / 1000000, p50, p99, errors.status, failed))
end
