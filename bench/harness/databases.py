"""The two databases: made, filled, and looked into behind the product's back."""

import glob
import hashlib
import os
import random
import sqlite3
import subprocess
import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
LONG_AGO = "2026-01-31 10:00:00.000000"
TOKENS_A_PERSON = 10


def secret(generator):
    """A secret as the product makes them: `lk_`, 40 characters, and their checksum."""
    body = "lk_" + "".join(generator.choices(BASE62, k=40))
    rest, checksum = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        checksum = BASE62[digit] + checksum
    return body + checksum


def mistyped(key):
    """The same key with one character that is not its own."""
    return key[:20] + ("a" if key[20] != "a" else "b") + key[21:]


def secrets(seed, count):
    generator = random.Random(seed)
    return [secret(generator) for _ in range(count)]


class Sqlite:
    title = "SQLite"

    def __init__(self, file):
        self.url = str(file)

    def run(self, *statements):
        """Runs statements, and gives the first value of the last one's first row, if there is one."""
        connection = sqlite3.connect(self.url, timeout=60, isolation_level=None)
        digest = lambda text: hashlib.sha256(text.encode()).digest()
        connection.create_function("sha256", 1, digest, deterministic=True)
        try:
            row = None
            for statement in statements:
                row = connection.execute(statement).fetchone()
            return row and row[0]
        finally:
            connection.close()

    def insert(self, table, columns, rows):
        marks = ", ".join("?" * len(columns))
        connection = sqlite3.connect(self.url, timeout=60)
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)
        connection.commit()
        connection.close()

    def set_last_use_back(self):
        """Every key was last used two minutes ago, so that its next use is due to be written."""
        past = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-2 minutes')"
        self.run(f"UPDATE tokens SET updated_on = {past}", "PRAGMA wal_checkpoint(TRUNCATE)")

    def rows_written(self):
        """Rows whose last use was written since it was set back."""
        since = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-90 seconds')"
        return self.run(f"SELECT count(*) FROM tokens WHERE updated_on > {since}")

    def count_updates(self):
        """From now on, each UPDATE of a token leaves a row in `bench_updates`."""
        self.run(
            "CREATE TABLE bench_updates (id INTEGER)",
            "CREATE TRIGGER bench_update AFTER UPDATE ON tokens BEGIN INSERT INTO bench_updates VALUES (new.id); END",
        )

    def stop_counting_updates(self):
        self.run("DROP TRIGGER bench_update", "DROP TABLE bench_updates")

    def numbered(self, insert, values, count):
        """The statement that inserts `values` for each number `i` from 1 to `count`."""
        numbers = f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        return f"{insert} {numbers} SELECT {values} FROM n"

    def digest(self, text):
        return f"sha256({text})"

    def time(self, seconds):
        """The time so many seconds after the beginning of 1970."""
        return f"strftime('%Y-%m-%d %H:%M:%f000', {seconds}, 'unixepoch')"

    def fill(self, *statements):
        """Runs statements that insert many rows, without the indexes, which are made again at the end. There is no
        ANALYZE, because Latchkey does none on SQLite."""
        connection = sqlite3.connect(self.url)
        made = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        indexes = connection.execute(made).fetchall()
        connection.close()
        self.run(
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -1000000",
            "PRAGMA threads = 2",
            "BEGIN",
            *(f"DROP INDEX {name}" for name, _ in indexes),
            *statements,
            *(sql for _, sql in indexes),
            "COMMIT",
            "PRAGMA journal_mode = WAL",
        )

    def warm(self):
        """Has the system hold all of it in memory."""
        with open(self.url, "rb") as file:
            while file.read(1 << 20):
                pass

    def remove(self):
        for file in glob.glob(f"{self.url}*"):
            os.remove(file)


class Postgres:
    title = "PostgreSQL"

    def __init__(self, name):
        """A new database on the server that the PG* variables name."""
        subprocess.run(["createdb", name], check=True)
        self.name = name
        user, password, host, port = (os.environ[it] for it in ("PGUSER", "PGPASSWORD", "PGHOST", "PGPORT"))
        self.url = f"postgres://{user}:{password}@{host}:{port}/{name}"

    def run(self, *statements):
        output = self._psql([part for statement in statements for part in ("-c", statement)])
        lines = output.splitlines()
        return int(lines[-1]) if lines and lines[-1].isdigit() else None

    def insert(self, table, columns, rows):
        text = lambda value: "\\\\x" + value.hex() if isinstance(value, bytes) else str(value)
        lines = "".join("\t".join(map(text, row)) + "\n" for row in rows)
        self._psql(["-c", f"COPY {table} ({', '.join(columns)}) FROM STDIN"], lines)

    def _psql(self, arguments, stdin=""):
        command = ["psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", self.name, *arguments]
        return subprocess.run(command, input=stdin, stdout=subprocess.PIPE, text=True, check=True).stdout

    def set_last_use_back(self):
        past = "(now() AT TIME ZONE 'UTC') - INTERVAL '2 minutes'"
        self.run(f"UPDATE tokens SET updated_on = {past}", "VACUUM ANALYZE tokens", "CHECKPOINT")

    def rows_written(self):
        since = "(now() AT TIME ZONE 'UTC') - INTERVAL '90 seconds'"
        return self.run(f"SELECT count(*) FROM tokens WHERE updated_on > {since}")

    def count_updates(self):
        self.run(
            "CREATE TABLE bench_updates (id BIGINT)",
            "CREATE FUNCTION bench_count() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO bench_updates VALUES (new.id); RETURN NULL; END'",
            "CREATE TRIGGER bench_update AFTER UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION bench_count()",
        )

    def stop_counting_updates(self):
        self.run("DROP TRIGGER bench_update ON tokens", "DROP FUNCTION bench_count", "DROP TABLE bench_updates")

    def numbered(self, insert, values, count):
        return f"{insert} SELECT {values} FROM generate_series(1::bigint, {count}) AS n (i)"

    def digest(self, text):
        return f"sha256(convert_to({text}, 'UTF8'))"

    def time(self, seconds):
        return f"to_timestamp({seconds}) AT TIME ZONE 'UTC'"

    def fill(self, *statements):
        made = "SELECT indexname, translate(indexdef, chr(10), ' ') FROM pg_indexes"
        made += " LEFT JOIN pg_constraint ON conname = indexname WHERE schemaname = 'public' AND conname IS NULL"
        indexes = [line.split("|", 1) for line in self._psql(["-c", made]).splitlines()]
        self.run(
            # Every row refers to one that is there: looking it up would take longer than to insert the row.
            "SET session_replication_role = replica",
            "SET maintenance_work_mem = '1GB'",
            *(f"DROP INDEX {name}" for name, _ in indexes),
            *statements,
            *(sql for _, sql in indexes),
            "VACUUM ANALYZE",
            "CHECKPOINT",
            "CREATE EXTENSION pg_prewarm",
        )

    def warm(self):
        relations = "SELECT oid FROM pg_class WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
        self.run(f"SELECT count(pg_prewarm(oid, 'read')) FROM ({relations}) AS relations")

    def remove(self):
        subprocess.run(["dropdb", self.name], check=True)


def people(tokens):
    return -(-tokens // TOKENS_A_PERSON)


INSERT_PEOPLE = "INSERT INTO users (id, login, firstname, lastname, mail, created_on, updated_on)"
PERSON = f"i, 'person' || i, 'First', 'Last', 'person' || i || '@example.org', '{LONG_AGO}', '{LONG_AGO}'"
INSERT_TOKENS = "INSERT INTO tokens (user_id, action, hint, created_on, updated_on, digest)"
TOKEN = (
    f"(i - 1) / {TOKENS_A_PERSON} + 1, CASE i % {TOKENS_A_PERSON} WHEN 0 THEN 'feeds' WHEN 1 THEN 'api' ELSE 'session' END, "
    f"'1234', '{LONG_AGO}', '{LONG_AGO}'"
)


def fill_with_tokens(database, tokens):
    """`tokens` tokens with the secrets bench-1, bench-2, …, ten a person, as the lookups expect them."""
    token = TOKEN + ", " + database.digest("'bench-' || i")
    database.fill(
        database.numbered(INSERT_PEOPLE, PERSON, people(tokens)),
        database.numbered(INSERT_TOKENS, token, tokens),
    )


def add_people_with_keys(database, keys):
    """A person for each of `keys`, each made long ago."""
    columns = ["id", "login", "firstname", "lastname", "mail", "created_on", "updated_on"]
    person = lambda i: (i, f"person{i}", "First", "Last", f"person{i}@example.org", LONG_AGO, LONG_AGO)
    database.insert("users", columns, [person(i) for i in range(1, len(keys) + 1)])
    columns = ["user_id", "action", "digest", "hint", "created_on"]
    token = lambda i, key: (i, "api", hashlib.sha256(key.encode()).digest(), key[-4:], LONG_AGO)
    database.insert("tokens", columns, [token(i, key) for i, key in enumerate(keys, 1)])
