"""What is measured, and in which order."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from . import admission, lists, load, mail, report
from .databases import add_people_with_keys, fill_with_tokens, mistyped, secrets
from .proxies import HOST, Nginx, add_service_with_tokens
from .runs import CURRENT, DATABASES, KEY_HEADER, PROGRAMS, ROUNDS, SECONDS, WORK
from .runs import fresh_database, say, server, signed_in, spread
from .servers import MemoryWatch, Server

KEYS = 10_000
# The recorder looks every second: two flushes, and the start before them.
SHORTEST_RECORDING_STEP = 3
STARTS = 7
UPDATE_REQUESTS = 100_000

GROWTH = [int(size) for size in os.environ.get("BENCH_GROWTH", "1000,100000,5000000").split(",")]

RESULT = Path("target/bench.json")


@dataclass(frozen=True)
class Step:
    """A row of the table: a program under one kind of load."""

    name: str
    program: str
    path: str = CURRENT
    header: str = KEY_HEADER
    values: str = "keys"
    compares_recording: bool = False
    writes: bool = False
    refused: bool = False


PLAIN = Step("plain actix-web route", "plain_route")
SHIPPED = Step(CURRENT, "latchkey", compares_recording=True, writes=True)
UNRECORDED = Step("  without any recording", "no_recording", compares_recording=True)
STEPS = [
    PLAIN,
    SHIPPED,
    UNRECORDED,
    Step("  UPDATE once a minute in its path", "update_once_a_minute", compares_recording=True, writes=True),
    Step("  UPDATE on every request", "update_on_every_request", compares_recording=True, writes=True),
    Step("/my/account, a page with a session", "latchkey", path="/my/account", header="Cookie", values="cookies"),
    Step("wrong keys, well-formed", "latchkey", values="wrong", refused=True),
    Step("wrong keys, malformed", "latchkey", values="malformed", refused=True),
]


def run():
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir(parents=True)
    results = {"cores": os.cpu_count(), "seconds_a_step": SECONDS, "rounds": ROUNDS, "load_before": os.getloadavg()}
    results["binary_mb"] = (PROGRAMS / "latchkey").stat().st_size / 1e6
    for kind in DATABASES:
        database = fresh_database(kind, "bench")
        prepare(database)
        results[database.title] = measure(database) | {
            "growth": growth(kind),
            "lists": lists.measure(kind),
            "admission": admission.measure(kind),
            "mail": mail.measure(kind),
        }
    results["load_after"] = os.getloadavg()
    RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(WORK)
    print(report.table(results))
    print(f"\n{RESULT} has all of it.")


def measure(database):
    return {
        "rows": alternate(database),
        "sign_ins": during_sign_ins(database),
        "start_ms": starts(database),
        "updates": updates_of_three_processes(database),
        "behind_nginx": behind_nginx(database),
    }


def prepare(database, program="latchkey", values_in=WORK):
    """People, keys that are right and keys that are not, and somebody who is signed in."""
    keys = secrets(1, KEYS)
    add_people_with_keys(database, keys)
    cookie = signed_in("person1", database, program)
    values = {"keys": keys, "wrong": secrets(2, KEYS), "malformed": map(mistyped, keys), "cookies": [cookie]}
    for name, lines in values.items():
        (values_in / name).write_text("\n".join(lines) + "\n", encoding="ascii")


def alternate(database):
    """All steps, over and over, every other time backwards, so that what changes on the machine meets them alike."""
    rounds = []
    for number in range(ROUNDS):
        say(f"{database.title}: round {number + 1} of {ROUNDS}")
        steps = STEPS if number % 2 == 0 else STEPS[::-1]
        rounds.append({step.name: take(step, database) for step in steps})
    plain = [it[PLAIN.name]["requests_a_second"] for it in rounds]
    unrecorded = [it[UNRECORDED.name] for it in rounds]
    rows = {}
    for step in STEPS:
        taken = [it[step.name] for it in rounds]
        row = {figure: spread([it[figure] for it in taken]) for figure in taken[0] if taken[0][figure] is not None}
        rate = [it["requests_a_second"] for it in taken]
        row["share_of_plain"] = spread([mine / other for mine, other in zip(rate, plain)])
        if step.compares_recording:
            row["share_of_unrecorded"] = spread(
                [mine / other["requests_a_second"] for mine, other in zip(rate, unrecorded)]
            )
            row["processor_times_unrecorded"] = spread(
                [mine["processor_us"] / other["processor_us"] for mine, other in zip(taken, unrecorded)]
            )
        rows[step.name] = row
    return rows


def take(step, database, values_in=WORK):
    seconds = max(SECONDS, SHORTEST_RECORDING_STEP) if step.compares_recording else SECONDS
    database.set_last_use_back()
    with server(step.program, database) as serving, contextlib.ExitStack() as watching:
        values = values_in / step.values
        value = values.read_text(encoding="ascii").splitlines()[0]
        if not step.refused:
            serving.answers(step.path, **{step.header: value})
        else:
            serving.answers("/healthz")
        memory = watching.enter_context(MemoryWatch(serving))
        before = serving.processor_seconds()
        loaded = load.requests_with(step.header, values, serving.address + step.path, seconds)
        processor_us = (serving.processor_seconds() - before) * 1e6 / loaded.requests
        rows_written = database.rows_written() if step.compares_recording else None
    expected = loaded.requests if step.refused else 0
    if loaded.failed or abs(loaded.refused - expected) > load.CONNECTIONS:
        sys.exit(f"bench/run: {step.name} on {database.title}: not the answers that were expected: {loaded}")
    if step.writes and not rows_written:
        sys.exit(f"bench/run: {step.name} on {database.title} wrote no last use")
    return {
        "requests_a_second": loaded.requests_a_second,
        "p50_ms": loaded.p50_ms,
        "p99_ms": loaded.p99_ms,
        "processor_us": processor_us,
        "rss_anon_mb": memory.most,
        "rows_written": rows_written,
    }


def during_sign_ins(database):
    """Requests with keys, before and while a hundred clients try wrong passwords."""
    say(f"{database.title}: wrong sign-ins")
    with server("latchkey", database, LATCHKEY_TRUSTED_PROXIES="127.0.0.1") as serving:
        serving.answers("/healthz")
        address = serving.address + CURRENT
        before, during, tried = [], [], []
        for _ in range(ROUNDS):
            before.append(load.requests_with(KEY_HEADER, WORK / "keys", address, SECONDS))
            sign_ins = load.Wrk("sign_ins", serving.address + "/login", SECONDS + 3, connections=100, threads=1)
            # Until all of them have begun.
            time.sleep(2)
            during.append(load.requests_with(KEY_HEADER, WORK / "keys", address, SECONDS))
            tried.append(sign_ins.end().requests_a_second)
    figures = lambda loads: {
        "requests_a_second": spread([it.requests_a_second for it in loads]),
        "p50_ms": spread([it.p50_ms for it in loads]),
        "p99_ms": spread([it.p99_ms for it in loads]),
        "failed": sum(it.failed + it.refused for it in loads),
    }
    return {"before": figures(before), "during": figures(during), "sign_ins_a_second": spread(tried)}


def starts(database):
    """Milliseconds from the start of the process to the first 200 with a key."""
    say(f"{database.title}: starts")
    key = (WORK / "keys").read_text(encoding="ascii").splitlines()[0]
    times = []
    for _ in range(STARTS):
        with server("latchkey", database) as serving:
            times.append(serving.answers(CURRENT, **{KEY_HEADER: key}))
    return spread(times)


def updates_of_three_processes(database):
    """The UPDATEs that a hundred thousand requests with one key cause within a minute of its first."""
    say(f"{database.title}: one key, three processes")
    database.set_last_use_back()
    database.count_updates()
    one_key = WORK / "one_key"
    one_key.write_text((WORK / "keys").read_text(encoding="ascii").splitlines()[0] + "\n", encoding="ascii")
    with contextlib.ExitStack() as running:
        logs = [WORK / f"process{number}.log" for number in (1, 2, 3)]
        command = [PROGRAMS / "latchkey", "serve"]
        processes = [running.enter_context(Server(command, database, log)) for log in logs]
        for process in processes:
            process.answers("/healthz")
        requests, started = 0, time.monotonic()
        while requests < UPDATE_REQUESTS and time.monotonic() < started + 50:
            loads = [
                load.Wrk("keys", it.address + CURRENT, 2, KEY_HEADER, str(one_key), connections=12, threads=1)
                for it in processes
            ]
            requests += sum(it.end().requests for it in loads)
        # Whatever is due now is written at the next look.
        time.sleep(1.5)
        seconds = time.monotonic() - started
        updates = database.run("SELECT count(*) FROM bench_updates")
    database.stop_counting_updates()
    return {"requests": requests, "seconds": seconds, "updates": updates}


def behind_nginx(database):
    """Requests through nginx to a service, without and with asking Latchkey about each."""
    say(f"{database.title}: behind nginx")
    keys = secrets(3, KEYS)
    add_service_with_tokens(database, KEYS, keys)
    values = WORK / "service_keys"
    values.write_text("".join(f"Bearer {key}\n" for key in keys), encoding="ascii")
    header = "Authorization"
    with contextlib.ExitStack() as running:
        service = running.enter_context(server("plain_route", None))
        latchkey = running.enter_context(server("latchkey", database, LATCHKEY_TRUSTED_PROXIES="127.0.0.1"))
        service.answers(CURRENT)
        latchkey.answers("/healthz")
        plain = running.enter_context(Nginx(WORK / "nginx_plain", service.port))
        asking = running.enter_context(Nginx(WORK / "nginx_asking", service.port, latchkey))
        if (plain.get(CURRENT), asking.get(CURRENT)) != (200, 401):
            sys.exit("bench/run: nginx does not ask, or asks in vain")
        rounds = []
        for number in range(ROUNDS):
            taken = {}
            for name, nginx in [("plain", plain), ("asking", asking)][:: 1 if number % 2 == 0 else -1]:
                address = nginx.address + CURRENT
                many = load.requests_with(header, values, address, SECONDS, host=HOST)
                alone = load.requests_with(header, values, address, SECONDS, host=HOST, connections=1, threads=1)
                if many.failed + many.refused + alone.failed + alone.refused:
                    sys.exit(f"bench/run: {name} behind nginx: not the answers that were expected: {many} {alone}")
                taken[name] = (many, alone)
            rounds.append(taken)
    row = lambda name: {
        "requests_a_second": spread([it[name][0].requests_a_second for it in rounds]),
        "p50_ms": spread([it[name][0].p50_ms for it in rounds]),
        "p99_ms": spread([it[name][0].p99_ms for it in rounds]),
        "alone_p50_ms": spread([it[name][1].p50_ms for it in rounds]),
    }
    pairs = [(it["asking"], it["plain"]) for it in rounds]
    return {
        "plain": row("plain"),
        "asking": row("asking"),
        "share": spread([mine[0].requests_a_second / other[0].requests_a_second for mine, other in pairs]),
        "added_p50_ms": spread([mine[1].p50_ms - other[1].p50_ms for mine, other in pairs]),
    }


def growth(kind):
    """What the number of tokens in the table changes: the lookup by itself, and a request, both without recording."""
    databases = {}
    for size in GROWTH:
        say(f"{kind}: {size} tokens")
        databases[size] = fresh_database(kind, f"growth{size}")
        fill_with_tokens(databases[size], size)
    rounds = []
    for number in range(ROUNDS):
        say(f"{kind}: lookups, round {number + 1} of {ROUNDS}")
        sizes = GROWTH if number % 2 == 0 else GROWTH[::-1]
        rounds.append({size: look_up(databases[size], size) for size in sizes})
    figures = lambda size, figure: spread([it[size][figure] for it in rounds])
    times = lambda size, figure: spread([it[size][figure] / it[GROWTH[0]][figure] for it in rounds])
    return {
        str(size): {
            "lookup_us": figures(size, "lookup_us"),
            "lookup_times_the_smallest": times(size, "lookup_us"),
            "request_us": figures(size, "request_us"),
            "request_times_the_smallest": times(size, "request_us"),
        }
        for size in GROWTH
    }


def look_up(database, tokens):
    database.warm()
    # Half of the time warms up.
    command = [PROGRAMS / "lookup", database.url, str(tokens), str(SECONDS)]
    nanoseconds = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    with server("no_recording", database) as serving:
        serving.answers(CURRENT, **{KEY_HEADER: "bench-1"})
        loaded = load.Wrk("numbered_keys", serving.address + CURRENT, SECONDS, str(tokens)).end()
    if loaded.failed or loaded.refused:
        sys.exit(f"bench/run: with {tokens} tokens: not the answers that were expected: {loaded}")
    return {"lookup_us": nanoseconds / 1000, "request_us": 1e6 / loaded.requests_a_second}
