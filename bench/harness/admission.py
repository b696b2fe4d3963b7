"""What a question costs whose answer depends on a group: on one with ten members, and on one with ten thousand."""

import contextlib
import sys

from . import load
from .databases import LONG_AGO, add_people_with_keys, secrets
from .proxies import HOST, Nginx, add_service_with_tokens
from .runs import PROGRAMS, ROUNDS, SECONDS, WORK, fresh_database, say, spread
from .servers import Server

MEMBERS = {"few": 10, "many": 10_000}
# Whoever asks is a member of both groups.
ASKERS = MEMBERS["few"]
PATH = "/page"


def measure(kind):
    """Questions through nginx, which answers by itself whatever Latchkey lets in."""
    keys = secrets(4, ASKERS)
    values = WORK / "keys_of_members"
    values.write_text("".join(f"Bearer {key}\n" for key in keys), encoding="ascii")
    with contextlib.ExitStack() as running:
        asked = {}
        for name, members in MEMBERS.items():
            database = fresh_database(kind, f"group{members}")
            prepare(database, members, keys)
            command, log = [PROGRAMS / "latchkey", "serve"], WORK / f"group{members}.log"
            latchkey = running.enter_context(Server(command, database, log, LATCHKEY_TRUSTED_PROXIES="127.0.0.1"))
            latchkey.answers("/healthz")
            asked[name] = running.enter_context(Nginx(WORK / f"nginx_{name}", asks=latchkey))
            if asked[name].get(PATH, Authorization=f"Bearer {keys[0]}") != 200 or asked[name].get(PATH) != 401:
                sys.exit("bench/run: a member of the group is not let in, or somebody else is")
        rounds = []
        for number in range(ROUNDS):
            say(f"{kind}: admission by a group, round {number + 1} of {ROUNDS}")
            names = list(asked) if number % 2 == 0 else list(asked)[::-1]
            rounds.append({name: rate(asked[name], values) for name in names})
    return {
        "members": MEMBERS,
        **{name: spread([it[name] for it in rounds]) for name in MEMBERS},
        "many_of_few": spread([it["many"] / it["few"] for it in rounds]),
    }


def prepare(database, members, keys):
    """As many people in any case, and a service that admits only the group."""
    add_people_with_keys(database, secrets(1, max(MEMBERS.values())))
    add_service_with_tokens(database, ASKERS, keys, everyone=False)
    columns = ["id", "name", "folded", "created_on", "updated_on"]
    database.insert("groups", columns, [(1, "Readers", "readers", LONG_AGO, LONG_AGO)])
    database.insert("group_members", ["user_id", "group_id"], [(i, 1) for i in range(1, members + 1)])
    admissions = [(1, 1, "read"), (1, 1, "write")]
    database.insert("service_group_admissions", ["service_id", "group_id", "access"], admissions)


def rate(nginx, values):
    loaded = load.requests_with("Authorization", values, nginx.address + PATH, SECONDS, host=HOST)
    if loaded.failed + loaded.refused:
        sys.exit(f"bench/run: admission by a group: not the answers that were expected: {loaded}")
    return loaded.requests_a_second
