//! Keys that were moved in from elsewhere, in whatever form they had there.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "Keys moved in from elsewhere keep whatever form they had: the digest is over the presented text, case-sensitive."
#[rstest]
#[tokio::test]
async fn a_key_that_was_moved_in_works_as_it_was(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let of_redmine = "1d2c3b4a5f6e7d8c9b0a1d2c3b4a5f6e7d8c9b0a";
    let of_our_length = format!("lk_{}", "-".repeat(46));
    let long = "long-key-".repeat(100);
    let secrets = [
        ("of Redmine", of_redmine),
        ("short", "k"),
        ("with signs", "a.b:c/d+e=f~g"),
        ("like ours", &of_our_length),
        ("long", &long),
    ];
    for (number, (form, secret)) in secrets.into_iter().enumerate() {
        log::note_secret(secret);
        let login = format!("user{number}");
        let user = site.add_user(&login).await;
        let key = site.add_foreign_key(&user, TokenAction::Api, secret).await;
        for (way, request) in ways_of(&site, secret) {
            // Basic ends a user name at the first colon.
            if !(secret.contains(':') && way.starts_with("Basic")) {
                assert_eq!(login_of(request, form).await, login, "{form}, {way}");
            }
        }
        assert!(site.recorded_use(&key).is_some(), "{form}");
        let changed = format!("{secret}0");
        assert_refused(site.get(ADDRESS).header(KEY_HEADER, changed), None, form).await;
    }
}

/// A key of ours whose checksum is wrong is refused, and one whose checksum is right but that nobody has.
#[rstest]
#[tokio::test]
async fn a_slip_of_the_hand_finds_no_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let tokens = site.database.dump("tokens");
    for at in [3, 20, 42, 43, 48] {
        let mut mistyped = key.secret.clone().into_bytes();
        mistyped[at] = if mistyped[at] == b'x' { b'y' } else { b'x' };
        let mistyped = String::from_utf8(mistyped).expect("ASCII");
        for (way, request) in ways_of(&site, &mistyped) {
            if !way.starts_with("Basic") {
                assert_eq!(Answer::of(request).await.status, 401, "letter {at}, {way}");
            }
        }
    }
    site.flush().await;
    assert_eq!(site.database.dump("tokens"), tokens);
    assert_eq!(site.get_with_key(ADDRESS, &key).await.status, 200);
}
