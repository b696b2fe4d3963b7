//! Databases, one for each test.

use std::env;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use latchkey::db::url::DatabaseUrl;
use latchkey::db::{DbConnection, connect, migrations};
use tempfile::TempDir;

use super::eventually;

/// The kind of database that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Db {
    Sqlite,
    Postgres,
}

/// A database that only this test uses. Its folder goes with it; PostgreSQL's whole server is thrown away at the end.
pub struct TestDatabase {
    pub url: DatabaseUrl,
    folder: TempDir,
    /// See [`TestDatabase::with`].
    kept: Mutex<Option<DbConnection>>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// A transaction that others wait for.
pub struct Held(DbConnection);

impl Held {
    /// Does `statements` in it, which others do not see before it is committed.
    pub fn execute(&mut self, statements: &str) {
        self.0.batch_execute(statements).expect("a change");
    }

    /// What people have written to the database, as it will be once this is committed.
    pub fn written(&mut self) -> String {
        written(&mut self.0)
    }

    /// Does `statements` in it, and lets the others go on.
    pub fn commit(mut self, statements: &str) {
        self.0.batch_execute(statements).expect("a change");
        self.0.batch_execute("COMMIT").expect("a commit");
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // There is nothing to roll back after a commit.
        let _ = self.0.batch_execute("ROLLBACK");
    }
}

impl TestDatabase {
    /// With no table in it.
    pub fn empty(db: Db) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = match db {
            Db::Sqlite => DatabaseUrl::Sqlite(folder.path().join("latchkey.db")),
            Db::Postgres => create_postgres("template0"),
        };
        Self { url, folder, kept: Mutex::default() }
    }

    /// A PostgreSQL without a table in it, that takes any bytes for text.
    pub fn empty_in_sql_ascii() -> Self {
        Self::at(create_postgres("template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'"))
    }

    /// One that is somewhere else.
    pub fn at(url: DatabaseUrl) -> Self {
        Self { url, folder: tempfile::tempdir().expect("a folder"), kept: Mutex::default() }
    }

    /// With every migration applied.
    pub fn migrated(db: Db) -> Self {
        match db {
            Db::Sqlite => {
                let database = Self::empty(db);
                std::fs::copy(sqlite_template(), database.url.file().expect("a file")).expect("a copy");
                database
            }
            Db::Postgres => Self::at(create_postgres(postgres_template())),
        }
    }

    /// Where the files of this test may go.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The value for `DATABASE_URL`.
    pub fn setting(&self) -> String {
        setting_of(&self.url)
    }

    pub fn connect(&self) -> DbConnection {
        connect(&self.url).expect("a connection")
    }

    /// Does `work` on a connection. PostgreSQL's is kept for the next time, as it has a process for each: to make these took
    /// it longer than all queries of the tests together.
    fn with<T>(&self, work: impl FnOnce(&mut DbConnection) -> T) -> T {
        if self.url.file().is_some() {
            return work(&mut self.connect());
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // The test may have ended it.
        let alive = kept.take().and_then(|mut it| it.batch_execute("SELECT 1").is_ok().then_some(it));
        let mut connection = alive.unwrap_or_else(|| self.connect());
        let done = work(&mut connection);
        *kept = Some(connection);
        done
    }

    /// Holds what others need to write, as another process may, until it is dropped: on SQLite the one write lock, on
    /// PostgreSQL what `lock` takes.
    pub fn hold(&self, lock: &str) -> Held {
        let mut connection = self.connect();
        let begin = match self.url {
            DatabaseUrl::Sqlite(_) => "BEGIN IMMEDIATE".to_owned(),
            DatabaseUrl::Postgres(_) => format!("BEGIN; {lock}"),
        };
        connection.batch_execute(&begin).expect("a lock");
        Held(connection)
    }

    /// Waits until somebody waits for a lock; SQLite does not tell.
    pub async fn until_somebody_waits(&self) {
        let waiting = "SELECT count(*) AS number FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        if let DatabaseUrl::Postgres(_) = self.url {
            eventually("somebody waits for the lock", || self.number(waiting) > 0).await;
        }
    }

    pub fn execute(&self, statements: &str) {
        let done = self.with(|connection| connection.batch_execute(statements));
        done.unwrap_or_else(|error| panic!("{error} in {statements}"));
    }

    /// Takes the database away, with everybody who is connected to it.
    pub fn drop_postgres(&self) {
        let setting = self.setting();
        let name = setting.rsplit_once('/').expect("a PostgreSQL database").1;
        let server = env::var("LATCHKEY_TEST_POSTGRES").expect("LATCHKEY_TEST_POSTGRES, which bin/test sets");
        let mut connection = PgConnection::establish(&server).expect("the PostgreSQL server of the tests");
        connection.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).expect("to drop it");
    }

    /// The one number that `query` gives as `number`.
    pub fn number(&self, query: &str) -> i64 {
        let found: QueryResult<Number> = self.with(|connection| diesel::sql_query(query).get_result(connection));
        found.expect(query).number
    }

    /// Every row of a table as one text, to see whether anything in it has changed.
    pub fn dump(&self, table: &str) -> String {
        let columns = match table {
            "tokens" => ["id", "user_id", "action", "hint", "created_on", "updated_on"].as_slice(),
            "users" => &["id", "login", "firstname", "lastname", "mail", "status", "password_hash"],
            other => panic!("no columns are known of {other}"),
        };
        self.with(|connection| lines(connection, table, columns, "1 = 1"))
    }

    /// How the database would answer `query`, a line for each step.
    pub fn plan(&self, query: &str) -> String {
        #[derive(QueryableByName)]
        struct SqliteStep {
            #[diesel(sql_type = diesel::sql_types::Text)]
            detail: String,
        }
        #[derive(QueryableByName)]
        struct PostgresStep {
            #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
            step: String,
        }
        let mut connection = self.connect();
        let lines: Vec<String> = match self.url {
            DatabaseUrl::Sqlite(_) => {
                let steps = diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut connection);
                steps.expect(query).into_iter().map(|SqliteStep { detail }| detail).collect()
            }
            DatabaseUrl::Postgres(_) => {
                let steps = diesel::sql_query(format!("EXPLAIN {query}")).load(&mut connection);
                steps.expect(query).into_iter().map(|PostgresStep { step }| step).collect()
            }
        };
        lines.join("\n")
    }

    /// What people have written to the database: nothing of what is written behind by itself.
    pub fn written(&self) -> String {
        self.with(written)
    }

    /// Everything that it holds: SQLite's files as they are; PostgreSQL's every value, written out, bytes in hex.
    pub fn contents(&self) -> Vec<u8> {
        #[derive(QueryableByName)]
        struct Whole {
            #[diesel(sql_type = diesel::sql_types::Text)]
            whole: String,
        }
        if self.url.file().is_some() {
            let files = std::fs::read_dir(self.folder()).expect("the folder").map(|file| file.expect("a file").path());
            return files.flat_map(|file| std::fs::read(file).expect("a file")).collect();
        }
        let mut connection = self.connect();
        connection.batch_execute("SET xmlbinary = hex").expect("a setting");
        let query = "SELECT CAST(database_to_xml(true, false, '') AS text) AS whole";
        let Whole { whole } = diesel::sql_query(query).get_result(&mut connection).expect(query);
        whole.into_bytes()
    }

    /// From now on no last use can be written.
    pub fn refuse_uses(&self) {
        self.execute(match &self.url {
            DatabaseUrl::Sqlite(_) => {
                "CREATE TRIGGER refuse_uses BEFORE UPDATE OF updated_on ON tokens
                 BEGIN SELECT RAISE(ABORT, 'no use can be written'); END"
            }
            DatabaseUrl::Postgres(_) => {
                "CREATE FUNCTION refuse_uses() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RAISE EXCEPTION ''no use can be written''; END';
                 CREATE TRIGGER refuse_uses BEFORE UPDATE OF updated_on ON tokens
                 FOR EACH ROW EXECUTE FUNCTION refuse_uses()"
            }
        });
    }

    /// Ends that.
    pub fn allow_uses(&self) {
        self.execute(match &self.url {
            DatabaseUrl::Sqlite(_) => "DROP TRIGGER refuse_uses",
            DatabaseUrl::Postgres(_) => "DROP FUNCTION refuse_uses CASCADE",
        });
    }

    /// From now on counts, in the database itself, how often rows of `tokens` are updated.
    pub fn count_updates_of_tokens(&self) {
        self.execute("CREATE TABLE counted_updates (token_id BIGINT NOT NULL)");
        self.execute(match &self.url {
            DatabaseUrl::Sqlite(_) => {
                "CREATE TRIGGER count_updates AFTER UPDATE ON tokens
                 BEGIN INSERT INTO counted_updates VALUES (NEW.id); END"
            }
            DatabaseUrl::Postgres(_) => {
                "CREATE FUNCTION count_update() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN INSERT INTO counted_updates VALUES (NEW.id); RETURN NEW; END';
                 CREATE TRIGGER count_updates AFTER UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION count_update()"
            }
        });
    }

    /// How often the row of a token was updated since.
    pub fn updates_of(&self, token_id: i64) -> i64 {
        self.number(&format!("SELECT count(*) AS number FROM counted_updates WHERE token_id = {token_id}"))
    }
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = diesel::sql_types::Text)]
    line: String,
}

/// The rows of a table that a condition holds for, a line each, in an order of their own.
fn lines(connection: &mut DbConnection, table: &str, columns: &[&str], condition: &str) -> String {
    let cells = columns.iter().map(|column| format!("coalesce(CAST({column} AS TEXT), '-')"));
    let line = cells.collect::<Vec<_>>().join(" || ' ' || ");
    let query = format!("SELECT {line} AS line FROM {table} WHERE {condition} ORDER BY {}", columns.join(", "));
    let lines: Vec<Line> = diesel::sql_query(query).load(connection).expect("rows");
    lines.into_iter().map(|line| line.line + "\n").collect()
}

fn written(connection: &mut DbConnection) -> String {
    // The recorder tells of refusals, first uses and keys that have expired by itself.
    let told_behind = "action NOT IN ('scope_refused', 'expired_key_refused', 'suspended_key_refused', \
                       'elsewhere_key_refused', 'sign_in_refused', 'key_first_used', 'key_expired', 'key_cleared', 'key_to_end')";
    let tables: [(&str, &[&str], &str); 15] = [
        (
            "users",
            &[
                "id",
                "login",
                "firstname",
                "lastname",
                "mail",
                "admin",
                "status",
                "password_hash",
                "kept_in",
                "time_zone",
                "updated_on",
            ],
            "1 = 1",
        ),
        (
            "tokens",
            &[
                "id",
                "user_id",
                "action",
                "name",
                "scopes",
                "expires_on",
                "retired_on",
                "confirmed_on",
                "suspended_on",
                "suspended_until",
                "networks",
            ],
            "1 = 1",
        ),
        ("events", &["id", "user_id", "action"], told_behind),
        ("notices", &["id", "user_id"], "1 = 1"),
        ("unwanted_mails", &["user_id", "kind"], "1 = 1"),
        ("new_addresses", &["user_id", "address"], "1 = 1"),
        ("mails", &["id", "outcome"], "outcome = 'given_up' OR kind = 'new_address'"),
        ("account_owners", &["account_id", "owner_id"], "1 = 1"),
        ("services", &["id", "name", "title", "host", "updated_on"], "1 = 1"),
        ("service_admissions", &["service_id", "user_id", "access"], "1 = 1"),
        ("service_group_admissions", &["service_id", "group_id", "access"], "1 = 1"),
        ("groups", &["id", "name", "updated_on"], "1 = 1"),
        ("group_members", &["group_id", "user_id"], "1 = 1"),
        ("token_services", &["token_id", "service_id", "access"], "1 = 1"),
        ("idempotency_keys", &["user_id", "token_id", "created_on"], "1 = 1"),
    ];
    let dump = tables.map(|(table, columns, condition)| {
        let lines = lines(connection, table, columns, condition);
        format!("{table}\n{lines}")
    });
    dump.concat()
}

fn setting_of(url: &DatabaseUrl) -> String {
    match url {
        DatabaseUrl::Sqlite(path) => path.display().to_string(),
        DatabaseUrl::Postgres(url) => url.clone(),
    }
}

/// Copied for each test: applying the migrations each time would take longer than most tests do.
fn sqlite_template() -> &'static Path {
    static TEMPLATE: OnceLock<TestDatabase> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let template = TestDatabase::empty(Db::Sqlite);
        migrations::run(&template.url).expect("migrations");
        template.execute("PRAGMA wal_checkpoint(TRUNCATE)");
        template
    });
    template.url.file().expect("a file")
}

fn postgres_template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    TEMPLATE.get_or_init(|| {
        let template = create_postgres("template0");
        migrations::run(&template).expect("migrations");
        let name = setting_of(&template);
        name.rsplit_once('/').expect("a path").1.to_owned()
    })
}

fn create_postgres(template: &str) -> DatabaseUrl {
    static CREATED: AtomicU32 = AtomicU32::new(0);
    // PostgreSQL refuses to copy a template twice at the same time.
    static ONE_BY_ONE: Mutex<Option<PgConnection>> = Mutex::new(None);
    let mut kept = ONE_BY_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = env::var("LATCHKEY_TEST_POSTGRES").expect("LATCHKEY_TEST_POSTGRES, which bin/test sets");
    let name = format!("latchkey_{}_{}", std::process::id(), CREATED.fetch_add(1, Ordering::Relaxed));
    let connect = || PgConnection::establish(&server).expect("the PostgreSQL server of the tests");
    let mut connection = kept.take().unwrap_or_else(connect);
    // The files are copied, as nothing waits for the disk here: the other strategy takes twice the processor's time.
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
    connection.batch_execute(&create).unwrap_or_else(|error| panic!("{create}: {error}"));
    *kept = Some(connection);
    let (place, _) = server.rsplit_once('/').expect("a database in LATCHKEY_TEST_POSTGRES");
    DatabaseUrl::Postgres(format!("{place}/{name}"))
}
