"""What mail costs: requests while many mails wait, and how fast one process sends them."""

import contextlib
import socketserver
import threading
import time
from datetime import UTC, datetime

from . import load
from .databases import add_people_with_keys, secrets
from .runs import CURRENT, KEY_HEADER, PROGRAMS, ROUNDS, SECONDS, WORK, fresh_database, say, spread
from .servers import Server

WAITING = {"none": 0, "many": 100_000}
SENT = 10_000
# A person has one mail of a kind in an hour: so many people.
PEOPLE = 10_000
FROM = "keys@example.org"
SENDS_WITHIN = 600


class MailServer:
    """Takes every mail and counts them, on a free port of the loopback address."""

    def __init__(self):
        self.taken = 0
        outer = self

        class Session(socketserver.StreamRequestHandler):
            def handle(self):
                answer = lambda line: self.wfile.write(line + b"\r\n")
                answer(b"220 bench ESMTP")
                while line := self.rfile.readline():
                    verb = line[:4].upper()
                    if verb == b"EHLO":
                        answer(b"250 bench")
                    elif verb == b"DATA":
                        answer(b"354 go on")
                        while self.rfile.readline() != b".\r\n":
                            pass
                        outer.taken += 1
                        answer(b"250 taken")
                    elif verb == b"QUIT":
                        answer(b"221 bye")
                        return
                    else:
                        answer(b"250 fine")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
        self._server.daemon_threads = True
        self.url = f"smtp://127.0.0.1:{self._server.server_address[1]}?tls=off"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def measure(kind):
    return {"waiting": WAITING, "sent": SENT, **cost(kind), "sent_a_second": sending(kind)}


def latchkey(database, name, url):
    settings = {"LATCHKEY_SMTP_URL": url, "LATCHKEY_MAIL_FROM": FROM}
    return Server([PROGRAMS / "latchkey", "serve"], database, WORK / f"{name}.log", **settings)


def put(database, count):
    """Mails that are due, written now: those that are older than two days would be given up."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    columns = ["recipient", "user_id", "kind", "facts", "created_on", "next_try_on"]
    kinds = ["key_made", "key_reset", "key_rotated", "key_widened", "key_leaked"]
    kinds += ["key_suspended", "key_to_end", "password_changed", "mail_changed", "locked"]
    facts = '{"key":{"id":1,"title":"API access key","hint":"wxyz","has_page":false},"address":"192.0.2.1"}'
    row = lambda i: (f"user:{i % PEOPLE + 1}", i % PEOPLE + 1, kinds[i // PEOPLE], facts, now, now)
    database.insert("mails", columns, [row(i) for i in range(count)])


def cost(kind):
    """Requests with keys on two processes whose mail server is away: on one, many mails wait."""
    keys = secrets(1, PEOPLE)
    values = WORK / "keys_of_mail"
    values.write_text("\n".join(keys) + "\n", encoding="ascii")
    with contextlib.ExitStack() as running:
        asked, databases = {}, {}
        for name, count in WAITING.items():
            databases[name] = fresh_database(kind, f"mail_{name}")
            add_people_with_keys(databases[name], keys)
            put(databases[name], count)
            # Nothing listens there.
            asked[name] = running.enter_context(latchkey(databases[name], name, "smtp://127.0.0.1:9?tls=off"))
            asked[name].answers(CURRENT, **{KEY_HEADER: keys[0]})
        rounds = []
        for number in range(ROUNDS):
            say(f"{kind}: requests while mails wait, round {number + 1} of {ROUNDS}")
            names = list(asked) if number % 2 == 0 else list(asked)[::-1]
            taken = {}
            for name in names:
                databases[name].set_last_use_back()
                loaded = load.requests_with(KEY_HEADER, values, asked[name].address + CURRENT, SECONDS)
                if loaded.failed or loaded.refused:
                    raise SystemExit(f"bench/run: requests while mails wait: {loaded}")
                taken[name] = loaded.requests_a_second
            rounds.append(taken)
    rates = {name: spread([it[name] for it in rounds]) for name in WAITING}
    return {**rates, "many_of_none": spread([it["many"] / it["none"] for it in rounds])}


def sending(kind):
    """Mails that one process hands to a local server in a second, each for another person."""
    say(f"{kind}: {SENT} mails")
    database = fresh_database(kind, "mail_sent")
    add_people_with_keys(database, secrets(1, PEOPLE))
    put(database, SENT)
    with MailServer() as server:
        with latchkey(database, "mail_sent", server.url):
            while server.taken == 0:
                time.sleep(0.01)
            started, before = time.monotonic(), server.taken
            while server.taken < SENT:
                if time.monotonic() > started + SENDS_WITHIN:
                    raise SystemExit(f"bench/run: {server.taken} of {SENT} mails were sent")
                time.sleep(0.05)
            return (server.taken - before) / (time.monotonic() - started)
