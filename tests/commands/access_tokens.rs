//! `latchkey key` about access tokens: "on the command line do the same, `--json` for machines".

use chrono::{DateTime, TimeDelta, Utc};
use latchkey::models::keys::scope::Scope;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

fn people(database: &TestDatabase) -> CommandLine {
    let latchkey = CommandLine::on(database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    latchkey.add_user("bob", PASSWORD);
    latchkey
}

/// What a command prints with `--json`.
fn json_of(latchkey: &CommandLine, arguments: &[&str]) -> Value {
    let printed = latchkey.run(&[arguments, &["--json"]].concat()).done().stdout;
    let document: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"));
    document["secret"].as_str().into_iter().for_each(log::note_secret);
    document
}

/// Makes an access token; gives its document, with the secret.
fn add(latchkey: &CommandLine, login: &str, flags: &[&str]) -> Value {
    json_of(latchkey, &[&["key", "add", login, "--action", "access"], flags].concat())
}

fn id_of(document: &Value) -> String {
    document["id"].as_i64().expect("an id").to_string()
}

fn secret_of(document: &Value) -> &str {
    document["secret"].as_str().expect("a secret")
}

fn time(value: &Value) -> DateTime<Utc> {
    value.as_str().expect("a time").parse().expect("a time")
}

/// The document without what only its making shows.
fn without_secret(document: &Value) -> Value {
    let mut document = document.clone();
    document.as_object_mut().expect("an object").remove("secret");
    document
}

#[rstest]
#[tokio::test]
async fn an_access_token_is_made_used_shown_and_revoked(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let flags = ["--name", "deploy", "--note", "of the build server", "--scope", "account:read", "--expires", "90d"];
    let made = add(&latchkey, "alice", &flags);
    let secret = secret_of(&made);
    let expected = json!({
        "id": made["id"],
        "login": "alice",
        "action": "access",
        "name": "deploy",
        "note": "of the build server",
        "hint": &secret[45..],
        "scopes": ["account:read"],
        "created_on": made["created_on"],
        "expires_on": made["expires_on"],
        "state": "active",
        "networks": null,
        "suspended_until": null,
        "suspended_then": null,
        "last_used_on": null,
        "last_used_by": null,
        "last_address": null,
        "last_agent": null,
        "recorded_since": made["created_on"],
        "verdict": "too_early",
        "earlier_secrets": [],
    });
    assert_eq!(without_secret(&made), expected);
    assert_eq!(time(&made["expires_on"]) - time(&made["created_on"]), TimeDelta::days(90));
    let id = id_of(&made);
    let mut shown = expected.clone();
    shown["services"] = json!([]);
    shown["refused"] = json!([]);
    assert_eq!(json_of(&latchkey, &["key", "show", &id]), shown, "the secret is not shown again");
    let listed = &json_of(&latchkey, &["key", "list", "alice"])[0];
    let mut with_owner = expected.clone();
    with_owner["services"] = json!([]);
    with_owner["user_id"] = listed["user_id"].clone();
    assert_eq!(listed, &with_owner, "the list says whose it is, too");

    let process = Process::serve(&latchkey, &[]);
    assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
    assert_eq!(process.get_with_key("/users.json", secret).await.status, 403, "only what its scopes say");
    let mut used = json_of(&latchkey, &["key", "show", &id]);
    for list in ["services", "refused"] {
        assert_eq!(used.as_object_mut().expect("a key").remove(list), Some(json!([])));
    }
    assert_eq!([&used["last_used_by"], &used["verdict"]], ["current", "in_use"]);
    assert!(time(&used["last_used_on"]) >= time(&used["created_on"]), "{used}");

    let revoked = json_of(&latchkey, &["key", "revoke", &id]);
    assert_eq!(revoked, used, "as it was");
    assert_eq!(process.get_with_key(CURRENT, secret).await.status, 401);
    let line = latchkey.run(&["key", "show", &id]).refused(1);
    assert_eq!(line, format!("latchkey: no key has the id {id}; latchkey key list shows them"));
    assert_eq!(json_of(&latchkey, &["key", "list", "alice"]), json!([]), "an empty list is one, too");
}

#[rstest]
#[tokio::test]
async fn a_key_is_suspended_and_switched_on_again(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let made = add(&latchkey, "alice", &["--name", "deploy", "--scope", "account:read", "--expires", "never"]);
    let (id, secret) = (id_of(&made), secret_of(&made));
    let suspended = json_of(&latchkey, &["key", "suspend", &id]);
    assert_eq!((&suspended["state"], &suspended["suspended_then"]), (&json!("suspended"), &json!("resume")));
    let left = time(&suspended["suspended_until"]) - time(&made["created_on"]);
    assert!(left >= TimeDelta::days(1) && left < TimeDelta::days(1) + TimeDelta::minutes(5), "{left}");
    let process = Process::serve(&latchkey, &[]);
    assert_eq!(process.get_with_key(CURRENT, secret).await.status, 401);
    let name = format!("Access token “deploy” {id}, ending in {}", &secret[45..]);
    let printed = latchkey.run(&["key", "suspend", &id, "--for", "7d", "--then", "revoke"]).done().stdout;
    let begins = format!("suspended {name} until ");
    assert!(printed.starts_with(&begins) && printed.ends_with(", then it is revoked\n"), "{printed}");
    let printed = latchkey.run(&["key", "suspend", &id, "--for", "until-switched-on"]).done().stdout;
    assert_eq!(printed, format!("suspended {name} until it is switched on again\n"));
    let line = latchkey.run(&["key", "suspend", &id, "--for", "1h"]).refused(1);
    assert_eq!(line, "latchkey: This key is already suspended for longer: switch it on again first");
    assert!(latchkey.run(&["key", "list"]).done().stdout.contains(" suspended "));
    process.terminate();
    assert_eq!(process.ended(), Some(0));
    let shown = latchkey.run(&["key", "show", &id]).done().stdout;
    assert!(shown.contains("state           suspended until it is switched on again\n"), "{shown}");
    assert!(shown.contains("refused         1 request from 127.0.0.1"), "{shown}");
    let refused = &json_of(&latchkey, &["key", "show", &id])["refused"][0];
    assert_eq!((&refused["service"], &refused["requests"]), (&json!(null), &json!(1)), "{refused}");
    assert_eq!(latchkey.run(&["key", "resume", &id]).done().stdout, format!("switched on {name}\n"));
    let resumed = json_of(&latchkey, &["key", "resume", &id]);
    assert_eq!((&resumed["state"], &resumed["suspended_until"]), (&json!("active"), &json!(null)), "nothing to do");
    for (flags, text) in [
        (["--for", "2h", "--then", "resume"], "must be 1h, 1d, 7d or until-switched-on"),
        (["--for", "1h", "--then", "explode"], "must be resume or revoke"),
        (["--for", "until-switched-on", "--then", "revoke"], "is never revoked: choose 1h, 1d or 7d"),
    ] {
        let line = latchkey.run(&[&["key", "suspend", &id], &flags[..]].concat()).refused(2);
        assert!(line.contains(text), "{line}");
    }
    let line = latchkey.run(&["key", "suspend", "4711"]).refused(1);
    assert_eq!(line, "latchkey: no key has the id 4711; latchkey key list shows them");
}

/// "A dry run lists what would end."
#[rstest]
fn keys_that_would_end_unused_are_listed_and_exempted(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let ids: Vec<String> = ["old", "used", "yearly", "suspended", "new"]
        .map(|name| id_of(&add(&latchkey, "alice", &["--name", name, "--scope", "account:read", "--expires", "never"])))
        .into();
    database.execute("UPDATE tokens SET created_on = '2025-01-01 00:00:00' WHERE name != 'new'");
    let lately = Utc::now() - TimeDelta::days(80);
    let lately = format!("UPDATE tokens SET updated_on = '{}' WHERE name = 'used'", lately.format("%F %T"));
    database.execute(&lately);
    latchkey.run(&["key", "suspend", &ids[3]]).done();
    let told = latchkey.run(&["key", "exempt", &ids[2], "--because", "It runs once a year."]).done().stdout;
    assert!(told.starts_with(&format!("kept although unused: Access token “yearly” {}", ids[2])), "{told}");
    let shown = latchkey.run(&["key", "show", &ids[2]]).done().stdout;
    assert!(shown.contains("kept            It runs once a year.\n"), "{shown}");
    let would_end = |span: &str| {
        let list = json_of(&latchkey, &["key", "list", "alice", "--sort", "created_on", "--would-end", span]);
        let names = list.as_array().expect("keys").iter().map(|key| key["name"].as_str().expect("a name").to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(would_end("90d"), ["old"]);
    assert_eq!(would_end("60d"), ["old", "used"]);
    latchkey.run(&["key", "exempt", &ids[2], "--no-longer"]).done();
    assert_eq!(would_end("90d"), ["old", "yearly"]);
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens WHERE suspended_on IS NOT NULL"), 1, "a dry run");
    for flags in
        [&["key", "list", "--would-end", "soon"][..], &["key", "exempt", &ids[0]], &["key", "list", "--would-end", "0"]]
    {
        latchkey.run(flags).refused(2);
    }
    let line = latchkey.run(&["key", "exempt", &ids[0], "--because", " "]).refused(1);
    assert_eq!(line, "latchkey: Reason cannot be blank");
}

/// So that `KEY=$(latchkey key add …)` and `KEY=$(latchkey key rotate …)` work.
#[rstest]
fn a_new_secret_is_printed_alone(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let alone = |output: command_line::Output| {
        let secret = output.stdout.strip_suffix('\n').expect("a line").to_owned();
        log::note_secret(&secret);
        assert!(secret.starts_with("lk_") && secret.len() == 49, "{}", output.stdout);
        assert!(!output.stderr.contains(&secret) && output.stderr.lines().count() == 1, "{}", output.stderr);
        output.stderr
    };
    let flags = ["key", "add", "alice", "--action", "access", "--name", "deploy", "--scope", "tokens:write"];
    let told = alone(latchkey.run(&[&flags[..], &["--scope", "account:read", "--expires", "never"]].concat()).done());
    let id = database.number("SELECT id AS number FROM tokens").to_string();
    let made = format!(
        "Access token “deploy” {id} of alice created with the scopes account:read tokens:write; it never expires\n"
    );
    assert_eq!(told, made);
    let told = alone(latchkey.run(&["key", "rotate", &id, "--grace", "0"]).done());
    assert_eq!(told, format!("Access token “deploy” {id} of alice rotated: the old secret has stopped working\n"));
    let told = alone(latchkey.run(&["key", "rotate", &id]).done());
    assert!(told.contains("rotated: the old secret works until 20"), "{told}");
}

#[rstest]
#[tokio::test]
async fn a_rotated_key_shows_which_secret_is_still_in_use(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let made = add(&latchkey, "alice", &["--name", "deploy", "--scope", "account:read"]);
    let id = id_of(&made);
    let rotated = json_of(&latchkey, &["key", "rotate", &id, "--grace", "7d"]);
    let (old, new) = (secret_of(&made), secret_of(&rotated));
    assert!(old != new && rotated["id"] == made["id"] && rotated["expires_on"] == made["expires_on"], "{rotated}");
    let process = Process::serve(&latchkey, &[]);
    assert_eq!(process.get_with_key(CURRENT, old).await.status, 200);
    let shown = json_of(&latchkey, &["key", "show", &id]);
    assert_eq!([&shown["hint"], &shown["last_used_by"]], [&json!(&new[45..]), &json!("earlier")]);
    let earlier = shown["earlier_secrets"].as_array().expect("an array");
    assert_eq!(earlier.len(), 1, "{shown}");
    assert_eq!([&earlier[0]["hint"], &earlier[0]["last_used_on"]], [&json!(&old[45..]), &shown["last_used_on"]]);
    let grace = time(&earlier[0]["works_until"]) - Utc::now();
    assert!(grace > TimeDelta::days(6) && grace <= TimeDelta::days(7), "{grace}");
    assert_eq!(process.get_with_key(CURRENT, new).await.status, 200);
    assert_eq!(json_of(&latchkey, &["key", "show", &id])["last_used_by"], "current");

    let described = latchkey.run(&["key", "show", &id]).done().stdout;
    for line in [
        "name            deploy\n".to_owned(),
        format!("hint            {}\n", &new[45..]),
        "scopes          account:read\n".to_owned(),
        "state           active\n".to_owned(),
        "verdict         In use: last used less than a minute ago.\n".to_owned(),
        " from 127.0.0.1, with the current secret\n".to_owned(),
        format!("old secret      {}, works until {}", &old[45..], earlier[0]["works_until"].as_str().expect("a time")),
    ] {
        assert!(described.contains(&line), "{line} in {described}");
    }
    // With the first at once: it is in its time of grace.
    let rotated = json_of(&latchkey, &["key", "rotate", &id, "--grace", "0"]);
    assert_eq!(rotated["earlier_secrets"].as_array().map(Vec::len), Some(1), "{rotated}");
    assert_eq!(process.get_with_key(CURRENT, new).await.status, 401);
    assert_eq!(process.get_with_key(CURRENT, old).await.status, 200);
}

/// "any kind, by the key's id or the id of one of its secrets"
#[rstest]
#[tokio::test]
async fn a_key_is_rotated_and_revoked_by_the_id_of_any_of_its_secrets(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    let process = Process::serve(&latchkey, &[]);
    let made = add(&latchkey, "alice", &["--name", "deploy", "--scope", "account:read"]);
    let first = json_of(&latchkey, &["key", "rotate", &id_of(&made)]);
    let of_secret = database.number("SELECT max(id) AS number FROM tokens").to_string();
    assert_ne!(of_secret, id_of(&made));
    assert_eq!(id_of(&json_of(&latchkey, &["key", "show", &of_secret])), id_of(&made));
    let second = json_of(&latchkey, &["key", "rotate", &of_secret]);
    assert_eq!(id_of(&second), id_of(&made));
    let secrets = [&made, &first, &second].map(secret_of);
    for secret in secrets {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
    }
    let bobs = latchkey.add_key("bob");
    let told = latchkey.run(&["key", "revoke", &of_secret]).done().stdout;
    let hint = &secrets[2][45..];
    assert_eq!(told, format!("revoked Access token “deploy” {}, ending in {hint}\n", id_of(&made)));
    for secret in secrets {
        assert_eq!(process.get_with_key(CURRENT, secret).await.status, 401);
    }
    assert_eq!(process.get_with_key(CURRENT, &bobs).await.status, 200, "nobody else's");
}

/// Names may be long and scopes many: a terminal of a hundred columns shows it all.
#[rstest]
fn the_list_fits_a_hundred_columns(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    latchkey.add_key("alice");
    latchkey.run(&["key", "add", "bob", "--action", "feeds"]).done();
    add(&latchkey, "alice", &["--name", &"n".repeat(100), "--scope", "account:read", "--scope", "tokens:write"]);
    add(&latchkey, "bob", &["--name", "zweite", "--scope", "account:write", "--expires", "never"]);
    let expired = add(&latchkey, "bob", &["--name", "dritte", "--scope", "account:write", "--expires", "2099-01-31"]);
    let times =
        "created_on = '2026-01-01 10:00:00', updated_on = '2026-01-31 10:00:00', expires_on = '2026-02-01 10:00:00'";
    database.execute(&format!("UPDATE tokens SET {times} WHERE id = {}", id_of(&expired)));
    let list = latchkey.run(&["key", "list", "--sort=created_on"]).done().stdout;
    for line in list.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
    let cells = |line: &str| line.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>().join(" ");
    let shown: Vec<_> = list.lines().map(cells).collect();
    let hints: Vec<String> =
        list.lines().skip(1).map(|line| line.split_whitespace().nth(3).expect("a hint").to_owned()).collect();
    let in_30_days = (Utc::now() + TimeDelta::days(30)).date_naive();
    assert_eq!(shown[0], "LOGIN ACTION HINT NAME SCOPES EXPIRES LAST USE VERDICT");
    assert_eq!(shown[1], format!("bob access {} dritte account:write expired 2026-01-31T10:00:00Z idle", hints[0]));
    assert_eq!(shown[2], format!("alice api {} - all - never too_early", hints[1]));
    assert_eq!(shown[3], format!("bob feeds {} - - - never too_early", hints[2]));
    let long = format!("alice access {} {}… account:read +1 {in_30_days} never too_early", hints[3], "n".repeat(11));
    assert_eq!(shown[4], long);
    assert_eq!(shown[5], format!("bob access {} zweite account:write never never too_early", hints[4]));
    assert_eq!(json_of(&latchkey, &["key", "show", &id_of(&expired)])["state"], "expired");
    let of_bob = latchkey.run(&["key", "list", "bob"]).done().stdout;
    assert_eq!(of_bob.lines().count(), 4, "{of_bob}");
}

#[rstest]
fn what_the_rules_forbid_is_told_in_a_line(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database).with("LATCHKEY_ACCESS_TOKENS_PER_USER", "1");
    let latchkey = latchkey.with("LATCHKEY_ACCESS_TOKEN_LONGEST_LIFETIME", "60d");
    let refused = |flags: &[&str]| {
        let arguments = [&["key", "add", "alice", "--action", "access"], flags].concat();
        let line = latchkey.run(&arguments).refused(1);
        line.strip_prefix("latchkey: ").expect("a line of ours").to_owned()
    };
    let named = ["--name", "x", "--scope"];
    let with = |scope: &'static str, expires: &'static str| [&named[..], &[scope, "--expires", expires]].concat();
    assert_eq!(refused(&with("users:read", "30d")), "Only administrators can use the scopes of users and services");
    assert_eq!(refused(&with("account:read", "2020-01-31")), "Expiration must be in the future");
    assert_eq!(refused(&with("account:read", "90d")), "Expiration cannot be more than 60 days away");
    assert_eq!(refused(&with("account:read", "never")), "Expiration cannot be more than 60 days away");
    assert_eq!(refused(&["--name", " ", "--scope", "account:read"]), "Name cannot be blank");
    let long = "n".repeat(101);
    assert_eq!(
        refused(&["--name", &long, "--scope", "account:read", "--note", &"n".repeat(501)]),
        "Name is too long (maximum is 100 characters); Note is too long (maximum is 500 characters)"
    );
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 0, "nothing was made");

    let made = add(&latchkey, "alice", &with("account:read", "60d"));
    let too_many = "There are already 1 access tokens, the most that one person may have: revoke one first";
    assert_eq!(refused(&with("account:read", "30d")), too_many);
    latchkey.add_key("bob");
    let of_bob = database.number("SELECT max(id) AS number FROM tokens").to_string();
    let line = latchkey.run(&["key", "rotate", &of_bob]).refused(1);
    assert!(line.contains("This is not an access token: you can reset or revoke it"), "{line}");
    database.execute("UPDATE tokens SET expires_on = '2026-01-31 10:00:00' WHERE action = 'access'");
    let line = latchkey.run(&["key", "rotate", &id_of(&made)]).refused(1);
    assert_eq!(line, "latchkey: This access token has expired: create a new one");
    for command in ["show", "rotate", "revoke"] {
        let line = latchkey.run(&["key", command, "999999"]).refused(1);
        assert_eq!(line, "latchkey: no key has the id 999999; latchkey key list shows them");
    }
}

/// "The classic API access key … can be switched off by a setting."
#[rstest]
fn no_api_access_key_is_made_where_they_are_switched_off(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database).with("LATCHKEY_API_ACCESS_KEYS", "off");
    let line = latchkey.run(&["key", "add", "alice"]).refused(1);
    assert!(line.contains("turned off") && line.contains("--action access --name NAME --scope SCOPE"), "{line}");
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 0);
    latchkey.run(&["key", "add", "alice", "--action", "feeds"]).done();
    add(&latchkey, "alice", &["--name", "deploy", "--scope", "account:read"]);
}

/// A key that moved in was used, perhaps, before anybody looked.
#[rstest]
fn a_key_that_moved_in_never_reads_as_never_used(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = people(&database);
    latchkey.add_key("alice");
    let moved_in = "created_on = '2020-01-31 10:00:00', recorded_since = '2026-01-31 10:00:00'";
    database.execute(&format!("UPDATE tokens SET {moved_in}"));
    let list = latchkey.run(&["key", "list"]).done().stdout;
    assert!(list.ends_with("none since 2026-01-31  unused\n"), "{list}");
    let document = &json_of(&latchkey, &["key", "list"])[0];
    assert_eq!(document["last_used_on"], Value::Null);
    assert_eq!(document["recorded_since"], "2026-01-31T10:00:00Z");
    assert_eq!(document["verdict"], "unused");
    let scopes = Scope::ALL.map(Scope::as_str);
    assert_eq!(document["scopes"], json!(scopes));
    let shown = latchkey.run(&["key", "show", &id_of(document)]).done().stdout;
    assert!(shown.contains("scopes          all that the owner may do\n"), "{shown}");
    assert!(shown.contains("last use        none since 2026-01-31\n"), "{shown}");
    let verdict = "verdict         Safe to end: no use known; recorded without a gap since 31 January 2026.\n";
    assert!(shown.contains(verdict), "{shown}");
    assert!(!shown.contains("name ") && !shown.contains("note "), "{shown}");
}
