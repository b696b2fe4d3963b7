//! "A key never makes or changes one that may do more, live longer, or be used in more places, than itself."

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use rstest::rstest;

use super::*;

/// Where a key may be used from: always where the tests are.
const NETWORKS: [Option<&str>; 5] =
    [None, Some("0.0.0.0/0"), Some("127.0.0.0/8"), Some("127.0.0.1"), Some("10.0.0.0/8 127.0.0.0/8")];
const SCOPES: [&str; 6] = ["account:read", "account:write", "tokens:read", "tokens:write", "users:read", "users:write"];

#[derive(Clone, Debug)]
struct Rights {
    scopes: Vec<&'static str>,
    /// In days; `None`: for ever.
    days: Option<i64>,
    /// `None`: anywhere.
    networks: Option<&'static str>,
}

impl Rights {
    fn any(least: usize) -> impl Strategy<Value = Self> {
        let scopes = subsequence(SCOPES.to_vec(), least..=SCOPES.len());
        let days = select(vec![None, Some(1), Some(2), Some(3), Some(30)]);
        let networks = select([&[None; 5][..], &NETWORKS].concat());
        (scopes, days, networks).prop_map(|(scopes, days, networks)| Self { scopes, days, networks })
    }

    /// To write includes to read, and nothing else includes anything.
    fn are_within(&self, others: &Self) -> bool {
        let held = |scope: &str| {
            let write = scope.replace(":read", ":write");
            others.scopes.iter().any(|it| *it == scope || *it == write)
        };
        let ends_in_time = others.days.is_none_or(|limit| self.days.is_some_and(|days| days <= limit));
        self.scopes.iter().all(|scope| held(scope)) && ends_in_time && self.are_in_reach_of(others)
    }

    fn are_in_reach_of(&self, others: &Self) -> bool {
        let (own, others) = match (self.networks, others.networks) {
            (_, None) => return true,
            (None, Some(_)) => return false,
            (Some(own), Some(others)) => (own, others),
        };
        let is_in = |one: &str, other: &str| {
            one == other || other == "0.0.0.0/0" || (one, other) == ("127.0.0.1", "127.0.0.0/8")
        };
        own.split(' ').all(|one| others.split(' ').any(|other| is_in(one, other)))
    }

    fn expiry(&self) -> String {
        self.days.map_or_else(|| "never".into(), |days| format!("{days}d"))
    }

    fn members(&self) -> Value {
        let networks = self.networks.map(|networks| networks.split(' ').collect::<Vec<_>>());
        let expires_on = self.days.map(|days| format!("{days}d"));
        json!({ "name": "made", "scopes": self.scopes, "expires_on": expires_on, "networks": networks })
    }

    /// A key of root's with these rights.
    async fn key(&self, site: &Site, root: &User) -> Key {
        let key = site.add_access_token(root, &self.scopes.join(" "), &self.expiry()).await;
        let networks = self.networks.map_or_else(|| "NULL".to_owned(), |networks| format!("'{networks}'"));
        site.database.execute(&format!("UPDATE tokens SET networks = {networks} WHERE id = {}", key.id));
        key
    }
}

#[rstest]
#[tokio::test]
async fn no_key_makes_changes_or_rotates_one_that_is_more_than_itself(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-tokens-per-user=9999"]).await;
    let root = site.add_admin("root").await;
    let api = site.add_key(&root, TokenAction::Api).await;
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let cases = (Rights::any(0), Rights::any(1), Rights::any(1));
    let mut seen = [[0; 2]; 3];
    for _ in 0..150 {
        let (mut own, wanted, others) = cases.new_tree(&mut runner).expect("a case").current();
        if !own.scopes.contains(&"tokens:write") {
            own.scopes.push("tokens:write");
        }
        let case = format!("{own:?} wants {wanted:?} of {others:?}");
        let (key, other) = (own.key(&site, &root).await, others.key(&site, &root).await);

        let made = post(&site, &key, LIST, wanted.members()).await;
        let may_make = wanted.are_within(&own);
        assert_eq!(made.status, if may_make { 201 } else { 422 }, "{case}: {}", made.text);

        let changed = patch(&site, &key, &other, wanted.members()).await;
        let may_touch = others.are_within(&own);
        // What stays as it is is no wish.
        let may_change = may_touch && may_make;
        let expected = if !may_touch {
            403
        } else if may_change {
            200
        } else {
            422
        };
        assert_eq!(changed.status, expected, "{case}: {}", changed.text);

        let rotated = post(&site, &key, &rotation(&other), json!({ "grace": "0" })).await;
        assert_eq!(rotated.status, if may_touch { 200 } else { 403 }, "{case}: {}", rotated.text);
        if !may_touch {
            let text = "This key can do more, in more places or for longer, than the key you use, which cannot create, \
                        change or revoke it.";
            assert_eq!((problem(&changed), problem(&rotated)), (refused(403, text), refused(403, text)));
            let shown = site.get_with_key(&address(&other), &api).await.json();
            assert_eq!((&shown["name"], &shown["hint"]), (&json!("deploy"), &json!(hint(&other))), "{case}");
        }
        for (counts, allowed) in seen.iter_mut().zip([may_make, may_change, may_touch]) {
            counts[usize::from(allowed)] += 1;
        }
    }
    assert!(seen.iter().flatten().all(|count| *count > 5), "{seen:?}");
}

/// Where nothing is said, a key lives as is usual, but no longer than the one that makes it.
#[rstest]
#[tokio::test]
async fn what_a_key_makes_without_an_expiry_ends_with_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    for (expiry, expires_on) in [("2d", "2026-11-26T09:30:00Z"), ("60d", "2026-12-24T09:30:00Z")] {
        let key = site.add_access_token(&alice, "tokens:write", expiry).await;
        let made = post(&site, &key, LIST, json!({ "name": "a", "scopes": ["tokens:write"] })).await;
        assert_eq!((made.status, &made.json()["expires_on"]), (201, &json!(expires_on)), "{}", made.text);
    }
}

#[rstest]
#[tokio::test]
async fn what_is_beyond_a_key_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read tokens:write", "2d").await;
    let wish = json!({ "name": "a", "scopes": ["account:write"], "expires_on": "3d" });
    let text = "A key cannot create or change a key with more scopes than its own, which are account:read tokens:write; \
                Expiration cannot be later than that of the key you use: 2026-11-26T09:30:00Z";
    assert_eq!(problem(&post(&site, &key, LIST, wish).await), refused(422, text));
    let text = "Expiration cannot be later than that of the key you use: 2026-11-26T09:30:00Z";
    assert_eq!(problem(&patch(&site, &key, &key, json!({ "expires_on": null })).await), refused(422, text));
    let less = patch(&site, &key, &key, json!({ "scopes": ["tokens:write"], "expires_on": "1d" })).await;
    assert_eq!(less.status, 200, "less is fine, also of itself: {}", less.text);
    let more = patch(&site, &key, &key, json!({ "scopes": ["account:read", "tokens:write"] })).await;
    assert_eq!(more.status, 422, "and does not come back");
}

/// Does `meanwhile` while a request of alice's key waits for her row.
async fn overtaken(site: &Site, alice: &User, by: &Key, request: RequestBuilder, meanwhile: &str) -> Answer {
    assert_eq!(site.get_with_key(LIST, by).await.status, 200);
    site.overtaken(alice, by.id, request, meanwhile).await
}

/// A key that is revoked while its request waits leaves no other behind.
#[rstest]
#[tokio::test]
async fn a_key_that_was_just_revoked_makes_changes_and_rotates_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let other = site.add_access_token(&alice, "tokens:read", "1d").await;
    for (method, address, body) in [
        (Method::POST, LIST.to_owned(), json!({ "name": "a", "scopes": ["tokens:write"], "expires_on": "1d" })),
        (Method::PATCH, address(&other), json!({ "name": "mine" })),
        (Method::POST, rotation(&other), json!({})),
    ] {
        let by = site.add_access_token(&alice, "tokens:write", "30d").await;
        let request = send(&site, &by, method, &address, &body);
        let revoke = format!("DELETE FROM tokens WHERE id = {}", by.id);
        let answer = overtaken(&site, &alice, &by, request, &revoke).await;
        assert_eq!(problem(&answer), refused(401, "The key is missing, wrong or no longer valid."), "{address}");
    }
    let keys = "SELECT count(*) AS number FROM tokens WHERE action = 'access' AND name = 'deploy'";
    assert_eq!((state(&site).0, site.database.number(keys)), (1, 1));
}

#[rstest]
#[tokio::test]
async fn a_key_that_may_just_do_less_gives_no_more(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let by = site.add_access_token(&alice, "account:write tokens:write", "30d").await;
    let wish = json!({ "name": "a", "scopes": ["account:write"], "expires_on": "1d" });
    let request = send(&site, &by, Method::POST, LIST, &wish);
    let narrow = format!("UPDATE tokens SET scopes = 'tokens:write' WHERE id = {}", by.id);
    let answer = overtaken(&site, &alice, &by, request, &narrow).await;
    let text = "A key cannot create or change a key with more scopes than its own, which are tokens:write";
    assert_eq!(problem(&answer), refused(422, text));
}
