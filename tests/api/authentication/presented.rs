//! Where a secret may stand, and how exactly it must be written.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// "Where a secret may stand: query parameter `key`, header `X-Redmine-API-Key`, HTTP Basic with the key as user name
/// and any password […] (Ours too: Bearer, where Basic stands.)"
#[rstest]
#[tokio::test]
async fn a_key_is_taken_wherever_clients_put_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    for (way, request) in ways_of(&site, &key.secret) {
        assert_eq!(login_of(request, way).await, "alice", "{way}");
    }
    let without_colon = with_authorization(&site, basic(&key.secret));
    assert_eq!(login_of(without_colon, "Basic without a colon").await, "alice");
}

/// "HTTP Basic with login and password"
#[rstest]
#[tokio::test]
async fn a_login_and_password_are_taken_by_basic(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let with_password = || site.get(ADDRESS).basic_auth("alice", Some(PASSWORD));
    assert_eq!(login_of(with_password(), "login and password").await, "alice");
    let spaced = "pass:word: with colons, blanks and ünïcode ";
    log::note_secret(spaced);
    let hash = site::quick_hash(spaced);
    site.set_user(&alice, &format!("password_hash = '{hash}'"));
    let with_colons = with_authorization(&site, basic(format!("alice:{spaced}")));
    assert_eq!(login_of(with_colons, "a password with colons").await, "alice");
    assert_refused(with_password(), BASIC, "the password before").await;
}

/// "Basic passwords in Latin-1 and in NFD": what a client makes of an accent does not lock anybody out.
#[rstest]
#[tokio::test]
async fn a_password_with_accents_is_right_however_the_client_writes_them(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let (composed, decomposed) = ("gr\u{fc}\u{df}e-aus-k\u{f6}ln", "gru\u{308}\u{df}e-aus-ko\u{308}ln");
    let in_latin_1: Vec<u8> = composed.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin-1")).collect();
    let hash = |text: &str| {
        log::note_secret(text);
        use argon2::PasswordHasher;
        let salt = argon2::password_hash::SaltString::from_b64("c29tZXNhbHQ").expect("a salt");
        let hash = argon2::Argon2::default().hash_password(text.as_bytes(), &salt).expect("a hash");
        site.set_user(&alice, &format!("password_hash = '{hash}'"));
    };
    let by_basic = async |password: &[u8]| {
        let answer = Answer::of(with_authorization(&site, basic([b"alice:", password].concat()))).await;
        answer.status == 200
    };
    hash(composed);
    for password in [composed.as_bytes(), decomposed.as_bytes(), &in_latin_1] {
        assert!(by_basic(password).await, "{password:?}");
    }
    // What moved in may be stored in pieces. Once it was right like that, it is right in every way.
    hash(decomposed);
    assert!(!by_basic(composed.as_bytes()).await);
    for password in [decomposed.as_bytes(), composed.as_bytes(), &in_latin_1] {
        assert!(by_basic(password).await, "{password:?}");
    }
    let visitor = site.visitor();
    visitor.sign_in("alice", decomposed).await;
    let new = [("password", composed), ("new_password", decomposed), ("new_password_confirmation", composed)];
    let refused = visitor.post("/my/password", &new).await;
    assert!(refused.shows("must be different from the current one"), "{}", refused.text());
}

/// "Blanks around a header's value are ignored."
#[rstest]
#[tokio::test]
async fn blanks_around_a_header_are_ignored(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let Key { secret, .. } = site.add_key(&alice, TokenAction::Api).await;
    let in_basic = encoded(format!("{secret}:x"));
    for (case, request) in [
        ("the key's header", site.get(ADDRESS).header(KEY_HEADER, format!(" \t {secret} \t"))),
        ("Basic", with_authorization(&site, format!("  Basic {in_basic}\t "))),
        ("within Basic", with_authorization(&site, format!("Basic \t  {in_basic}"))),
        ("Bearer", with_authorization(&site, format!(" Bearer   {secret}  "))),
        ("the parameter", site.get(&format!("{ADDRESS}?key=%20{secret}+"))),
    ] {
        assert_eq!(login_of(request, case).await, "alice", "{case}");
    }
    let within = format!("{} {}", &secret[..20], &secret[20..]);
    assert_refused(site.get(ADDRESS).header(KEY_HEADER, within), None, "a blank within the key").await;
}

/// "Keys are case-sensitive; logins are not; the scheme's name (`Basic`) is not."
#[rstest]
#[tokio::test]
async fn case_matters_in_keys_and_passwords_but_not_in_logins_and_schemes(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("Alice").await;
    let foreign = "feedfacefeedfacefeedfacefeedfacefeedface";
    log::note_secret(foreign);
    site.add_foreign_key(&alice, TokenAction::Api, foreign).await;
    assert_refused(site.get(ADDRESS).header(KEY_HEADER, foreign.to_uppercase()), None, "a key in capitals").await;
    let basic_in_capitals = basic(format!("{}:", foreign.to_uppercase()));
    assert_refused(with_authorization(&site, basic_in_capitals), BASIC, "a key in capitals, by Basic").await;
    let bearer_in_capitals = format!("Bearer {}", foreign.to_uppercase());
    assert_refused(with_authorization(&site, bearer_in_capitals), BEARER, "a key in capitals, as Bearer").await;
    let wrong_case = site.get(ADDRESS).basic_auth("alice", Some(PASSWORD.to_uppercase()));
    assert_refused(wrong_case, BASIC, "a password in capitals").await;
    for login in ["alice", "ALICE", "aLiCe"] {
        let request = site.get(ADDRESS).basic_auth(login, Some(PASSWORD));
        assert_eq!(login_of(request, login).await, "Alice", "{login}");
    }
    for scheme in ["basic", "BASIC", "bAsIc"] {
        let request = with_authorization(&site, format!("{scheme} {}", encoded(format!("{foreign}:"))));
        assert_eq!(login_of(request, scheme).await, "Alice", "{scheme}");
    }
    for scheme in ["bearer", "BEARER", "beAReR"] {
        let request = with_authorization(&site, format!("{scheme} {foreign}"));
        assert_eq!(login_of(request, scheme).await, "Alice", "{scheme}");
    }
    for name in ["x-redmine-api-key", "X-REDMINE-API-KEY"] {
        let request = site.get(ADDRESS).header(name, foreign);
        assert_eq!(login_of(request, name).await, "Alice", "{name}");
    }
}

/// "`key[]=` is not a key."
#[rstest]
#[tokio::test]
async fn a_parameter_of_another_name_is_not_a_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let Key { secret, .. } = site.add_key(&alice, TokenAction::Api).await;
    for name in ["key[]", "key%5B%5D", "key%5b0%5d", "KEY", "Key", "key%20", "api_key", "x-redmine-api-key"] {
        let address = format!("{ADDRESS}?{name}={secret}");
        assert_refused(site.get(&address), BASIC, name).await;
        let beside_a_header = site.get(&address.replace(&secret, "wrong")).header(KEY_HEADER, &secret);
        assert_eq!(login_of(beside_a_header, name).await, "alice", "{name} beside a header");
    }
    let escaped_name = site.get(&format!("{ADDRESS}?%6bey={secret}"));
    assert_eq!(login_of(escaped_name, "the right name, percent-escaped").await, "alice");
}
