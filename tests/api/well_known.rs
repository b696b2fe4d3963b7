//! `/.well-known`: what programs look for on every site.

use chrono::{DateTime, TimeDelta};
use rstest::rstest;

use crate::support::*;

#[rstest]
#[tokio::test]
async fn security_txt_says_whom_to_tell_where_a_setting_does(#[values(Sqlite, Postgres)] db: Db) {
    let path = "/.well-known/security.txt";
    let site = Site::start(db).await;
    assert_eq!(Answer::of(site.get(path)).await.status, 404, "without a contact there is none");
    let flags = ["--security-contact=security@example.org", "--url=https://keys.example.org"];
    let site = Site::start_with(db, &flags).await;
    let answer = Answer::of(site.get(path)).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (200, Some("text/plain; charset=utf-8")));
    let fields: Vec<_> = answer.text.lines().map(|line| line.split_once(": ").expect("a field")).collect();
    assert_eq!(fields[0], ("Contact", "mailto:security@example.org"));
    let (name, expires) = fields[1];
    let expires = DateTime::parse_from_rfc3339(expires).expect("a time").naive_utc();
    assert!(name == "Expires" && expires > site.clock.now() + TimeDelta::days(90), "{expires}");
    assert!(expires < site.clock.now() + TimeDelta::days(365), "RFC 9116 wants less than a year: {expires}");
    assert_eq!(
        fields[2..],
        [("Preferred-Languages", "en"), ("Canonical", "https://keys.example.org/.well-known/security.txt"),]
    );
}

#[rstest]
#[tokio::test]
async fn password_managers_find_where_passwords_are_changed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    let answer = site.visitor().get("/keys/.well-known/change-password").await;
    assert_eq!((answer.status, answer.location()), (302, "/keys/my/password"));
    let nothing = site.visitor().get("/keys/.well-known/resource-that-should-not-exist").await;
    assert_eq!(nothing.status, 404, "a password manager asks for this, too, to see whether it can believe the answer");
}
