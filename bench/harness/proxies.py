"""Nginx in front of a service, with the settings that docs/forward-auth.md tells people to copy."""

import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

from .databases import LONG_AGO

PAGE = Path("docs/forward-auth.md")
SERVICE = "wiki"
HOST = "wiki.example.org"
STARTS_WITHIN = 30


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Nginx:
    """Nginx while the `with` block runs. `service`: the port of the service behind it; without one it answers by itself.
    `asks`: the program that it asks about every request, if any."""

    def __init__(self, folder, service=None, asks=None):
        self.port, own = free_port(), free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        answers = "" if service else f"server {{ listen 127.0.0.1:{own}; location / {{ return 200 'a page'; }} }}\n"
        self._settings = self._documented(service or own, asks, answers)

    def _documented(self, service, asks, answers):
        # What is needed once, and the host of the service.
        blocks = PAGE.read_text(encoding="utf-8").split("```nginx\n")[1:3]
        lines = [line for block in blocks for line in block.split("```")[0].splitlines()]
        lines = [line for line in lines if not line.strip().startswith("ssl_")]
        changes = {
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port};",
            "127.0.0.1:8080": f"127.0.0.1:{service}",
            "127.0.0.1:3000": f"127.0.0.1:{asks.port if asks else service}",
            "/var/log/nginx/": f"{self._folder}/",
        }
        if not asks:
            changes["auth_request /.latchkey;"] = "auth_request off;"
        text = "\n".join(lines)
        for documented, here in changes.items():
            if documented not in text:
                raise SystemExit(f"bench/run: {PAGE} has no {documented!r} any more")
            text = text.replace(documented, here)
        kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        temporary = "".join(f"{kind}_temp_path {self._folder}/{kind};\n" for kind in kinds)
        return (
            f"daemon off; worker_processes auto; pid {self._folder}/pid; error_log {self._folder}/error.log;\n"
            f"events {{ worker_connections 4096; }}\nhttp {{\n{temporary}{text}\n{answers}}}\n"
        )

    def __enter__(self):
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()
        file = self._folder / "nginx.conf"
        file.write_text(self._settings, encoding="utf-8")
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        command = [program, "-p", self._folder, "-c", file, "-e", self._folder / "error.log"]
        self._process = subprocess.Popen(command)
        deadline = time.monotonic() + STARTS_WITHIN
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench/run: nginx does not start:\n{(self._folder / 'error.log').read_text()}")
            time.sleep(0.02)
        return self

    def _listens(self):
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder)

    def get(self, path, **headers):
        """The status of `path`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": HOST} | headers)
            return connection.getresponse().status
        finally:
            connection.close()


def add_service_with_tokens(database, people, keys, everyone=True):
    """A service that admits everyone or nobody yet, and an access token for it of each of so many people, with the secrets
    `keys`."""
    columns = ["id", "name", "title", "host", "path", "reading_methods", "everyone_reads", "everyone_writes"]
    service = (1, SERVICE, "Wiki", HOST, "/", "GET HEAD OPTIONS", everyone, everyone)
    database.insert("services", [*columns, "created_on", "updated_on"], [(*service, LONG_AGO, LONG_AGO)])
    first = 1_000_000
    token = lambda i, key: (first + i, i % people + 1, "access", hashlib.sha256(key.encode()).digest(), key[-4:], LONG_AGO, "bench", "")
    columns = ["id", "user_id", "action", "digest", "hint", "created_on", "name", "scopes"]
    database.insert("tokens", columns, [token(i, key) for i, key in enumerate(keys)])
    scopes = [(first + i, 1, "write") for i in range(len(keys))]
    database.insert("token_services", ["token_id", "service_id", "access"], scopes)
