//! Secrets: what they look like, and what the database knows of them.

use latchkey::models::keys::token::TokenAction;
use latchkey::secret::Secret;
use rstest::rstest;

use crate::support::*;

const BASE62: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// CRC-32 as zip and Ethernet have it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn base62(mut number: u32) -> String {
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(BASE62.as_bytes()[(number % 62) as usize]);
        number /= 62;
    }
    digits.iter().rev().copied().map(char::from).collect()
}

/// "A new secret is `lk_` + 40 base62 characters … + a 6-character CRC-32 checksum (base62)".
#[rstest]
#[tokio::test]
async fn a_new_secret_has_the_form_that_scanners_look_for(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let api = alice.make_key("/my/api_key", "").await;
    let feeds = alice.make_key("/my/atom_key", "").await;
    let from_the_command_line = CommandLine::on(&site.database).add_key("alice");
    let all = [api, feeds, from_the_command_line];
    for secret in &all {
        assert!(secret.starts_with("lk_"), "{secret}");
        assert_eq!(secret.len(), 3 + 40 + 6, "{secret}");
        assert!(secret[3..].chars().all(|c| BASE62.contains(c)), "{secret}");
        let (body, checksum) = secret.split_at(43);
        assert_eq!(checksum, base62(crc32(body.as_bytes())), "{secret}");
    }
    let random: std::collections::HashSet<&str> = all.iter().map(|secret| &secret[3..23]).collect();
    assert_eq!(random.len(), all.len(), "no two begin alike: {all:?}");
}

/// "a mistyped key is refused without a query": there is no table that a query could ask.
#[rstest]
#[tokio::test]
async fn a_mistyped_key_is_refused_without_a_query(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    site.database.execute("ALTER TABLE tokens RENAME TO tokens_elsewhere");
    let well_formed = Secret::generate().expose().to_owned();
    log::note_secret(&well_formed);
    for asked in [&key.secret, &well_formed] {
        let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", asked)).await;
        assert_eq!(answer.status, 500, "the database is asked about what could be a key");
    }
    for position in 3..key.secret.len() {
        let mut mistyped = key.secret.clone().into_bytes();
        mistyped[position] = if mistyped[position] == b'x' { b'y' } else { b'x' };
        let mistyped = String::from_utf8(mistyped).expect("ASCII");
        let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &mistyped)).await;
        assert_eq!(answer.status, 401, "another character at {position}");
    }
    let mistyped = format!("{}{}", &key.secret[..48], if key.secret.ends_with('x') { "y" } else { "x" });
    log::note_secret(&mistyped);
    let query = Answer::of(site.get(&format!("/users/current.json?key={mistyped}"))).await;
    assert_eq!(query.status, 401, "in the query");
    let bearer = Answer::of(site.get("/users/current.json").bearer_auth(&mistyped)).await;
    assert_eq!(bearer.status, 401, "as Bearer");
    let feed = Answer::of(site.get(&format!("/activity.atom?key={mistyped}"))).await;
    assert_eq!(feed.status, 401, "a feed's");
}

/// "Keys moved in from elsewhere keep whatever form they had: the digest is over the presented text, case-sensitive."
#[rstest]
#[tokio::test]
async fn a_key_that_was_moved_in_keeps_its_form_and_its_case(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let forms = [
        ("redmine", "2fcfa1b5ce61aa40b38b0f2ba5ae0cbb9b1fd4e7"),
        ("short", "k"),
        ("odd", "A key/with+odd=characters & blanks?"),
        ("like-ours", "lk_0123456789abcdef"),
        ("longer", &"Zz9".repeat(40)),
    ];
    for (login, secret) in forms {
        log::note_secret(secret);
        let owner = site.add_user(login).await;
        let key = site.add_foreign_key(&owner, TokenAction::Api, secret).await;
        let answer = site.get_with_key("/users/current.json", &key).await;
        assert_eq!(answer.status, 200, "{login}");
        assert_eq!(answer.json()["user"]["login"], login);
        let other_case =
            if secret.chars().any(char::is_lowercase) { secret.to_uppercase() } else { secret.to_lowercase() };
        assert_ne!(other_case, secret, "{login} has letters");
        let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &other_case)).await;
        assert_eq!(answer.status, 401, "{login} in the other case");
        let cut = &secret[..secret.len() - 1];
        let answer = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", cut)).await;
        assert_eq!(answer.status, 401, "{login} without its last character");
    }
}

/// "any secret that stands for a user" is "stored only as a digest": looked for in every byte of the database.
#[rstest]
#[tokio::test]
async fn the_database_holds_the_digest_of_a_secret_and_the_secret_nowhere(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.visitor();
    let signed_in = alice.try_sign_in("alice", PASSWORD).await;
    let cookie = cookie::opened(&cookie::set_by(&signed_in.headers).expect("a cookie"));
    let session = cookie["secret"].as_str().expect("text").to_owned();
    assert!(alice.is_signed_in().await);
    let api = alice.make_key("/my/api_key", "").await;
    let feeds = alice.make_key("/my/atom_key", "").await;
    for used in [
        site.get("/users/current.json").header("X-Redmine-API-Key", &api),
        site.get(&format!("/users/current.json?key={api}")),
        site.get("/users/current.json").basic_auth(&api, Some("anything")),
        site.get(&format!("/activity.atom?key={feeds}")),
    ] {
        assert_eq!(Answer::of(used).await.status, 200);
    }
    // A slip that happens: the key where the login belongs, the password where the key does.
    alice.try_sign_in(&api, "not-her-password").await;
    Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", PASSWORD)).await;
    site.flush().await;

    let contents = site.database.contents();
    let holds = |text: &[u8]| contents.windows(text.len()).any(|part| part == text);
    assert!(holds(b"alice@example.org"), "everything is looked at");
    for (what, secret) in [("the API key", &api), ("the Atom key", &feeds), ("the session", &session)] {
        let digest = Secret::presented(secret.as_str()).digest();
        let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(holds(digest.as_bytes()) || holds(hex.as_bytes()), "the digest of {what}");
        // The last four characters are its hint, and meant to be there.
        let random = &secret[3..43];
        for part in [&random[..20], &random[20..]] {
            let hex: String = part.bytes().map(|byte| format!("{byte:02X}")).collect();
            assert!(!holds(part.as_bytes()) && !holds(hex.as_bytes()), "{what} stands in the database");
        }
    }
    assert!(!holds(PASSWORD.as_bytes()), "the password stands in the database");
    assert!(!holds(b"not-her-password"), "a wrong password stands in the database");
}
