"""The programs under test: started with default settings, their log in a file, and stopped again."""

import http.client
import os
import socket
import subprocess
import threading
import time
import urllib.parse

SECRET_KEY = "0123456789abcdef" * 4
STARTS_WITHIN = 30
STOPS_WITHIN = 60


class Server:
    """A program that listens on a free port of the loopback address while the `with` block runs."""

    def __init__(self, command, database, log, **settings):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        # What the caller has set for a Latchkey of their own is not for these.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("LATCHKEY_", "RUST_"))}
        settings |= {"LATCHKEY_BIND": f"127.0.0.1:{self.port}", "LATCHKEY_SECRET_KEY": SECRET_KEY}
        # Each request is still counted, but none is refused.
        settings |= {"LATCHKEY_API_REQUESTS_PER_MINUTE": str(2**32 - 1)}
        if database:
            settings["DATABASE_URL"] = database.url
        self._command, self._environment, self._log = command, inherited | settings, log

    def __enter__(self):
        self._started = time.perf_counter()
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)
        return self

    def __exit__(self, *_):
        self._process.terminate()
        try:
            self._process.wait(STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.remove(self._log)

    def answers(self, path, **headers):
        """Waits until `path` is answered with 200; gives the milliseconds since the start of the process."""
        while time.perf_counter() < self._started + STARTS_WITHIN and self._process.poll() is None:
            try:
                if self.get(path, **headers) == 200:
                    return (time.perf_counter() - self._started) * 1000
            except OSError:
                pass
            time.sleep(0.0005)
        with open(self._log, encoding="utf-8", errors="replace") as log:
            raise SystemExit(f"bench/run: {self._command} does not answer {path}:\n{log.read()[-2000:]}")

    def get(self, path, **headers):
        """The status of `path`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): it for name, it in headers.items()})
            return connection.getresponse().status
        finally:
            connection.close()

    def lines(self, path, **headers):
        """How many lines there are in the answer to `path`, which may be longer than memory."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers=headers)
            answer, lines = connection.getresponse(), 0
            while part := answer.read(1 << 20):
                lines += part.count(b"\n")
            return lines
        finally:
            connection.close()

    def sign_in(self, login, password):
        """The session's cookie."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        form = urllib.parse.urlencode({"username": login, "password": password})
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        connection.request("POST", "/login", form, headers)
        cookie = connection.getresponse().getheader("Set-Cookie")
        connection.close()
        return cookie.split(";")[0]

    def processor_seconds(self):
        """What the process has had of the processors: tells programs apart where others keep the machine busy."""
        with open(f"/proc/{self._process.pid}/stat", encoding="utf-8") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """RssAnon in MB (of 10⁶ bytes)."""
        with open(f"/proc/{self._process.pid}/status", encoding="ascii") as status:
            kilobytes = next(line.split()[1] for line in status if line.startswith("RssAnon:"))
        return int(kilobytes) * 1024 / 1e6


class MemoryWatch:
    """The most memory that a server has while the `with` block runs."""

    def __init__(self, server):
        self._server, self._done = server, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0.0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.wait(0.1):
            self.most = max(self.most, self._server.memory())
