//! Last use, rule by rule (`docs/last-use.md`, "Last use, exactly").

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use crate::support::database::{Held, TestDatabase};
use crate::support::site::start_time;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

fn seconds(seconds: i64) -> TimeDelta {
    TimeDelta::seconds(seconds)
}

/// A site where Alice has an API access key.
async fn site_with_key(db: Db) -> (Site, Key) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    (site, key)
}

async fn use_key(site: &Site, key: &Key) {
    assert_eq!(site.get_with_key(CURRENT, key).await.status, 200);
}

/// Holds what a write of `tokens` needs.
fn hold_writes(database: &TestDatabase) -> Held {
    database.hold("LOCK TABLE tokens IN EXCLUSIVE MODE")
}

/// A page reads the rows and then asks for what is pending. What was written in between is in neither, unless it is kept
/// a little longer.
#[rstest]
#[tokio::test]
async fn a_use_that_is_written_while_a_page_is_made_is_shown(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    use_key(&site, &key).await;
    let first = site.recorded_use(&key);
    site.later(seconds(90));
    use_key(&site, &key).await;
    let (second, read_by_the_page) = (site.clock.now(), site.token(key.id).expect("a token"));
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(second));
    let shown = site.app.recorder.last_use.of(&read_by_the_page);
    assert_eq!((read_by_the_page.recorded_use(), shown), (first, Some(second)));
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0, "nothing waits");
}

/// Rule 1: NULL until the first use, which is in the database before the response is sent.
#[rstest]
#[tokio::test]
async fn a_first_use_is_written_before_the_answer(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    assert_eq!(site.token(key.id).expect("a token").updated_on, None);
    site.later(seconds(90));
    use_key(&site, &key).await;
    // No flush: the answer is here, so the row must say it.
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(90)));
}

/// Rule 1, and "done when": used within the second of its creation, it reads as used at once.
#[rstest]
#[tokio::test]
async fn a_key_used_in_the_second_it_was_made_reads_as_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let secret = alice.make_key("/my/api_key", "").await;
    assert!(alice.get("/my/account").await.shows("API access key Never used"));
    let answer = Answer::of(site.get(CURRENT).header("X-Redmine-API-Key", &secret)).await;
    assert_eq!(answer.status, 200);
    assert!(alice.get("/my/account").await.shows("API access key Last used: less than a minute ago"));
}

/// Rule 1: no crash makes a used key read "Never used".
#[rstest]
#[tokio::test]
async fn a_first_use_survives_kill_9_right_after_the_answer(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let command_line = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    command_line.add_user("alice", PASSWORD);
    let process = Process::serve(&command_line, &[]);
    let secret = command_line.add_key("alice");
    assert_eq!(process.get_with_key(CURRENT, &secret).await.status, 200);
    process.kill();

    let process = Process::serve(&command_line, &[]);
    let alice = process.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let page = alice.get("/my/account").await;
    assert!(page.shows("API access key Last used: less than a minute ago"), "{}", page.text());
}

/// Rules 1 and 2, and "done when": 200 first requests at once are one UPDATE, 200 more within the minute none.
#[rstest]
#[tokio::test]
async fn two_hundred_requests_at_once_are_one_update(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    site.database.count_updates_of_tokens();
    for (round, updates) in [("first uses", 1), ("within the minute", 1)] {
        let requests = (0..200).map(|_| site.get_with_key(CURRENT, &key));
        let answers = futures_util::future::join_all(requests).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{round}");
        site.flush().await;
        assert_eq!(site.database.updates_of(key.id), updates, "{round}");
        site.later(seconds(20));
    }
}

/// Rule 1: it waits for its write so long and no longer; then a count and a line in the log say which key.
#[rstest]
#[tokio::test]
async fn a_first_use_that_cannot_be_written_in_time_is_answered_and_named(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--first-use-patience=1ms"]).await;
    let alice = site.add_user("alice").await;
    // An id that no other test's token has, to find it in the log that they share.
    let id = if db == Sqlite { 770_001 } else { 770_002 };
    site.database.execute(&match db {
        Sqlite => format!("INSERT INTO sqlite_sequence (name, seq) VALUES ('tokens', {})", id - 1),
        Postgres => format!("ALTER TABLE tokens ALTER COLUMN id RESTART WITH {id}"),
    });
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(key.id, id);

    let held = hold_writes(&site.database);
    use_key(&site, &key).await;
    assert_eq!(site.recorded_use(&key), None, "the write was held");
    assert_eq!(site.app.recorder.last_use.answered_unwritten(), 1);
    let lines = log::lines_with("before the first use was written");
    let line = lines.iter().find(|line| line.to_string().contains(&id.to_string()));
    assert!(line.is_some_and(|line| line["level"] == "WARN"), "{line:?}");

    drop(held);
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(start_time() + TimeDelta::microseconds(1)));
}

/// Rule 2: a minute after what is recorded, a use is written, with its own time, not that of the write.
#[rstest]
#[tokio::test]
async fn a_later_use_is_written_once_a_minute_with_the_time_of_the_use(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    site.database.count_updates_of_tokens();
    site.later(seconds(1));
    use_key(&site, &key).await;
    for _ in 0..3 {
        site.later(seconds(15));
        use_key(&site, &key).await;
        site.flush().await;
    }
    assert_eq!(site.database.updates_of(key.id), 1, "within the minute");
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(1)));

    site.later(seconds(30));
    use_key(&site, &key).await;
    site.later(seconds(5));
    site.flush().await;
    assert_eq!(site.database.updates_of(key.id), 2);
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(76)));
}

/// Rules 2 and 8: if the clock goes back, last use does not.
#[rstest]
#[tokio::test]
async fn last_use_never_moves_backwards(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    site.later(seconds(7200));
    use_key(&site, &key).await;
    let recorded = site.recorded_use(&key);
    site.later(seconds(-15));
    use_key(&site, &key).await;
    site.flush().await;
    assert_eq!(site.recorded_use(&key), recorded);
    site.app.recorder.stop();
    assert_eq!(site.recorded_use(&key), recorded);
}

/// Rule 2: but what was recorded while a clock was ahead gives way to the next true use, and is shown no longer.
#[rstest]
#[tokio::test]
async fn a_use_that_lies_in_the_future_gives_way_to_a_true_one(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(30, 3 * 3600, 40 * 365 * 86_400)] ahead: i64,
    #[values("first", "later", "pending")] which: &str,
) {
    let (site, key) = site_with_key(db).await;
    site.later(seconds(60));
    if which != "first" {
        use_key(&site, &key).await;
        // What is used within the minute waits for its end.
        site.later(seconds(if which == "pending" { 20 } else { 120 }));
    }
    let shows = async |text: &str| {
        // A session of before has ended where the clock was years ahead.
        let page = site.signed_in("alice").await.get("/my/account").await;
        assert!(page.shows(&format!("API access key Last used: {text}")), "{text}: {}", page.text());
    };
    let right = site.clock.now();
    site.later(seconds(ahead));
    use_key(&site, &key).await;
    if which != "pending" {
        site.flush().await;
        assert_eq!(site.recorded_use(&key), Some(right + seconds(ahead)), "the clock is ahead");
    }

    site.clock.set(right + seconds(5));
    use_key(&site, &key).await;
    let used_on = site.clock.now();
    let row = site.token(key.id).expect("a token");
    assert_eq!(site.app.recorder.last_use.of(&row), Some(used_on), "before it is written");
    site.flush().await;
    site.later(seconds(90));
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(used_on));
    shows("2 minutes ago").await;
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
}

/// Rules 2 and 4: the same at a clean stop, at once.
#[rstest]
#[tokio::test]
async fn a_clean_stop_writes_a_true_use_over_one_that_lies_in_the_future(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    site.later(TimeDelta::hours(3));
    use_key(&site, &key).await;
    site.later(TimeDelta::hours(-2));
    use_key(&site, &key).await;
    site.app.recorder.stop();
    assert_eq!(site.recorded_use(&key), Some(start_time() + TimeDelta::hours(1)));
}

/// Rule 2: what another process, whose clock is ahead, writes meanwhile gives way as well.
#[rstest]
#[tokio::test]
async fn a_use_of_another_process_in_the_future_gives_way_too(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    use_key(&site, &key).await;
    site.later(seconds(30));
    use_key(&site, &key).await;
    let ahead = format!("UPDATE tokens SET updated_on = '2026-11-24 12:30:00' WHERE id = {}", key.id);
    site.database.execute(&ahead);
    site.later(seconds(31));
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(30)), "what was pending");
    site.database.execute(&ahead);
    use_key(&site, &key).await;
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(site.clock.now()), "what came afterwards, at once");
}

/// Rule 2: what another process has written meanwhile, and later, stays.
#[rstest]
#[tokio::test]
async fn a_later_use_that_another_process_wrote_stays(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    use_key(&site, &key).await;
    site.later(seconds(120));
    use_key(&site, &key).await;
    site.database.execute(&format!("UPDATE tokens SET updated_on = '2026-11-24 09:32:05' WHERE id = {}", key.id));
    site.flush().await;
    site.app.recorder.stop();
    assert_eq!(site.recorded_use(&key), Some("2026-11-24T09:32:05".parse().expect("a time")));
}

/// Rule 3: a key that goes quiet within its minute ends with its true last use, by one write.
#[rstest]
#[tokio::test]
async fn a_use_within_the_minute_is_written_when_the_minute_is_over(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    site.database.count_updates_of_tokens();
    site.later(seconds(1));
    use_key(&site, &key).await;
    site.later(seconds(40));
    use_key(&site, &key).await;
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(1)));
    for _ in 0..3 {
        site.later(seconds(20));
        site.flush().await;
    }
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(41)));
    assert_eq!(site.database.updates_of(key.id), 2);
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
}

/// Rule 3: a use whose token is gone is dropped, and the key made in its place is "Never used".
#[rstest]
#[tokio::test]
async fn a_key_that_is_reset_with_a_use_pending_leaves_the_new_one_never_used(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    let alice = site.signed_in("alice").await;
    use_key(&site, &key).await;
    site.later(seconds(30));
    use_key(&site, &key).await;
    alice.make_key("/my/api_key", &key.id.to_string()).await;
    site.later(seconds(120));
    site.flush().await;
    assert!(alice.get("/my/account").await.shows("API access key Never used"));
    let pending = site.app.recorder.last_use.pending_uses();
    assert!(pending <= 1, "the session's at most, and not the key's: {pending}");
}

/// Rule 4: a clean stop writes everything, the minute or not.
#[rstest]
#[tokio::test]
async fn a_clean_stop_writes_what_is_pending(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    use_key(&site, &key).await;
    site.later(seconds(10));
    use_key(&site, &key).await;
    site.app.recorder.stop();
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(10)));
}

/// Rule 5: a database that cannot be written to delays recording, never a request; what waits is one a key.
#[rstest]
#[tokio::test]
async fn uses_wait_in_memory_while_the_database_is_busy(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    use_key(&site, &key).await;
    site.later(seconds(300));
    let held = hold_writes(&site.database);
    for _ in 0..50 {
        use_key(&site, &key).await;
    }
    assert_eq!(site.app.recorder.last_use.pending_uses(), 1);
    assert_eq!(site.recorded_use(&key), Some(start_time() + TimeDelta::microseconds(1)), "the write was held");
    drop(held);
    site.flush().await;
    assert_eq!(site.recorded_use(&key), Some(start_time() + seconds(300)));
}

/// Rule 6, and "done when": what is refused changes no row of `tokens`.
#[rstest]
#[tokio::test]
async fn what_is_refused_records_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, locked) = (site.add_user("alice").await, site.add_user("locked").await);
    let key = site.add_key(&alice, TokenAction::Api).await;
    let mut refused = vec![site.add_key(&locked, TokenAction::Api).await];
    site.set_user(&locked, "status = 'locked'");
    for action in [TokenAction::Feeds, TokenAction::Session, TokenAction::Recovery, TokenAction::Register] {
        refused.push(site.add_key(&alice, action).await);
    }
    let before = site.database.dump("tokens");
    for key in &refused {
        assert_eq!(site.get_with_key(CURRENT, key).await.status, 401, "{key:?}");
    }
    let mut mistyped = key.secret.clone();
    mistyped.replace_range(10..11, if &mistyped[10..11] == "a" { "b" } else { "a" });
    for wrong in [mistyped.as_str(), &key.secret.to_uppercase(), "0123456789abcdef", "%00"] {
        assert_eq!(Answer::of(site.get(CURRENT).header("X-Redmine-API-Key", wrong)).await.status, 401, "{wrong}");
        assert_eq!(Answer::of(site.get(CURRENT).basic_auth(wrong, Some("x"))).await.status, 401, "{wrong}");
    }
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", key.secret))).await.status, 401);
    site.later(seconds(120));
    site.flush().await;
    site.app.recorder.stop();
    assert_eq!(site.database.dump("tokens"), before);
}

/// Rule 7: pages of the same process show uses that are not written yet.
#[rstest]
#[tokio::test]
async fn a_page_shows_a_use_that_is_still_pending(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    let alice = site.signed_in("alice").await;
    use_key(&site, &key).await;
    site.later(seconds(50));
    use_key(&site, &key).await;
    site.later(seconds(5));
    assert_eq!(site.recorded_use(&key), Some(start_time() + TimeDelta::microseconds(1)), "the row says: a minute ago");
    assert!(alice.get("/my/account").await.shows("Last used: less than a minute ago"));
}

/// Rule 8: only rows that Rails wrote have `updated_on` = `created_on`, and they read as never used.
#[rstest]
#[tokio::test]
async fn a_row_that_rails_wrote_reads_as_never_used_until_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = site_with_key(db).await;
    let alice = site.signed_in("alice").await;
    site.database.execute(&format!("UPDATE tokens SET updated_on = created_on WHERE id = {}", key.id));
    assert!(alice.get("/my/account").await.shows("API access key Never used"));
    // The clock stands at the microsecond of the creation.
    use_key(&site, &key).await;
    assert_eq!(site.recorded_use(&key), Some(start_time() + TimeDelta::microseconds(1)));
    assert!(alice.get("/my/account").await.shows("API access key Last used: less than a minute ago"));
}

/// Done in the token's own lookup, so that every kind gets it: feeds keys and sessions like API keys.
#[rstest]
#[tokio::test]
async fn atom_keys_and_sessions_record_their_use_too(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let browser = site.signed_in("alice").await;
    let used = "SELECT count(*) AS number FROM tokens WHERE action = 'session' AND updated_on IS NOT NULL";
    assert_eq!(site.database.number(used), 0, "signing in is not a use");
    assert!(browser.get("/my/account").await.shows("Atom access key Never used"));
    assert_eq!(site.database.number(used), 1);
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", feeds.secret))).await.status, 200);
    assert!(browser.get("/my/account").await.shows("Atom access key Last used: less than a minute ago"));
}

/// By query parameter, header, Basic and Bearer alike.
#[rstest]
#[tokio::test]
async fn each_way_to_present_a_key_records_its_use(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for (way, login) in ["query", "header", "basic", "bearer"].into_iter().zip(["anna", "bert", "cleo", "dora"]) {
        let user = site.add_user(login).await;
        let key = site.add_key(&user, TokenAction::Api).await;
        let request = match way {
            "query" => site.get(&format!("{CURRENT}?key={}", key.secret)),
            "header" => site.get(CURRENT).header("X-Redmine-API-Key", &key.secret),
            "basic" => site.get(CURRENT).basic_auth(&key.secret, Some("anything")),
            _ => site.get(CURRENT).bearer_auth(&key.secret),
        };
        assert_eq!(Answer::of(request).await.status, 200, "{way}");
        assert!(site.recorded_use(&key).is_some(), "{way}");
    }
}

/// Rule 2: no UPDATE is even sent that the row in hand shows to be needless. PostgreSQL can count statements.
#[tokio::test]
async fn no_statement_is_sent_for_uses_within_the_minute() {
    let (site, key) = site_with_key(Postgres).await;
    site.database.execute(
        "CREATE TABLE statements (number BIGINT NOT NULL);
         CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN INSERT INTO statements VALUES (1); RETURN NULL; END';
         CREATE TRIGGER count_statements AFTER UPDATE ON tokens FOR EACH STATEMENT EXECUTE FUNCTION count_statement()",
    );
    let sent = || site.database.number("SELECT count(*) AS number FROM statements");
    for _ in 0..20 {
        use_key(&site, &key).await;
        site.later(seconds(2));
        site.flush().await;
    }
    assert_eq!(sent(), 1, "the first use");
    site.later(seconds(30));
    site.flush().await;
    assert_eq!(sent(), 2, "and what waited for its minute");
}

/// Rule 1: what a response has promised survives a power cut.
#[test]
fn sqlite_writes_are_synchronous() {
    let database = TestDatabase::migrated(Sqlite);
    assert_eq!(database.number("SELECT synchronous AS number FROM pragma_synchronous"), 2, "FULL");
}
