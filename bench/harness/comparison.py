"""The product of another commit against that of the working tree."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median

from . import load, report
from .databases import Postgres, Sqlite, secrets
from .measurements import CURRENT, KEYS, STEPS, prepare, take
from .proxies import HOST, Nginx, add_service_with_tokens
from .runs import DATABASES, ROUNDS, SECONDS, WORK, fresh_database, say, server, spread

FOLDER = Path("target/compare").resolve()
RESULT = Path("target/compare.json")
TITLES = {"sqlite": Sqlite.title, "postgres": Postgres.title}
FIGURES = ("requests_a_second", "processor_us", "p50_ms", "p99_ms")
QUESTION = "a question behind nginx"


class Commit:
    """Another commit, and the product that is built from it."""

    def __init__(self, name):
        command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
        found = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if found.returncode:
            sys.exit(f"bench/compare: {name} is no commit; git log lists them")
        self.id = found.stdout.strip()
        self.short = self.id[:10]
        self.program = FOLDER / f"latchkey-{self.short}"

    def build(self):
        """In a work tree of its own, which is gone afterwards, unless it was built before."""
        if self.program.exists():
            return
        say(f"building {self.short}")
        source, built = FOLDER / "source", FOLDER / "build"
        git = lambda *arguments, **options: subprocess.run(["git", "worktree", *arguments], **options)
        # What a run that was broken off has left.
        git("remove", "--force", source, stderr=subprocess.DEVNULL)
        shutil.rmtree(source, ignore_errors=True)
        git("add", "--quiet", "--force", "--detach", source, self.id, check=True)
        try:
            command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "latchkey"]
            command += ["--manifest-path", source / "Cargo.toml", "--target-dir", built]
            # Its settings and no others: Cargo looks for them from the folder in which it is called, upwards, and
            # would find those of the working tree too.
            settings = source / ".cargo/config.toml"
            command += ["--config", settings] if settings.exists() else []
            subprocess.run(command, cwd="/", check=True)
            # In one step: a copy that was broken off must not pass for the program.
            part = self.program.with_suffix(".part")
            shutil.copy2(built / "release/latchkey", part)
            part.rename(self.program)
        finally:
            git("remove", "--force", source, check=True)


@dataclasses.dataclass
class Contender:
    """One of the two programs, with a database that it has made itself."""

    program: str
    database: Sqlite | Postgres
    values: Path

    def take(self, step):
        if step == QUESTION:
            return self.ask()
        return take(dataclasses.replace(step, program=self.program), self.database, self.values)

    def ask(self):
        """Requests with keys through nginx, which asks about each, and then answers by itself."""
        self.database.set_last_use_back()
        with (
            server(self.program, self.database, LATCHKEY_TRUSTED_PROXIES="127.0.0.1") as asked,
            Nginx(WORK / "nginx", asks=asked) as nginx,
        ):
            asked.answers("/healthz")
            before = asked.processor_seconds()
            values, address = self.values / "service_keys", nginx.address + CURRENT
            loaded = load.requests_with("Authorization", values, address, SECONDS, host=HOST)
            processor_us = (asked.processor_seconds() - before) * 1e6 / loaded.requests
        if loaded.failed + loaded.refused:
            sys.exit(f"bench/compare: not the answers that were expected behind nginx: {loaded}")
        figures = {"requests_a_second": loaded.requests_a_second, "p50_ms": loaded.p50_ms, "p99_ms": loaded.p99_ms}
        return figures | {"processor_us": processor_us}


def contender(name, program, kind):
    values = WORK / f"{name}-{kind}"
    values.mkdir()
    database = fresh_database(kind, f"bench_{name}", program)
    prepare(database, program, values)
    keys = secrets(3, KEYS)
    add_service_with_tokens(database, KEYS, keys)
    (values / "service_keys").write_text("".join(f"Bearer {key}\n" for key in keys), encoding="ascii")
    return Contender(program, database, values)


def run(other):
    """Measures and prints."""
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    results = {"then": other.id, "cores": os.cpu_count(), "seconds_a_step": SECONDS, "rounds": ROUNDS}
    results["load_before"] = os.getloadavg()
    for kind in DATABASES:
        then, now = contender("then", str(other.program), kind), contender("now", "latchkey", kind)
        results[TITLES[kind]] = alternate(TITLES[kind], then, now)
    results["load_after"] = os.getloadavg()
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(WORK)
    print(report.comparison(results, other.short))


def alternate(title, then, now):
    """Both programs, one right after the other under each kind of load, every other round the other way round."""
    steps = {step.name: step for step in STEPS if step.program == "latchkey"} | {QUESTION: QUESTION}
    pairs = {name: [] for name in steps}
    for number in range(ROUNDS):
        say(f"{title}: round {number + 1} of {ROUNDS}")
        for name, step in steps.items():
            if number % 2 == 0:
                first, second = then.take(step), now.take(step)
                pairs[name].append((first, second))
            else:
                first, second = now.take(step), then.take(step)
                pairs[name].append((second, first))
    return {name: {figure: compared(figure, taken) for figure in FIGURES} for name, taken in pairs.items()}


def compared(figure, pairs):
    """Medians of both, and of the ratios within the pairs."""
    before, after = [then[figure] for then, _ in pairs], [now[figure] for _, now in pairs]
    return {
        "then": median(before),
        "now": median(after),
        "ratio": spread([mine / other for mine, other in zip(after, before)]),
    }
