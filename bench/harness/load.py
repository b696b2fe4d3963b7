"""Load, by wrk."""

import json
import subprocess
from dataclasses import dataclass

CONNECTIONS = 32


@dataclass
class Load:
    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    failed: int

    @property
    def requests_a_second(self):
        return self.requests / self.seconds


class Wrk:
    """A wrk that runs; `end` waits for it."""

    def __init__(self, script, address, seconds, *arguments, connections=CONNECTIONS, threads=2, host=None):
        command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
        command += ["-H", f"Host: {host}"] if host else []
        command += ["-s", f"bench/load/{script}.lua", address, "--", *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def end(self):
        output, _ = self._process.communicate()
        if self._process.returncode:
            raise SystemExit(f"bench/run: wrk failed:\n{output}")
        return Load(**json.loads(output.splitlines()[-1]))


def requests_with(header, values, address, seconds, **options):
    """Requests that carry `header` with one of the lines of the file `values`, at random."""
    return Wrk("keys", address, seconds, header, str(values), **options).end()
