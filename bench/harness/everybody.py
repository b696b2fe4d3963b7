"""Everybody's keys and what happened to them, for the administrator's lists: as many as one wants, alike in kind."""

import time
from dataclasses import dataclass

from .databases import INSERT_PEOPLE, PERSON

KEYS_A_PERSON = 10
SERVICES = 20
DAY = 24 * 60 * 60
# From then on until yesterday. The audit log is kept for 400 days, and nothing is to be removed meanwhile.
SPAN = 398 * DAY
# Of the ids of access tokens, those that were rotated once.
IS_ROTATED = "% 20 = 7"
# What every so many entries of the log say: few of many, which is what somebody looks for.
RARE, RARE_ENTRIES = "admin_granted", 100
# Of a hundred entries, up to which one they are about this.
ACTIONS = {
    "signed_in": 30,
    "sign_in_refused": 35,
    "key_created": 50,
    "key_first_used": 65,
    "key_rotated": 75,
    "key_revoked": 85,
    "key_changed": 90,
    "key_expired": 94,
    "scope_refused": 96,
    "expired_key_refused": 98,
    "password_changed": 99,
    "account_changed": 100,
}
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"


@dataclass(frozen=True)
class Everybody:
    """So many keys, ten a person, and so many entries of the audit log, a hundred a person as a rule. Names of methods
    that give SQL are those of what it says of the key or entry with the number that they get, which is SQL, too."""

    keys: int
    entries: int
    now: int = int(time.time())

    @property
    def people(self):
        return self.keys // KEYS_A_PERSON

    def fill(self, database):
        database.fill(
            database.numbered(INSERT_PEOPLE, PERSON, self.people),
            self._keys(database),
            self._later_secrets(database),
            self._sessions(database),
            *self._services(database),
            self._entries(database),
            "UPDATE users SET admin = TRUE WHERE id = 1",
        )

    def administrators_key(self):
        """The secret of the API access key of the first person, who is an administrator."""
        return f"bench-{self.keys}"

    def address(self, person):
        """The address from which a person usually comes."""
        return f"10.{person // 65536}.{person // 256 % 256}.{person % 256}"

    def some_people(self):
        """The ids of a few people, without the administrators, who do more than others."""
        return range(11, self.people, self.people // 8)

    def some_keys(self):
        return range(11, self.keys, self.keys // 8)

    def _owner(self, key):
        # 7919 and the number of people have no factor in common, so that everybody has their turn.
        return f"({key} * 7919 % {self.people} + 1)"

    def _kind(self, key):
        turn = f"({key} + {key} / {self.people}) % {KEYS_A_PERSON}"
        return f"(CASE {turn} WHEN 0 THEN 'api' WHEN 1 THEN 'feeds' ELSE 'access' END)"

    def _made(self, key):
        return f"({self.now - DAY - SPAN} + {key} * {SPAN} / {self.keys})"

    def _used(self, key, since):
        """Some time after `since`, more often lately than long ago."""
        share, whole = f"({key} * 7907 % 99991)", 99991 * 99991
        return f"({self.now - 60} - ({self.now - 60} - {since}) * {share} * {share} / {whole})"

    def _expires(self, key):
        return f"({self._made(key)} + {380 * DAY} + {key} * 7901 % {SPAN})"

    def _keys(self, database):
        at, i = database.time, "i"
        only = lambda condition, value: f"CASE WHEN {condition} THEN {value} END"
        is_access, is_used = f"{self._kind(i)} = 'access'", "i % 5 > 0"
        expires = f"{is_access} AND i % 5 IN (1, 2)"
        made, used = at(self._made(i)), at(self._used(i, self._made(i)))
        columns = {
            "user_id": self._owner(i),
            "action": self._kind(i),
            "digest": database.digest("'bench-' || i"),
            "hint": "'1234'",
            "created_on": made,
            # Rails writes created_on for a key that was never used.
            "updated_on": f"CASE WHEN {is_used} THEN {used} WHEN i % 2 = 0 THEN {made} END",
            "last_client_on": only(is_used, used),
            "last_address": only(is_used, "'198.51.100.' || (i % 250)"),
            "last_agent": only(is_used, "CASE WHEN i % 3 = 0 THEN 'python-requests/2.32.5' ELSE 'curl/8.17.0' END"),
            "name": only(is_access, "'deploy ' || i"),
            "note": only("i % 3 = 0", "'Runs every night, see the page of team ' || (i % 700)"),
            "scopes": only(is_access, "CASE WHEN i % 2 = 0 THEN 'account:read' ELSE 'account:read tokens:read' END"),
            "expires_on": only(expires, at(self._expires(i))),
            # Otherwise the server would begin to tell their owners.
            "expiry_told": f"{expires} AND {self._expires(i)} < {self.now + DAY}",
            "retired_on": only(f"{is_access} AND {i} {IS_ROTATED}", at(self._rotated(i))),
            "suspended_on": only("i % 1000 = 13", at(str(self.now - DAY))),
        }
        insert = f"INSERT INTO tokens ({', '.join(columns)})"
        return database.numbered(insert, ", ".join(columns.values()), self.keys)

    def _rotated(self, key):
        return f"(({self._made(key)} + {self.now}) / 2)"

    def _later_secrets(self, database):
        used = database.time(self._used("id", self._rotated("id")))
        digest = database.digest("'bench-later-' || id")
        same = "user_id, action, hint, name, note, scopes, expires_on, expiry_told, suspended_on"
        return (
            f"INSERT INTO tokens ({same}, digest, created_on, updated_on, key_id) "
            f"SELECT {same}, {digest}, {database.time(self._rotated('id'))}, "
            f"CASE WHEN id % 3 > 0 THEN {used} END, id FROM tokens WHERE action = 'access' AND id {IS_ROTATED}"
        )

    def _sessions(self, database):
        columns = "user_id, action, digest, hint, created_on, updated_on"
        began, used = (database.time(f"({self.now} - i * 7919 % {days * DAY})") for days in (20, 1))
        digest = database.digest("'bench-session-' || i")
        values = f"i, 'session', {digest}, '', {began}, {used}"
        return database.numbered(f"INSERT INTO tokens ({columns})", values, self.people)

    def _services(self, database):
        """Services, and of the access tokens those that may do something there, half of which did."""
        columns = "name, title, host, path, reading_methods, created_on, updated_on"
        began = database.time(str(self.now - SPAN))
        name = "'service-' || i"
        service = f"{name}, 'Service ' || i, {name} || '.example.org', '/', 'GET HEAD', {began}, {began}"
        of_key = f"SELECT id, id % {SERVICES} + 1"
        tokens = "FROM tokens WHERE action = 'access' AND key_id IS NULL"
        return [
            database.numbered(f"INSERT INTO services ({columns})", service, SERVICES),
            f"INSERT INTO token_services (token_id, service_id, access) {of_key}, 'read' {tokens} AND id % 4 = 3",
            "INSERT INTO service_uses (token_id, service_id, last_used_on, address, agent) "
            f"{of_key}, updated_on, last_address, last_agent {tokens} AND id % 8 = 3 AND last_client_on IS NOT NULL",
        ]

    def _entries(self, database):
        person, round_ = self._owner("i"), f"(i / {self.people})"
        # In each of them a person meets every number up to a hundred.
        kind, manner = f"((i + {round_}) % 100)", f"((i + {round_} * 7) % 100)"
        is_rare = f"(i + {round_}) % {self.entries // RARE_ENTRIES} = 0"
        actions = " ".join(f"WHEN {kind} < {up_to} THEN '{action}'" for action, up_to in ACTIONS.items())
        before, last = ACTIONS["sign_in_refused"], ACTIONS["expired_key_refused"]
        is_about_key = f"NOT {is_rare} AND {kind} >= {before} AND {kind} < {last}"
        key = f"((i - 1) % {self.people} + 1 + {round_} % {KEYS_A_PERSON} * {self.people})"
        of_key = lambda value: f"CASE WHEN {is_about_key} THEN {value} END"
        login = lambda id: f"'person' || {id}"
        address = f"'10.' || ({person} / 65536) || '.' || ({person} / 256 % 256) || '.' || ({person} % 256)"
        # An administrator, the command line, or whom it is about.
        by = lambda administrator, nobody, themself: (
            f"CASE WHEN {manner} < 10 THEN {administrator} WHEN {manner} < 12 THEN {nobody} ELSE {themself} END"
        )
        columns = {
            "created_on": database.time(f"({self.now - DAY - SPAN} + i * {SPAN} / {self.entries})"),
            "action": f"CASE WHEN {is_rare} THEN '{RARE}' {actions} END",
            "user_id": person,
            "user_login": login(person),
            "actor_id": by("i % 10 + 1", "NULL", person),
            "actor": by(login("(i % 10 + 1)"), "'command line'", login(person)),
            "token_id": of_key(key),
            "token_action": of_key(self._kind(key)),
            "token_name": f"CASE WHEN {is_about_key} AND {self._kind(key)} = 'access' THEN 'deploy ' || {key} END",
            "token_hint": of_key("'1234'"),
            "address": by("'192.0.2.1'", "''", address),
            "agent": f"CASE WHEN i % 3 = 0 THEN 'curl/8.17.0' ELSE '{BROWSER}' END",
            "credential": f"CASE WHEN {kind} >= {before} THEN 'session ····5678' END",
            "detail": f"CASE WHEN {kind} >= {ACTIONS['key_created']} AND i % 2 = 0 THEN 'used by 198.51.100.7' END",
        }
        insert = f"INSERT INTO audit_entries ({', '.join(columns)})"
        return database.numbered(insert, ", ".join(columns.values()), self.entries)
