"""The administrator's lists with many keys and entries, beside the same with few: pages, and whole lists as files."""

import contextlib
import http.client
import json
import os
import sys
import time
import urllib.parse

from . import load
from .everybody import DAY, RARE, Everybody
from .runs import PROGRAMS, ROUNDS, SECONDS, WORK, fresh_database, say, signed_in, spread
from .servers import MemoryWatch, Server

SIZES = os.environ.get("BENCH_LISTS", "1000:10000,1000000:10000000").split(",")
FEW, MANY = (Everybody(*map(int, size.split(":"))) for size in SIZES)
PAGE_SECONDS = max(1, SECONDS // 5)
KEYS_A_PAGE, MOST_KEYS_A_PAGE = 50, 500
# Of the list with many: page 10,000 of a million keys.
FAR_PAGE = MANY.keys // KEYS_A_PAGE // 2

ORDERS = {
    "newest first": "created_on:desc",
    "oldest first": "created_on",
    "last used first": "last_used_on:desc",
    "longest unused first": "last_used_on",
    "expires first": "expires_on",
    "expires last": "expires_on:desc",
}
EXPORTS = {"CSV": "/admin/keys/export.csv", "NDJSON": "/admin/keys/export.ndjson"}


def of_keys(**query):
    return "/admin/keys?" + urllib.parse.urlencode(query)


def of_entries(everybody):
    """The audit page with each filter: the addresses that are asked for in turn."""
    people, keys = everybody.some_people(), everybody.some_keys()
    day_before = lambda days: time.strftime("%Y-%m-%d", time.gmtime(everybody.now - days * DAY))
    filters = {
        "every entry": [{}],
        "about, by login": [{"user": f"person{it}"} for it in people],
        "about, by id": [{"user": f"id:{it}"} for it in people],
        "done by, by login": [{"actor": f"person{it}"} for it in people],
        "done by, by id": [{"actor": f"id:{it}"} for it in people],
        "what happened, often": [{"action": "key_revoked"}],
        "what happened, rarely": [{"action": RARE}],
        "key": [{"key_id": it} for it in keys],
        "address": [{"address": everybody.address(it)} for it in people],
        "from": [{"since": day_before(100)}],
        "until": [{"until": day_before(200)}],
    }
    return {name: ["/admin/audit?" + urllib.parse.urlencode(it) for it in each] for name, each in filters.items()}


class Site:
    """A Latchkey with everybody's keys and an administrator who is signed in, while the `with` block runs."""

    def __init__(self, kind, everybody):
        self._kind, self.everybody = kind, everybody

    def __enter__(self):
        say(f"{self._kind}: {self.everybody.keys:,} keys, {self.everybody.entries:,} entries")
        name = f"lists{self.everybody.keys}"
        self._database = fresh_database(self._kind, name)
        self.everybody.fill(self._database)
        self._cookie = signed_in("person1", self._database)
        self._database.warm()
        self._server = Server([PROGRAMS / "latchkey", "serve"], self._database, WORK / f"{name}.log").__enter__()
        self._server.answers("/healthz")
        return self

    def __exit__(self, *raised):
        self._server.__exit__(*raised)
        self._database.remove()

    def take(self, paths):
        """The median of the milliseconds until a page is there, for somebody who asks for these in turn."""
        file = WORK / "paths"
        for path in paths:
            # wrk takes the way to the sign-in page for an answer, too.
            if (status := self._server.get(path, Cookie=self._cookie)) != 200:
                sys.exit(f"bench/run: {path} is answered with {status}")
        file.write_text("".join(f"{path}\n" for path in paths), encoding="ascii")
        arguments = ("paths", self._server.address, PAGE_SECONDS, "Cookie", self._cookie, str(file))
        loaded = load.Wrk(*arguments, connections=1, threads=1).end()
        if loaded.failed or loaded.refused or not loaded.requests:
            sys.exit(f"bench/run: {paths[0]}: not the answers that were expected: {loaded}")
        return loaded.p50_ms

    def cursor_after(self, order, keys):
        """The cursor of the page that comes after so many keys, as a program gets it, which goes there in large steps."""
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        cursor = None
        while keys:
            step = min(keys, MOST_KEYS_A_PAGE)
            query = {"sort": order, "limit": step} | ({"cursor": cursor} if cursor else {})
            headers = {"X-Redmine-API-Key": self.everybody.administrators_key()}
            connection.request("GET", "/admin/keys.json?" + urllib.parse.urlencode(query), headers=headers)
            page = json.load(connection.getresponse())
            cursor, keys = page["next_cursor"], keys - len(page["keys"])
        connection.close()
        return cursor

    def export(self, path):
        """All keys as a file."""
        with MemoryWatch(self._server) as memory:
            started = time.perf_counter()
            lines = self._server.lines(path, Cookie=self._cookie)
            seconds = time.perf_counter() - started
        # A CSV file has a heading.
        if lines - path.endswith("csv") != self.everybody.keys:
            sys.exit(f"bench/run: {path} has {lines} lines for {self.everybody.keys} keys")
        return {"keys_a_second": self.everybody.keys / seconds, "rss_anon_mb": memory.most}


def measure(kind):
    """Each page of both sites, one right after the other, every other time the other way round; and the exports of all
    the keys that are many."""
    with contextlib.ExitStack() as running:
        few, many = (running.enter_context(Site(kind, everybody)) for everybody in (FEW, MANY))
        say(f"{kind}: to page {FAR_PAGE:,} in each order")
        steps = {}
        for name, order in ORDERS.items():
            first, cursor = of_keys(sort=order), many.cursor_after(order, (FAR_PAGE - 1) * KEYS_A_PAGE)
            steps["keys", name] = [(few, [first]), (many, [first]), (many, [of_keys(sort=order, cursor=cursor)])]
        for (name, of_few), of_many in zip(of_entries(FEW).items(), of_entries(MANY).values()):
            steps["audit", name] = [(few, of_few), (many, of_many)]
        rounds, exports = [], []
        for number in range(ROUNDS):
            say(f"{kind}: lists, round {number + 1} of {ROUNDS}")
            turn = 1 if number % 2 == 0 else -1
            rounds.append({name: take_in_turn(pages, turn) for name, pages in list(steps.items())[::turn]})
            exports.append({name: many.export(path) for name, path in list(EXPORTS.items())[::turn]})
    of = lambda which: {name: compared([it[which, name] for it in rounds]) for it, name in steps if it == which}
    figures = lambda name: {it: spread([taken[name][it] for taken in exports]) for it in exports[0][name]}
    return {
        "few": {"keys": FEW.keys, "entries": FEW.entries},
        "many": {"keys": MANY.keys, "entries": MANY.entries},
        "far_page": FAR_PAGE,
        "keys": of("keys"),
        "audit": of("audit"),
        "exports": {name: figures(name) for name in EXPORTS},
    }


def take_in_turn(pages, turn):
    """The milliseconds of each of these pages of a site; backwards, if that is the turn."""
    return [site.take(paths) for site, paths in pages[::turn]][::turn]


def compared(taken):
    """Of a page with few keys, with many and, if there is one, far on."""
    few, many, *far = zip(*taken)
    row = {"few_ms": spread(few), "many_ms": spread(many), "times_few": times(many, few)}
    for each in far:
        row |= {"far_ms": spread(each), "times_first": times(each, many)}
    return row


def times(mine, others):
    return spread([it / other for it, other in zip(mine, others)])
