//! Several processes on one database: what one does counts in the others at the next request.

use futures_util::future::join_all;
use reqwest::{Client, RequestBuilder};
use rstest::rstest;

use crate::support::database::TestDatabase;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

struct Cluster {
    latchkey: CommandLine,
    database: TestDatabase,
    processes: Vec<Process>,
}

impl Cluster {
    /// Two processes on a SQLite file, three on PostgreSQL; Alice is there.
    fn start(db: Db) -> Self {
        let database = TestDatabase::migrated(db);
        let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
        latchkey.add_user("alice", PASSWORD);
        let count = if db == Sqlite { 2 } else { 3 };
        let processes = (0..count).map(|_| Process::serve(&latchkey, &[])).collect();
        Self { latchkey, database, processes }
    }

    /// The status of the same request to each process.
    async fn statuses(&self, build: impl Fn(RequestBuilder) -> RequestBuilder) -> Vec<u16> {
        let http = Client::builder().no_proxy().build().expect("an HTTP client");
        let ask = |process: &Process| Answer::of(build(http.get(format!("{}{CURRENT}", process.url))));
        join_all(self.processes.iter().map(ask)).await.into_iter().map(|answer| answer.status).collect()
    }

    fn all(&self, status: u16) -> Vec<u16> {
        vec![status; self.processes.len()]
    }
}

#[rstest]
#[tokio::test]
async fn who_signs_in_on_one_is_known_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let mut alice = cluster.processes[0].visitor();
    alice.sign_in("alice", PASSWORD).await;
    for process in &cluster.processes {
        alice.url.clone_from(&process.url);
        assert!(alice.is_signed_in().await);
    }
    // On the last: signing out there counts on the first.
    assert_eq!(alice.post("/logout", &[]).await.status, 303);
    alice.url.clone_from(&cluster.processes[0].url);
    assert!(!alice.is_signed_in().await);
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_reset_or_revoked_on_one_is_refused_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let old = cluster.latchkey.add_key("alice");
    let with = |secret: String| move |request: RequestBuilder| request.header("X-Redmine-API-Key", &secret);
    assert_eq!(cluster.statuses(with(old.clone())).await, cluster.all(200));

    let alice = cluster.processes[0].visitor();
    alice.sign_in("alice", PASSWORD).await;
    let id = alice.get("/my/api_key").await.value_of("replaces");
    let new = alice.make_key("/my/api_key", &id).await;
    assert_eq!(cluster.statuses(with(old)).await, cluster.all(401));
    assert_eq!(cluster.statuses(with(new.clone())).await, cluster.all(200));

    let id = alice.get("/my/api_key").await.value_of("replaces");
    cluster.latchkey.run(&["key", "revoke", &id]).done();
    assert_eq!(cluster.statuses(with(new)).await, cluster.all(401));
}

/// "what is suspended on one is refused on the other at the next request", whoever asks and however.
#[rstest]
#[tokio::test]
async fn a_key_that_is_suspended_on_one_is_refused_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let secret = cluster.latchkey.add_key("alice");
    let ways: [&dyn Fn(RequestBuilder) -> RequestBuilder; 3] = [
        &|request| request.header("X-Redmine-API-Key", &secret),
        &|request| request.bearer_auth(&secret),
        &|request| request.basic_auth(&secret, Some("any")),
    ];
    let id = cluster.database.number("SELECT id AS number FROM tokens").to_string();
    let alice = cluster.processes[0].visitor();
    alice.sign_in("alice", PASSWORD).await;
    for way in ways {
        assert_eq!(cluster.statuses(way).await, cluster.all(200));
    }
    let fields = [("for", "until-switched-on"), ("then", "resume")];
    assert_eq!(alice.post(&format!("/my/tokens/{id}/suspend"), &fields).await.status, 303);
    for way in ways {
        assert_eq!(cluster.statuses(way).await, cluster.all(401));
    }
    // Each process tells its part of who was refused, and of several that tell that it was one does.
    let count = i64::try_from(cluster.processes.len()).expect("a number") * 3;
    let counted = "SELECT CAST(coalesce(sum(times), 0) AS BIGINT) AS number FROM refused_uses";
    eventually("all are counted", || cluster.database.number(counted) == count).await;
    cluster.latchkey.run(&["key", "resume", &id]).done();
    for way in ways {
        assert_eq!(cluster.statuses(way).await, cluster.all(200));
    }
    let told = "SELECT count(*) AS number FROM events WHERE action = 'suspended_key_refused'";
    eventually("it is told", || cluster.database.number(told) == 1).await;
}

/// What is limited on one is refused by all the others at the next question, from everywhere else.
#[rstest]
#[tokio::test]
async fn a_key_that_is_limited_on_one_is_refused_elsewhere_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let secret = cluster.latchkey.add_key("alice");
    let with = |request: RequestBuilder| request.bearer_auth(&secret);
    let id = cluster.database.number("SELECT id AS number FROM tokens").to_string();
    let alice = cluster.processes[0].visitor();
    alice.sign_in("alice", PASSWORD).await;
    assert_eq!(cluster.statuses(with).await, cluster.all(200));
    for (networks, status) in [("192.0.2.0/24", 401), ("127.0.0.1", 200), ("10.0.0.0/8", 401)] {
        let fields = [("networks", networks), ("confirm_networks", "1")];
        assert_eq!(alice.post(&format!("/my/tokens/{id}/networks"), &fields).await.status, 303);
        assert_eq!(cluster.statuses(with).await, cluster.all(status), "{networks}");
    }
    let told = "SELECT count(*) AS number FROM events WHERE action = 'elsewhere_key_refused'";
    eventually("it is told", || cluster.database.number(told) == 1).await;
    cluster.latchkey.run(&["key", "limit", &id, "--from-anywhere"]).done();
    assert_eq!(cluster.statuses(with).await, cluster.all(200));
}

/// "A leaked key ends at the next request on every process."
#[rstest]
#[tokio::test]
async fn a_key_that_is_reported_as_leaked_to_one_is_refused_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let leaked = cluster.latchkey.add_key("alice");
    let with = |secret: String| move |request: RequestBuilder| request.header("X-Redmine-API-Key", &secret);
    assert_eq!(cluster.statuses(with(leaked.clone())).await, cluster.all(200));
    // To all of them at once: it ends one time.
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let body = serde_json::json!({ "secret": leaked }).to_string();
    let report = |process: &Process| Answer::of(http.post(format!("{}/revoke.json", process.url)).body(body.clone()));
    let answers = join_all(cluster.processes.iter().map(report)).await;
    assert!(answers.iter().all(|answer| answer.status == 204));
    assert_eq!(cluster.statuses(with(leaked)).await, cluster.all(401));
    let told = "SELECT count(*) AS number FROM events JOIN notices ON event_id = events.id WHERE action = 'key_leaked'";
    assert_eq!(cluster.database.number(told), 1);
}

/// "refused because expired or out of scope at most once an hour": whichever process it was that refused.
#[rstest]
#[tokio::test]
async fn a_flood_of_refused_requests_to_all_is_told_once(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let scope = ["--scope", "account:read"];
    let add = |name: &str| {
        let flags = [&["key", "add", "alice", "--action", "access", "--name", name], &scope[..]].concat();
        let secret = cluster.latchkey.run(&flags).done().stdout.trim_end().to_owned();
        log::note_secret(&secret);
        secret
    };
    let (expired, narrow) = (add("expired"), add("narrow"));
    cluster.database.execute("UPDATE tokens SET expires_on = '2026-01-31 10:00:00' WHERE name = 'expired'");
    let with = |secret: String| move |request: RequestBuilder| request.header("X-Redmine-API-Key", &secret);
    // "needs account:write" and "needs users:read": the first is told.
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    for _ in 0..50 {
        assert_eq!(cluster.statuses(with(expired.clone())).await, cluster.all(401));
        let ask = |process: &Process| {
            let request = http.get(format!("{}/users.json", process.url)).header("X-Redmine-API-Key", &narrow);
            Answer::of(request)
        };
        let answers = join_all(cluster.processes.iter().map(ask)).await;
        assert!(answers.iter().all(|answer| answer.status == 403));
    }
    // A process writes everything before it ends.
    let Cluster { database, processes, .. } = cluster;
    for process in processes {
        process.terminate();
        assert_eq!(process.ended(), Some(0));
    }
    let told = |action: &str| {
        let all = format!("SELECT count(*) AS number FROM events WHERE action = '{action}'");
        let once = format!("SELECT coalesce(sum(times), 0) AS number FROM events WHERE action = '{action}'");
        let once = once.replace("coalesce(sum(times), 0)", "CAST(coalesce(sum(times), 0) AS BIGINT)");
        (database.number(&all), database.number(&once))
    };
    assert_eq!(told("expired_key_refused"), (1, 1));
    assert_eq!(told("scope_refused"), (1, 1));
}

/// The same in the same moment, which processes would seldom meet by chance.
#[rstest]
fn of_two_that_tell_a_refusal_at_once_one_does(#[values(Sqlite, Postgres)] db: Db) {
    use latchkey::models::client::Client;
    use latchkey::models::event::{EventAction, RefusedKey};
    use latchkey::models::keys::token::Token;
    use latchkey::models::tx::Tx;

    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_key("alice");
    let id = database.number("SELECT id AS number FROM tokens");
    let token = Token::find(&mut database.connect(), id).expect("a query").expect("a token");
    let start: latchkey::clock::Timestamp = "2026-06-01T00:00:00".parse().expect("a time");
    let together = std::sync::Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let (mut connection, token, together) = (database.connect(), token.clone(), &together);
            scope.spawn(move || {
                for round in 0..25 {
                    let (token, client) = (token.clone(), Client::new("192.0.2.1", "curl"));
                    let at = start + chrono::TimeDelta::hours(round);
                    let refusal =
                        RefusedKey { token, action: EventAction::ExpiredKeyRefused, missing: None, client, at };
                    together.wait();
                    let record = |connection: &mut _| refusal.record(&mut Tx::of_command_line(connection, at));
                    latchkey::db::transaction(&mut connection, record).expect("a record");
                }
            });
        }
    });
    let told = "SELECT count(*) AS number FROM events WHERE action = 'expired_key_refused'";
    assert_eq!(database.number(told), 25);
}

#[rstest]
#[tokio::test]
async fn a_password_that_is_changed_on_one_is_refused_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let with = |password: &'static str| move |request: RequestBuilder| request.basic_auth("alice", Some(password));
    // Each process remembers the password from now on.
    assert_eq!(cluster.statuses(with(PASSWORD)).await, cluster.all(200));
    let alice = cluster.processes[0].visitor();
    alice.sign_in("alice", PASSWORD).await;
    let new = "a-new-test-password-77";
    log::note_secret(new);
    let fields = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
    assert_eq!(alice.post("/my/password", &fields).await.status, 303);
    assert_eq!(cluster.statuses(with(PASSWORD)).await, cluster.all(401));
    assert_eq!(cluster.statuses(with(new)).await, cluster.all(200));

    cluster.latchkey.run(&["user", "lock", "alice"]).done();
    assert_eq!(cluster.statuses(with(new)).await, cluster.all(401));
}

#[rstest]
#[tokio::test]
async fn all_of_them_together_write_a_key_once_a_minute(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let secret = cluster.latchkey.add_key("alice");
    let id = cluster.database.number("SELECT max(id) AS number FROM tokens");
    cluster.database.count_updates_of_tokens();
    let started = std::time::Instant::now();
    for _ in 0..100 {
        let statuses = cluster.statuses(|request| request.header("X-Redmine-API-Key", &secret)).await;
        assert_eq!(statuses, cluster.all(200));
    }
    let updates = cluster.database.updates_of(id);
    let minutes_ended = i64::try_from(started.elapsed().as_secs() / 60).expect("a number");
    assert!((1..=1 + minutes_ended).contains(&updates), "{updates} updates, {minutes_ended} minutes ended meanwhile");
}

/// Batches of several processes that overlap, in any order: none deadlocks, and the latest use wins.
#[rstest]
fn overlapping_batches_neither_deadlock_nor_lose_a_use(#[values(Sqlite, Postgres)] db: Db) {
    use latchkey::db::transaction;
    use latchkey::models::keys::recording::{RecordIf, TokenUse};
    use latchkey::models::keys::token::Token;

    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database);
    latchkey.add_user("alice", PASSWORD);
    let digest = |n: u32| if db == Sqlite { format!("x'{n:08x}'") } else { format!("'\\x{n:08x}'::bytea") };
    let rows: Vec<_> =
        (1..=200).map(|n| format!("(1, 'session', {}, 'wxyz', '2026-01-01 00:00:00', NULL)", digest(n))).collect();
    let rows = rows.join(",");
    database
        .execute(&format!("INSERT INTO tokens (user_id, action, digest, hint, created_on, updated_on) VALUES {rows}"));
    let start: latchkey::clock::Timestamp = "2026-06-01T00:00:00".parse().expect("a time");
    std::thread::scope(|scope| {
        for writer in 0..4i64 {
            let mut connection = database.connect();
            scope.spawn(move || {
                for round in 0..20i64 {
                    let used_on = start + chrono::TimeDelta::seconds(round * 4 + writer);
                    let mut uses: Vec<_> = (1..=200).map(|token_id| TokenUse { token_id, used_on, by: None }).collect();
                    if writer % 2 == 1 {
                        uses.reverse();
                    }
                    let written = transaction(&mut connection, |connection| {
                        Token::record_uses(connection, &uses, RecordIf::Later)
                    });
                    written.expect("a batch");
                }
            });
        }
    });
    let latest = "SELECT count(*) AS number FROM tokens WHERE updated_on = '2026-06-01 00:01:19'";
    assert_eq!(database.number(latest), 200);
}

/// A load balancer sends a repeated call elsewhere.
#[rstest]
#[tokio::test]
async fn what_is_asked_of_all_at_once_is_done_once(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    let secret = cluster.latchkey.add_key("alice");
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let make = |process: &Process| {
        let request = http.post(format!("{}/my/tokens.json", process.url)).header("X-Redmine-API-Key", &secret);
        let request = request.header("Idempotency-Key", "once").header("Content-Type", "application/json");
        Answer::of(request.body(r#"{"name":"deploy","scopes":["account:read"]}"#))
    };
    let all = join_all(cluster.processes.iter().cycle().take(12).map(make)).await;
    let all: Vec<_> = all.into_iter().map(Answer::noted).collect();
    assert!(all.iter().all(|answer| answer.status == 201), "{:?}", all.iter().map(|it| it.status).collect::<Vec<_>>());
    let with_secret = all.iter().filter(|answer| answer.json().get("secret").is_some());
    let repeated = all.iter().filter(|answer| answer.header("Idempotency-Replayed") == Some("true"));
    assert_eq!((with_secret.count(), repeated.count()), (1, 11));
    let made = "SELECT count(*) AS number FROM tokens WHERE action = 'access'";
    assert_eq!(cluster.database.number(made), 1);
}

/// "taken out of a group on one process: the next question to another process knows"
#[rstest]
#[tokio::test]
async fn who_is_taken_out_of_a_group_on_one_is_refused_on_all(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    latchkey.run(&["user", "change", "alice", "--admin=on"]).done();
    let root = latchkey.add_key("alice");
    latchkey.run(&["group", "add", "Writers", "--members=alice"]).done();
    latchkey.run(&["service", "add", "wiki", "--host=h", "--writers=group:Writers"]).done();
    let add = ["key", "add", "alice", "--action=access", "--name=bot", "--scope=service:wiki:write"];
    let secret = latchkey.run(&add).done().stdout.trim_end().to_owned();
    log::note_secret(&secret);
    let processes = [(); 2].map(|()| Process::serve(&latchkey, &["--trusted-proxies=127.0.0.1"]));
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let statuses = async || {
        let ask = |process: &Process| {
            let question = http.get(format!("{}/auth/nginx", process.url)).header("Host", "h");
            let question = question.header("X-Original-URI", "/").header("X-Original-Method", "PUT");
            Answer::of(question.bearer_auth(&secret))
        };
        join_all(processes.iter().map(ask)).await.into_iter().map(|answer| answer.status).collect::<Vec<_>>()
    };
    assert_eq!(statuses().await, [200, 200]);
    for (change, expected) in [("remove", 403), ("add", 200)] {
        let body = serde_json::json!({ change: ["alice"] });
        let request = http.patch(format!("{}/admin/groups/1/members.json", processes[0].url)).json(&body);
        assert_eq!(Answer::of(request.header("X-Redmine-API-Key", &root)).await.status, 200);
        assert_eq!(statuses().await, [expected, expected], "{change}");
    }
}

/// "its owner locked on one process: the next question to another process knows"
#[rstest]
#[tokio::test]
async fn an_owner_who_is_locked_on_one_looks_after_nothing_on_any(#[values(Sqlite, Postgres)] db: Db) {
    let cluster = Cluster::start(db);
    cluster.latchkey.add_user("root", PASSWORD);
    cluster.latchkey.run(&["user", "change", "root", "--admin=on"]).done();
    let root = cluster.latchkey.add_key("root");
    cluster.latchkey.run(&["user", "add-service", "backup", "--owner=alice"]).done();
    let of_owner = cluster.latchkey.add_key("alice");
    let add = ["key", "add", "backup", "--action=access", "--name=cron", "--scope=account:read"];
    let of_account = cluster.latchkey.run(&add).done().stdout.trim_end().to_owned();
    log::note_secret(&of_account);
    let id = |login: &str| cluster.database.number(&format!("SELECT id AS number FROM users WHERE login = '{login}'"));
    let (alice, backup) = (id("alice"), id("backup"));
    let http = Client::builder().no_proxy().build().expect("an HTTP client");
    let tokens = async || {
        let ask = |process: &Process| {
            let request = http.get(format!("{}/my/service-accounts/{backup}/tokens.json", process.url));
            Answer::of(request.header("X-Redmine-API-Key", &of_owner))
        };
        join_all(cluster.processes.iter().map(ask)).await.into_iter().map(|answer| answer.status).collect::<Vec<_>>()
    };
    assert_eq!(tokens().await, cluster.all(200));
    for (status, expected) in [(3, 401), (1, 200)] {
        let body = serde_json::json!({ "user": { "status": status } });
        let change = http.put(format!("{}/users/{alice}.json", cluster.processes[0].url)).json(&body);
        assert_eq!(Answer::of(change.header("X-Redmine-API-Key", &root)).await.status, 204);
        assert_eq!(tokens().await, cluster.all(expected), "{status}");
        // "When the last owner is locked, the keys go on working."
        assert_eq!(cluster.statuses(|request| request.bearer_auth(&of_account)).await, cluster.all(200));
    }
}
