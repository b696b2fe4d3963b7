"""What every measurement has: its settings, a folder to work in, databases, and the programs that run on them."""

import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from .databases import Postgres, Sqlite
from .servers import Server

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
DATABASES = os.environ.get("BENCH_DATABASES", "sqlite,postgres").split(",")

PROGRAMS = Path(os.environ.get("CARGO_TARGET_DIR", "target"), "release").resolve()
WORK = Path("target/bench").resolve()

PASSWORD = "a password of the bench"

CURRENT = "/users/current.json"
KEY_HEADER = "X-Redmine-API-Key"


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr)


def fresh_database(kind, name, program="latchkey"):
    """A database that `program` has migrated."""
    database = Sqlite(WORK / f"{name}.db") if kind == "sqlite" else Postgres(name)
    run_once(program, database, "migrate", "run")
    return database


def run_once(program, database, *arguments, stdin=""):
    command = [PROGRAMS / program, *arguments]
    environment = os.environ | {"DATABASE_URL": database.url}
    subprocess.run(command, env=environment, input=stdin, text=True, check=True, stdout=subprocess.DEVNULL)


def signed_in(login, database, program="latchkey"):
    """The cookie of a session of somebody, who gets a password for it."""
    run_once(program, database, "user", "password", login, "--password-stdin", stdin=PASSWORD)
    with server(program, database) as serving:
        serving.answers("/healthz")
        return serving.sign_in(login, PASSWORD)


def server(program, database, **settings):
    """`program` is the name of one that was built, or the path of another."""
    serve = [] if program == "plain_route" else ["serve"]
    log = WORK / f"{Path(program).name}.log"
    return Server([PROGRAMS / program, *serve], database, log, **settings)


def spread(values):
    return {"median": median(values), "least": min(values), "most": max(values)}
