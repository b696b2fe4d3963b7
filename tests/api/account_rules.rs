//! The rules of a person, as the API and the command line hold them.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

/// Saves one field of a person; gives what was told, or `None` if it was saved.
async fn save(site: &Site, key: &Key, field: &str, value: &str) -> Option<Value> {
    let body = json!({"user": {field: value}}).to_string();
    let request = site.request(Method::PUT, "/my/account.json").header("X-Redmine-API-Key", &key.secret);
    let answer = Answer::of(request.body(body)).await;
    match answer.status {
        204 => None,
        422 => Some(answer.json()["errors"].clone()),
        other => panic!("{field} {value:?}: status {other}, {}", answer.text),
    }
}

/// "First name 1 to 30, last name 1 to 255": characters, not bytes.
#[rstest]
#[tokio::test]
async fn names_have_their_lengths(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (field, label, longest) in [("firstname", "First name", 30), ("lastname", "Last name", 255)] {
        let too_long = json!([format!("{label} is too long (maximum is {longest} characters)")]);
        let blank = json!([format!("{label} cannot be blank")]);
        for (length, letter) in [(1, "x"), (longest, "x"), (longest, "ß"), (longest, "🔑")] {
            assert_eq!(save(&site, &key, field, &letter.repeat(length)).await, None, "{field}: {length} of {letter}");
        }
        let fits = format!("  {}  ", "x".repeat(longest));
        assert_eq!(save(&site, &key, field, &fits).await, None, "{field}: blanks around it do not count");
        for letter in ["x", "🔑"] {
            let told = save(&site, &key, field, &letter.repeat(longest + 1)).await;
            assert_eq!(told.as_ref(), Some(&too_long), "{field}: {letter}");
        }
        for nothing in ["", " ", "\t\n", "\u{A0}\u{2003}"] {
            assert_eq!(save(&site, &key, field, nothing).await.as_ref(), Some(&blank), "{field}: {nothing:?}");
        }
        for odd in ["a\0b", "a\u{1}b", "a\u{7f}b", "a\u{85}b", "a\u{FFFE}b", "a\u{FFFF}b", "a\u{202E}b", "a\nb"] {
            let character = u32::from(odd.chars().nth(1).expect("a character"));
            let invalid = json!([format!("{label} contains an invisible character (U+{character:04X})")]);
            assert_eq!(save(&site, &key, field, odd).await.as_ref(), Some(&invalid), "{field}: {odd:?}");
        }
    }
    assert_eq!(site.get_with_key("/users/current.xml", &key).await.status, 200, "and what was saved can be shown");
}

/// "Mail": what can be an address, at most 254 characters.
#[rstest]
#[tokio::test]
async fn mail_must_look_like_an_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for mail in [
        "a@b",
        "a.b+c@example.org",
        "o'brien@example.co.uk",
        "ALICE@EXAMPLE.ORG",
        "x_y-z@sub-domain.example.org",
        &format!("{}@example.org", "x".repeat(242)),
    ] {
        assert_eq!(save(&site, &key, "mail", mail).await, None, "{mail}");
        assert_eq!(site.user("alice").mail, mail);
    }
    let invalid = json!(["Email is invalid"]);
    for mail in [
        "nonsense",
        // What differs by case beyond ASCII would be two addresses to the databases.
        "zoë@example.org",
        "@example.org",
        "alice@",
        "a@b@c",
        "a b@example.org",
        "a@example..org",
        "a@-example.org",
        "a@example-.org",
        ".a@example.org",
        "a.@example.org",
        "a..b@example.org",
        "a@example.org, b@example.org",
        "<a@example.org>",
        "a\0b@example.org",
        "a\u{FFFF}b@example.org",
        "a@example.org\nBcc: b@example.org",
    ] {
        assert_eq!(save(&site, &key, "mail", mail).await.as_ref(), Some(&invalid), "{mail:?}");
    }
    let too_long = json!(["Email is too long (maximum is 254 characters)"]);
    let long = format!("{}@example.org", "x".repeat(243));
    assert_eq!(save(&site, &key, "mail", &long).await, Some(too_long));
    assert_eq!(save(&site, &key, "mail", " ").await, Some(json!(["Email cannot be blank"])));
}

/// "Mail unique without regard to case"
#[rstest]
#[tokio::test]
async fn no_two_people_have_the_same_mail(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_user("bob").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let taken = json!(["Email has already been taken"]);
    for mail in ["bob@example.org", "BOB@example.ORG", "  Bob@Example.org "] {
        assert_eq!(save(&site, &key, "mail", mail).await.as_ref(), Some(&taken), "{mail}");
    }
    assert_eq!(site.user("alice").mail, "alice@example.org");
    assert_eq!(save(&site, &key, "mail", "Alice@Example.org").await, None, "one's own, in another case");
    assert_eq!(site.user("alice").mail, "Alice@Example.org");
}

/// "Login `[A-Za-z0-9_@.-]`, 1 to 60, unique without regard to case": the API never changes one, the command line makes
/// them.
#[rstest]
#[tokio::test]
async fn logins_have_their_rules(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::migrated(db);
    let terminal = CommandLine::on(&database);
    let add = |login: &str, mail: &str| {
        terminal.run_with_input(&["user", "add", "--mail", mail, "--password-stdin", "--", login], PASSWORD)
    };
    log::note_secret(PASSWORD);
    let longest = "x".repeat(60);
    for (number, login) in ["a", "Az09_@.-", "alice@example.org", &longest].into_iter().enumerate() {
        add(login, &format!("user{number}@example.org")).done();
    }
    for (login, told) in [
        ("", "Login cannot be blank"),
        (&"x".repeat(61), "Login is too long (maximum is 60 characters)"),
        ("two words", "Login can only have letters, digits and _ @ . -"),
        ("zoë", "Login can only have letters, digits and _ @ . -"),
        ("a/b", "Login can only have letters, digits and _ @ . -"),
        ("A", "Login has already been taken"),
        ("ALICE@example.ORG", "Login has already been taken"),
    ] {
        let refused = add(login, "another@example.org").refused(1);
        assert!(refused.contains(told), "{login:?}: {refused}");
    }
    let refused = add("another", "USER0@example.org").refused(1);
    assert!(refused.contains("Email has already been taken"), "{refused}");
}
