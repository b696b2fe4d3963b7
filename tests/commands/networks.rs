//! `latchkey key add --from` and `latchkey key limit`: where a key may be used from.

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

const CURRENT: &str = "/users/current.json";

fn json_of(latchkey: &CommandLine, arguments: &[&str]) -> Value {
    let printed = latchkey.run(&[arguments, &["--json"]].concat()).done().stdout;
    let document: Value = serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} in {printed}"));
    document["secret"].as_str().into_iter().for_each(log::note_secret);
    document
}

#[rstest]
#[tokio::test]
async fn a_key_is_limited_and_works_from_anywhere_again(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let add = ["key", "add", "alice", "--action", "access", "--name", "deploy", "--scope", "account:read"];
    let made = json_of(&latchkey, &[&add[..], &["--from", "10.0.0.0/8", "--from", "192.0.2.7/32"]].concat());
    assert_eq!(made["networks"], json!(["10.0.0.0/8", "192.0.2.7"]), "no address is shut out: nothing is asked");
    let (id, secret) = (made["id"].to_string(), made["secret"].as_str().expect("a secret"));
    let process = Process::serve(&latchkey, &[]);
    assert_eq!(process.get_with_key(CURRENT, secret).await.status, 401);
    let shown = latchkey.run(&["key", "show", &id]).done().stdout;
    assert!(shown.contains("\nnetworks        10.0.0.0/8 192.0.2.7\n"), "{shown}");
    let name = format!("Access token “deploy” {id}, ending in {}", &secret[45..]);
    let printed = latchkey.run(&["key", "limit", &id, "--from", "127.0.0.1"]).done().stdout;
    assert_eq!(printed, format!("limited {name} to 127.0.0.1\n"));
    assert_eq!(process.get_with_key(CURRENT, secret).await.status, 200);
    for (flags, code, text) in [
        (
            &["--from", "10.0.0.1/8"][..],
            2,
            "10.0.0.1/8 is not a network: write 10.0.0.0/8, or 10.0.0.1 for this one address",
        ),
        (&["--from", "office"], 2, "“office” is not an address or a network"),
        (&[], 2, "--from"),
        (&["--from", "::1", "--from-anywhere"], 2, "cannot be used with"),
    ] {
        let line = latchkey.run(&[&["key", "limit", &id], flags].concat()).refused(code);
        assert!(line.contains(text), "{line}");
    }
    let many: Vec<String> = (0..51).map(|last| format!("--from=127.0.0.{last}")).collect();
    let many: Vec<&str> = ["key", "limit", &id].into_iter().chain(many.iter().map(String::as_str)).collect();
    let line = latchkey.run(&many).refused(1);
    assert_eq!(line, "latchkey: A key can have at most 50 allowed networks, not 51");
    let listed = &json_of(&latchkey, &["key", "list", "alice"])[0]["networks"];
    assert_eq!(listed, &json!(["127.0.0.1"]), "what is refused changes nothing");
    let printed = latchkey.run(&["key", "limit", &id, "--from-anywhere"]).done().stdout;
    assert_eq!(printed, format!("no longer limited: {name}\n"));
    assert_eq!(json_of(&latchkey, &["key", "limit", &id, "--from-anywhere"])["networks"], json!(null));

    // A key that takes the place of another has its networks, unless others are given.
    let reset = |flags: &[&str]| json_of(&latchkey, &[&["key", "add", "alice"], flags].concat());
    assert_eq!(reset(&["--from", "127.0.0.0/8"])["networks"], json!(["127.0.0.0/8"]));
    let kept = reset(&[]);
    assert_eq!(kept["networks"], json!(["127.0.0.0/8"]));
    assert_eq!(process.get_with_key(CURRENT, kept["secret"].as_str().expect("a secret")).await.status, 200);
    assert_eq!(reset(&["--from", "10.0.0.0/8"])["networks"], json!(["10.0.0.0/8"]));
}
