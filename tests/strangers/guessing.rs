//! What a stranger learns from an answer: nothing.

use std::collections::BTreeSet;

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// Who may not come in, and why; the last two can be no login at all.
const REFUSED: [(&str, &str); 10] = [
    ("alice", "a-wrong-password"),
    ("nobody", PASSWORD),
    ("locked", PASSWORD),
    ("registered", PASSWORD),
    ("without", PASSWORD),
    ("moved-in", PASSWORD),
    ("moved-in-too", PASSWORD),
    ("alice", ""),
    ("no login, this", PASSWORD),
    ("\u{fc}ml\u{e4}ut'; DROP TABLE users", PASSWORD),
];

async fn site_with_people(db: Db) -> Site {
    let site = Site::start(db).await;
    for login in ["alice", "locked", "registered", "without", "moved-in", "moved-in-too"] {
        site.add_user(login).await;
    }
    site.set_user(&site.user("locked"), "status = 'locked'");
    site.set_user(&site.user("registered"), "status = 'registered'");
    site.set_user(&site.user("without"), "password_hash = NULL");
    // Hashes of other systems, which say nothing here.
    site.set_user(&site.user("moved-in"), "password_hash = '5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8'");
    let scrypt = "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
    site.set_user(&site.user("moved-in-too"), &format!("password_hash = '{scrypt}'"));
    site
}

/// "Unknown login and wrong password cost the same work (tests count hash calls)", and get the same answer.
#[rstest]
#[tokio::test]
async fn on_the_page_every_refused_sign_in_costs_and_says_the_same(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_with_people(db).await;
    let mut said = Vec::new();
    for (login, password) in REFUSED {
        // The right one is told more: the test below.
        let password = if ["locked", "registered"].contains(&login) { "a-wrong-password" } else { password };
        let before = site.app.passwords.hash_calls();
        let answer = site.visitor().try_sign_in(login, password).await;
        assert_eq!(site.app.passwords.hash_calls() - before, 1, "{login}");
        assert_eq!(answer.status, 422, "{login}");
        let names: BTreeSet<String> = answer.headers.keys().map(ToString::to_string).collect();
        let token = answer.value_of("form_token");
        let username = format!("value=\"{}\" autocomplete=\"username\"", html(login));
        assert!(answer.html.contains(&username), "{login} is kept: {}", answer.html);
        said.push((login, names, answer.html.replace(&token, "TOKEN").replace(&username, "USERNAME")));
    }
    for (login, names, html) in &said {
        assert_eq!(names, &said[0].1, "{login} has other headers");
        assert_eq!(html, &said[0].2, "{login} sees another page");
    }
}

/// Only who has the right password learns that the account is there, and it costs what everything costs.
#[rstest]
#[tokio::test]
async fn who_is_locked_or_not_activated_is_told_to_ask_an_administrator(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_with_people(db).await;
    site.set_user(&site.user("locked"), "twofa_scheme = 'totp'");
    for (login, told) in [
        ("locked", "This account is locked. Ask an administrator to unlock it."),
        ("registered", "This account has not been activated yet. Ask an administrator to activate it."),
    ] {
        let visitor = site.visitor();
        let before = site.app.passwords.hash_calls();
        let wrong = visitor.try_sign_in(login, "a-wrong-password").await;
        let right = visitor.try_sign_in(login, PASSWORD).await;
        assert_eq!(site.app.passwords.hash_calls() - before, 2, "{login}");
        assert_eq!((wrong.status, right.status), (422, 422), "{login}");
        assert!(wrong.shows("The login or password is wrong.") && !wrong.shows(told), "{}", wrong.text());
        assert!(right.shows(told) && !right.shows("is wrong"), "{}", right.text());
        assert!(!visitor.is_signed_in().await);
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM tokens"), 0);
}

/// What is typed with an accent of its own is hashed both ways, whoever it is for.
#[rstest]
#[tokio::test]
async fn a_password_with_accents_of_their_own_costs_the_same_for_everybody(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_with_people(db).await;
    let costs = async |login: &str| {
        let before = site.app.passwords.hash_calls();
        assert_eq!(site.visitor().try_sign_in(login, "wrong-passwo\u{308}rd").await.status, 422, "{login}");
        site.app.passwords.hash_calls() - before
    };
    for (login, _) in REFUSED {
        assert_eq!(costs(login).await, 2, "{login}");
    }
}

/// The same by Basic, where a program asks.
#[rstest]
#[tokio::test]
async fn by_basic_every_refused_sign_in_costs_and_says_the_same(#[values(Sqlite, Postgres)] db: Db) {
    let site = site_with_people(db).await;
    let mut said = Vec::new();
    for (login, password) in REFUSED {
        let before = site.app.passwords.hash_calls();
        let answer = Answer::of(site.get("/users/current.json").basic_auth(login, Some(password))).await;
        assert_eq!(site.app.passwords.hash_calls() - before, 1, "{login}");
        assert_eq!(answer.status, 401, "{login}");
        let challenge = answer.header("WWW-Authenticate").map(ToOwned::to_owned);
        let names: BTreeSet<String> = answer.headers.keys().map(ToString::to_string).collect();
        said.push((login, challenge, names, answer.text));
    }
    for (login, challenge, names, text) in &said {
        assert_eq!((challenge, names, text), (&said[0].1, &said[0].2, &said[0].3), "{login}");
    }
}

/// "Basic looks the user name up as a key first and hashes only if that fails".
#[rstest]
#[tokio::test]
async fn basic_hashes_only_what_is_no_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    // A key may look like a login, even like somebody else's.
    site.add_user("bob").await;
    let foreign = site.add_foreign_key(&alice, TokenAction::Api, "bob").await;
    for (username, owner, hashed) in [
        (key.secret.as_str(), Some("alice"), 0),
        (&foreign.secret, Some("alice"), 0),
        ("alice", Some("alice"), 1),
        ("nobody", None, 1),
    ] {
        let before = site.app.passwords.hash_calls();
        let answer = Answer::of(site.get("/users/current.json").basic_auth(username, Some(PASSWORD))).await;
        assert_eq!(answer.status, if owner.is_some() { 200 } else { 401 }, "as {owner:?}");
        if let Some(owner) = owner {
            assert_eq!(answer.json()["user"]["login"], owner);
        }
        assert_eq!(site.app.passwords.hash_calls() - before, hashed, "as {owner:?}");
    }
}

/// Whoever guesses a key costs nothing but a look-up: no hashing, and no counting that could lock others out.
#[rstest]
#[tokio::test]
async fn a_wrong_key_hashes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let before = site.app.passwords.hash_calls();
    for number in 0..20 {
        let key = Key { id: 0, secret: format!("a-guess-{number}") };
        assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401);
        assert_eq!(Answer::of(site.get("/users/current.json").bearer_auth(&key.secret)).await.status, 401);
    }
    assert_eq!(site.app.passwords.hash_calls(), before);
}

/// Text as an attribute holds it.
fn html(text: &str) -> String {
    text.replace('\'', "&#39;")
}
