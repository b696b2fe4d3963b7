//! Who may do what on a service: what both the key's scopes and the service's admission say.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::tx::Tx;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_may_do_what_its_scope_says_and_nothing_on_another_service(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, writes) = with_a_wiki(db).await;
    add_service(&site, "files", "files.example.org/", &[]).await;
    let reads = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    let other = site.add_access_token(&alice, "account:write service:files:write", "30d").await;
    let missing = |scope: &str| format!(r#"Bearer error="insufficient_scope", scope="service:wiki:{scope}""#);
    for (method, access) in
        [("GET", "read"), ("HEAD", "read"), ("OPTIONS", "read"), ("POST", "write"), ("BREW", "write"), ("get", "write")]
    {
        let answer = by_key(&site, method, "wiki.example.org/page?a=1", &writes).await;
        assert_eq!(answer.status, 200, "{method}: {}", answer.text);
        let id = writes.id.to_string();
        assert_eq!(identity(&answer), ("alice", id.as_str(), "service:wiki:read service:wiki:write"));
        assert_eq!(answer.header("X-Latchkey-User-Id"), Some(&*alice.id.to_string()));
        assert_eq!(answer.header("X-Latchkey-Token-Expires"), Some("2026-12-24T09:30:00Z"));

        let answer = by_key(&site, method, "wiki.example.org/page", &reads).await;
        match access {
            "read" => assert_eq!((answer.status, identity(&answer).2), (200, "service:wiki:read"), "{method}"),
            _ => assert_eq!(
                (status(&answer), answer.header("WWW-Authenticate")),
                (403, Some(&*missing("write"))),
                "{method}"
            ),
        }
        let answer = by_key(&site, method, "wiki.example.org/page", &other).await;
        assert_eq!((status(&answer), answer.header("WWW-Authenticate")), (403, Some(&*missing(access))), "{method}");
        assert_eq!(
            answer.header("X-Latchkey-Reason"),
            Some(&*format!("This key does not have the scope service:wiki:{access}, which this request needs."))
        );
    }
}

/// "Admission is checked at every question, so what is taken from a person is gone from their keys at once."
#[rstest]
#[tokio::test]
async fn what_is_taken_from_a_person_is_gone_from_their_keys_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_a_wiki(db).await;
    let name = |access: &str| {
        site.database.execute(&format!(
            "INSERT INTO service_admissions (service_id, user_id, access)
             SELECT id, {}, '{access}' FROM services",
            alice.id
        ));
    };
    let everyone = |reads: bool, writes: bool| {
        site.database.execute(&format!("UPDATE services SET everyone_reads = {reads}, everyone_writes = {writes}"));
    };
    let asked = async |method| {
        let answer = by_key(&site, method, "wiki.example.org/", &key).await;
        (status(&answer), answer.header("X-Latchkey-Reason").map(str::to_owned))
    };
    let owner = "This service does not admit the owner of this key";
    let refused = (403, Some(format!("{owner}.")));
    let no_writing = (403, Some(format!("{owner} to write.")));
    let let_in = (200, None);

    assert_eq!((asked("GET").await, asked("POST").await), (let_in.clone(), let_in.clone()), "everyone");
    everyone(true, false);
    assert_eq!((asked("GET").await, asked("POST").await), (let_in.clone(), no_writing.clone()), "everyone to read");
    everyone(false, false);
    assert_eq!((asked("GET").await, asked("POST").await), (refused.clone(), no_writing.clone()), "nobody");
    name("read");
    assert_eq!((asked("GET").await, asked("POST").await), (let_in.clone(), no_writing.clone()), "named to read");
    name("write");
    assert_eq!((asked("GET").await, asked("POST").await), (let_in.clone(), let_in), "named to write");
    site.database.execute("DELETE FROM service_admissions");
    assert_eq!((asked("GET").await, asked("POST").await), (refused, no_writing), "named no more");
    site.set_user(&alice, "status = 'locked'");
    everyone(true, true);
    assert_eq!(asked("GET").await.0, 401, "locked");
}

/// "offered only to those the service admits: nobody until an admin says everyone or names people"
#[rstest]
#[tokio::test]
async fn a_scope_is_offered_to_whom_the_service_admits(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_a_wiki(db).await;
    let by = site.add_access_token(&alice, "account:read tokens:write service:wiki:read", "30d").await;
    let classic = site.add_key(&alice, TokenAction::Api).await;
    let make = async |key: &Key, scope: &str| {
        let wish = serde_json::json!({ "name": "n", "scopes": [scope] });
        let made = site.request(reqwest::Method::POST, "/my/tokens.json").bearer_auth(&key.secret).json(&wish);
        let made = Answer::of(made).await.noted();
        (made.status, made.json()["errors"][0].as_str().unwrap_or_default().to_owned())
    };
    let form = async || {
        let form = site.signed_in("alice").await.get("/my/tokens/new").await;
        ["service:wiki:read", "service:wiki:write"].map(|scope| form.html.contains(&format!("value=\"{scope}\"")))
    };
    assert_eq!(make(&classic, "service:wiki:write").await.0, 201);
    assert_eq!(make(&by, "service:wiki:read").await.0, 201);
    let own = "A key cannot create or change a key with more scopes than its own, which are account:read tokens:write service:wiki:read";
    assert_eq!(make(&by, "service:wiki:write").await, (422, own.to_owned()));
    assert_eq!(form().await, [true, true]);

    site.database.execute("UPDATE services SET everyone_writes = FALSE");
    let refused = |scope: &str| (422, format!("No service offers the scope {scope} to alice"));
    assert_eq!(make(&classic, "service:wiki:write").await, refused("service:wiki:write"));
    assert_eq!(make(&classic, "service:wiki:read").await.0, 201);
    assert_eq!(form().await, [true, false]);
    // Nothing tells a service that admits nobody from none.
    site.database.execute("UPDATE services SET everyone_reads = FALSE");
    assert_eq!(make(&classic, "service:wiki:read").await, refused("service:wiki:read"));
    assert_eq!(make(&classic, "service:nothing:read").await, refused("service:nothing:read"));
    assert_eq!(form().await, [false, false]);
}

/// "Removing a service removes its scopes from all keys for good; a later one of the same name starts with none."
#[rstest]
#[tokio::test]
async fn a_later_service_of_the_same_name_starts_without_keys(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let before = site.database.number("SELECT id AS number FROM services");
    site.database.execute("DELETE FROM services");
    assert_eq!(status(&by_key(&site, "GET", "wiki.example.org/", &key).await), 403);
    add_service(&site, "wiki", "wiki.example.org/", &[]).await;
    assert_ne!(site.database.number("SELECT id AS number FROM services"), before);
    let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!(status(&answer), 403);
    assert_eq!(
        answer.header("WWW-Authenticate"),
        Some(r#"Bearer error="insufficient_scope", scope="service:wiki:read""#)
    );
}

#[rstest]
#[tokio::test]
async fn anonymous_requests_read_where_a_service_lets_them(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let stranger = async |method| Answer::of(asked(&site, method, "wiki.example.org/")).await;
    let refused = stranger("GET").await;
    assert_eq!(
        (refused.status, refused.header("WWW-Authenticate")),
        (401, Some(r#"Basic realm="Redmine API", charset="UTF-8""#))
    );
    site.database.execute("UPDATE services SET anonymous_reads = TRUE");
    let answer = stranger("GET").await;
    assert_eq!((answer.status, identity(&answer)), (200, ("", "", "")));
    assert_eq!(answer.header("X-Latchkey-User-Id"), Some(""));
    assert_eq!(stranger("POST").await.status, 401);
    // Whoever presents something is told when it is wrong, and known when it is right.
    let wrong = Answer::of(asked(&site, "GET", "wiki.example.org/").bearer_auth("wrong")).await;
    assert_eq!((wrong.status, wrong.header("WWW-Authenticate")), (401, Some(r#"Bearer error="invalid_token""#)));
    assert_eq!(identity(&by_key(&site, "GET", "wiki.example.org/", &key).await).0, "alice");
}

/// "whether classic keys may enter (default no: a rogue service could reuse them elsewhere)"
#[rstest]
#[tokio::test]
async fn an_api_access_key_enters_where_a_service_takes_it(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_a_wiki(db).await;
    let (api, feeds) = (site.add_key(&alice, TokenAction::Api).await, site.add_key(&alice, TokenAction::Feeds).await);
    let answer = by_key(&site, "GET", "wiki.example.org/", &api).await;
    assert_eq!(
        (status(&answer), answer.header("X-Latchkey-Reason")),
        (403, Some("This service takes access tokens only, no API access keys."))
    );
    site.database.execute("UPDATE services SET classic_keys = TRUE, everyone_writes = FALSE");
    let answer = by_key(&site, "GET", "wiki.example.org/", &api).await;
    assert_eq!((answer.status, identity(&answer).2), (200, "service:wiki:read"));
    assert_eq!(status(&by_key(&site, "POST", "wiki.example.org/", &api).await), 403);
    assert_eq!(status(&by_key(&site, "GET", "wiki.example.org/", &feeds).await), 401);
}

#[rstest]
#[tokio::test]
async fn a_key_that_is_over_enters_nowhere_and_one_that_enters_is_used(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, key) = with_a_wiki(db).await;
    let short = site.add_access_token(&alice, "service:wiki:read", "1d").await;
    assert_eq!(site.recorded_use(&short), None);
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &short).await.status, 200);
    assert_eq!(
        site.recorded_use(&short),
        Some(site.clock.now() + TimeDelta::microseconds(1)),
        "the first use is written before the answer"
    );
    site.later(TimeDelta::days(1));
    let answer = by_key(&site, "GET", "wiki.example.org/", &short).await;
    assert_eq!(answer.status, 401);
    assert_eq!(
        answer.header("WWW-Authenticate"),
        Some(r#"Bearer error="invalid_token", error_description="The token has expired""#)
    );
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &key).await.status, 200);
    let id = key.id;
    let delete = move |tx: &mut Tx<'_>| {
        latchkey::models::keys::token::Token::delete(tx.connection, id).map_err(latchkey::db::DbError::from)
    };
    site.write(delete).await;
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &key).await.status, 401);
}

/// Both are refused alike, be there such a service or not.
#[rstest]
#[tokio::test]
async fn a_service_that_has_left_its_file_is_closed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_a_wiki(db).await;
    let nowhere = (403, Some("There is no service at this address."));
    site.database.execute("UPDATE services SET kept_in = 'left_file', anonymous_reads = TRUE");
    let answer = by_key(&site, "GET", "wiki.example.org/", &key).await;
    assert_eq!((status(&answer), answer.header("X-Latchkey-Reason")), nowhere);
    let answer = by_key(&site, "GET", "other.example.org/", &key).await;
    assert_eq!((status(&answer), answer.header("X-Latchkey-Reason")), nowhere);
    site.database.execute("UPDATE services SET kept_in = 'file'");
    assert_eq!(by_key(&site, "GET", "wiki.example.org/", &key).await.status, 200);
}

/// On PostgreSQL, questions that are asked at the same time share a query: each must get its own answer.
#[rstest]
#[tokio::test]
async fn questions_that_come_together_are_answered_each_by_itself(#[values(Sqlite, Postgres)] db: Db) {
    let site = trusting(db).await;
    let mut keys = Vec::new();
    for number in 0..12 {
        let user = site.add_passwordless_user(&format!("user{number}")).await;
        add_service(&site, &format!("s{number}"), &format!("host{}.example.org/s{number}", number % 5), &[]).await;
        let access = if number % 2 == 0 { "read" } else { "write" };
        keys.push(site.add_access_token(&user, &format!("service:s{number}:{access}"), "30d").await);
    }
    let ask = async |place: usize, by: Option<usize>| {
        let address = format!("host{}.example.org/s{place}/page", place % 5);
        let question = asked(&site, "POST", &address);
        let answer =
            Answer::of(by.map_or(asked(&site, "POST", &address), |by| question.bearer_auth(&keys[by].secret))).await;
        let expected = match by {
            Some(by) if by == place && by % 2 == 1 => 200,
            Some(_) => 403,
            None => 401,
        };
        assert_eq!(status(&answer), expected, "s{place} by {by:?}: {}", answer.text);
        if answer.status == 200 {
            assert_eq!(identity(&answer).0, format!("user{place}"));
        }
    };
    let questions = (0..12).flat_map(|place| (0..12).map(Some).chain([None]).map(move |by| (place, by)));
    futures_util::future::join_all(questions.map(|(place, by)| ask(place, by))).await;
}
