"""What a measurement needs of the machine: Debian packages, programs built in release, a PostgreSQL of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def install_debian_packages():
    """wrk, PostgreSQL and nginx, where they are missing, as root or with sudo."""
    missing = []
    if not shutil.which("wrk"):
        missing.append("wrk")
    if not shutil.which("pg_virtualenv"):
        missing.append("postgresql-common")
    if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        missing.append("postgresql")
    if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        missing.append("nginx")
    if not missing:
        return
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    for command in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        subprocess.run([*as_root, "apt-get", "-qq", *command], check=True, stdout=sys.stderr)


def build(*packages):
    """Packages of the working tree, in release."""
    for package in packages:
        subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", "--package", package], check=True)


def is_inside_postgres():
    """Whether `go_inside_postgres` has started this process."""
    if "BENCH_INSIDE" not in os.environ:
        return False
    # What pg_virtualenv says goes elsewhere; this is where the caller looks.
    os.dup2(int(os.environ["BENCH_INSIDE"]), 1)
    return True


def go_inside_postgres(script, *arguments):
    """Starts `script` again, with the environment of a PostgreSQL that is gone afterwards, and ends as it ends. That
    PostgreSQL has its defaults, but TLS; and fsync, which pg_virtualenv switches off."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment |= {"LC_ALL": "C.UTF-8", "BENCH_INSIDE": str(os.dup(1))}
    os.set_inheritable(int(environment["BENCH_INSIDE"]), True)
    (ROOT / "target").mkdir(exist_ok=True)
    command = ["pg_virtualenv", "-t", "-o", "fsync=on", "-o", "ssl=off", sys.executable, script, *arguments]
    with open(ROOT / "target/bench-postgres.log", "wb") as log:
        done = subprocess.run(command, env=environment, stdout=log, close_fds=False)
    sys.exit(done.returncode)
