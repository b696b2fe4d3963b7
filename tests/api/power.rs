//! "No key makes what may do more than itself": not by people, not by keys, not as somebody else. For every pair of
//! scopes, everything that such a key may ask for is asked for in as greedy a way as there is; and then no administrator
//! and no password is another, and no key that may do more than the one that asked.

use std::collections::BTreeSet;

use latchkey::http::asks::Asks;
use latchkey::models::keys::key::Key as AnyKey;
use latchkey::models::keys::list::{KeyList, NoUnwrittenUses};
use latchkey::models::keys::list_query::KeyQuery;
use latchkey::models::keys::scope::{Scope, Scopes};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::search::PeopleSearch;
use latchkey::models::people::user::User;
use latchkey::server::routes;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::*;

const SWITCH_USER: &str = "X-Redmine-Switch-User";
const NEW_PASSWORD: &str = "a-greedy-password-7e1";
/// What a key with scopes is told.
const REFUSED: &str = "An access token, or a key with allowed networks, cannot set passwords, act as an administrator, or \
                       add, change, lock or delete one. Use an API access key without such a limit, or your login and \
                       password.";

/// Whom and what the requests are about. What a key may take away is made anew for each route.
struct Prey {
    root: User,
    boss: User,
    /// Neither of them is an administrator or has a password.
    ordinary: [User; 2],
    /// Keys of root's and of an ordinary person's, of each kind.
    keys: Vec<i64>,
    /// A service account, with its keys.
    account: User,
    accounts_keys: Vec<i64>,
}

impl Prey {
    async fn of(site: &Site, root: &User, boss: &User, number: usize) -> Self {
        let ordinary = [
            site.add_passwordless_user(&format!("one{number}")).await,
            site.add_passwordless_user(&format!("two{number}")).await,
        ];
        let mut keys = Vec::new();
        for owner in [root, &ordinary[0]] {
            let wide = if owner.admin { Scopes::ALL.to_string() } else { "account:write tokens:write".to_owned() };
            keys.push(site.add_access_token(owner, &wide, "never").await.id);
            keys.push(site.add_access_token(owner, "account:read", "1d").await.id);
            keys.push(site.add_key(owner, TokenAction::Api).await.id);
            keys.push(site.add_key(owner, TokenAction::Feeds).await.id);
            keys.push(site.add_access_token(owner, &wide, "never").await.id);
            site.database
                .execute(&format!("UPDATE tokens SET suspended_on = created_on WHERE id = {}", keys[keys.len() - 1]));
        }
        // A service account of root's that may do as much as root.
        let account = site.add_service_account(&format!("account{number}"), root).await;
        site.set_user(&account, "admin = true");
        let account = User { admin: true, ..account };
        let accounts_keys = vec![
            site.add_access_token(&account, &Scopes::ALL.to_string(), "never").await.id,
            site.add_access_token(&account, "account:read", "1d").await.id,
        ];
        Self { root: root.clone(), boss: boss.clone(), ordinary, keys, account, accounts_keys }
    }

    /// The ids that a route is about.
    fn ids(&self, pattern: &str) -> Vec<i64> {
        match pattern {
            it if !it.contains("{id") => vec![0],
            it if it.contains("{service_account}") => self.accounts_keys.clone(),
            // The first ordinary person stays: the keys of whoever is deleted go with them.
            it if it.contains("users") => [&self.root, &self.boss, &self.ordinary[1]].map(|it| it.id).into(),
            it if it.contains("tokens") => self.keys.clone(),
            _ => vec![1],
        }
    }
}

/// What is asked of a route in as many ways as could give more than there was; a route that is new needs a line here.
fn wishes(method: &Method, pattern: &str, number: usize, prey: &Prey) -> Vec<Value> {
    let every_scope = Scope::ALL.map(|scope| scope.to_string());
    let person = |more: Value| {
        let user = json!({ "login": format!("made{number}"), "firstname": "A", "lastname": "B", "mail": format!("made{number}@example.com") });
        let mut user = user.as_object().expect("an object").clone();
        user.extend(more.as_object().expect("an object").clone());
        json!({ "user": user })
    };
    let own = pattern.replace("/my/service-accounts/{service_account}", "/my");
    match (method.as_str(), own.as_str()) {
        ("DELETE", _) => vec![Value::Null],
        ("POST", "/users.{format:json|xml}") => {
            let wishes =
                [json!({ "admin": true }), json!({ "password": NEW_PASSWORD }), json!({ "admin": "1", "status": 3 })];
            wishes.map(person).into()
        }
        ("PUT", "/users/{id:[0-9]+}.{format:json|xml}") => [
            json!({ "admin": true }),
            json!({ "admin": false }),
            json!({ "password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD }),
            json!({ "status": 3 }),
            json!({ "status": 1, "admin": "t" }),
            json!({ "login": format!("renamed{number}") }),
            json!({ "mail": format!("renamed{number}@example.com") }),
            json!({ "must_change_passwd": true }),
        ]
        .map(|user| json!({ "user": user }))
        .into(),
        ("PUT", "/my/account.{format:json|xml}") => {
            vec![json!({ "user": { "firstname": "Greedy", "admin": true, "password": NEW_PASSWORD, "status": 1 } })]
        }
        ("POST", "/my/tokens.json") => {
            let each = every_scope.iter().map(|scope| json!({ "name": "made", "scopes": [scope] }));
            let services =
                ["service:wiki:read", "service:wiki:write"].map(|scope| json!({ "name": "made", "scopes": [scope] }));
            each.chain(services).chain([json!({ "name": "made", "scopes": every_scope, "expires_on": null })]).collect()
        }
        ("PATCH", "/my/tokens/{id}.json") => {
            vec![
                json!({ "name": "taken" }),
                json!({ "scopes": every_scope }),
                json!({ "scopes": ["service:wiki:write"] }),
                json!({ "expires_on": null }),
                json!({ "networks": ["127.0.0.0/8"] }),
            ]
        }
        ("POST", "/admin/keys/revoke.json" | "/admin/keys/suspend.json" | "/admin/keys/resume.json") => {
            let each = prey.keys.iter().map(|id| json!({ "ids": [id] }));
            [json!({ "ids": prey.keys })].into_iter().chain(each).collect()
        }
        ("POST", "/admin/keys/limit.json") => {
            let each = prey.keys.iter().map(|id| json!({ "ids": [id], "networks": ["127.0.0.0/8"] }));
            each.chain([json!({ "ids": prey.keys, "networks": null })]).collect()
        }
        ("POST", "/my/tokens/{id}/rotate.json") => vec![json!({ "grace": "0" })],
        ("POST", "/my/tokens/{id}/suspend.json") => {
            // Which would let one that is suspended until it is switched on work in an hour.
            vec![json!({ "for": "1h" })]
        }
        ("POST", "/my/tokens/{id}/resume.json") => vec![Value::Null],
        ("POST", "/admin/groups.json") => {
            vec![json!({ "name": format!("Greedy {number}"), "members": ["root", prey.ordinary[0].login] })]
        }
        ("PATCH", "/admin/groups/{id}.json") => vec![json!({ "name": format!("Greedier {number}") })],
        ("PATCH", "/admin/groups/{id}/members.json") => {
            vec![json!({ "add": ["root", "boss", prey.ordinary[1].login] }), json!({ "remove": ["boss"] })]
        }
        ("POST", "/admin/services.json") | ("PATCH", "/admin/services/{id}.json") => vec![json!({ "title": "Greedy" })],
        (method, pattern) => panic!("{method} {pattern} is new: say here what could be asked of it"),
    }
}

/// Everybody who may do anything by password, administrators with what they sign in with, and each key that may do more
/// than one that has `scopes`.
fn power(site: &Site, scopes: Scopes) -> BTreeSet<String> {
    let people = site
        .app
        .database
        .read_now(|connection| PeopleSearch::default().find(connection, 0, i64::MAX))
        .expect("people")
        .users;
    let of_person = |user: &User| {
        let secret = format!("{:?} {:?}", user.password_hash, user.twofa_scheme);
        let rest = (&user.login, &user.mail, user.status, user.must_change_password);
        if user.admin { format!("{} {secret} {rest:?}", user.id) } else { format!("{} {secret}", user.id) }
    };
    let powerful = people.iter().filter(|user| user.admin || user.password_hash.is_some());
    let keys = site.app.database.read_now(|connection| {
        let all = KeyQuery::read(|_| None).expect("all keys");
        let list = KeyList::of(connection, &all)?.expect("a list");
        Ok(list.page(connection, (None, 1_000_000), &NoUnwrittenUses, site.clock.now())?.keys)
    });
    let keys = keys.expect("keys").into_iter().map(|listed| listed.key).collect::<Vec<AnyKey>>();
    let grants = |scope: &Scope| scopes.grants(*scope);
    let goes_beyond = |key: &AnyKey| {
        key.action == TokenAction::Api
            || !key.scopes.services.is_empty()
            || !key.scopes.own.iter().all(|it| grants(&it))
    };
    let beyond = keys.iter().filter(|key| goes_beyond(key));
    let of_key = |key: &AnyKey| {
        let row = (key.id, &key.name, key.scopes.to_string(), key.expires_on, key.current.id, &key.networks);
        format!("{row:?} {:?}", key.current.suspension())
    };
    powerful.map(of_person).chain(beyond.map(of_key)).collect()
}

fn as_bearer(site: &Site, method: &Method, address: &str, key: &Key, wish: &Value) -> RequestBuilder {
    let request = site.request(method.clone(), address).bearer_auth(&key.secret);
    if wish.is_null() { request } else { request.json(wish) }
}

#[rstest]
#[tokio::test]
async fn no_key_makes_what_may_do_more_than_itself(#[values(Sqlite, Postgres)] db: Db) {
    log::note_secret(NEW_PASSWORD);
    let site = Site::start_with(db, &["--access-tokens-per-user=9999"]).await;
    let (root, boss) = (site.add_admin("root").await, site.add_admin("boss").await);
    let settings = latchkey::models::services::settings::ServiceSettings::new("wiki", "wiki.example.org");
    site.add_service("wiki", settings).await;
    let (mut number, mut asked, mut refused) = (0, 0, 0);
    for (at, first) in Scope::ALL.into_iter().enumerate() {
        for second in Scope::ALL.into_iter().skip(at) {
            let words = format!("{first} {second}");
            let scopes = latchkey::models::keys::scope::KeyScopes::of_words(words.split(' ')).expect("scopes").own;
            for route in routes::api() {
                for answered in route.answers() {
                    let method: Method = answered.method.as_str().parse().expect("a method");
                    let Asks::Scope(scope) = answered.asks else { continue };
                    if !scopes.grants(scope) || [Method::GET, Method::HEAD].contains(&method) {
                        continue;
                    }
                    number += 1;
                    let prey = Prey::of(&site, &root, &boss, number).await;
                    let key = site.add_access_token(&root, &words, "30d").await;
                    let before = power(&site, scopes);
                    for id in prey.ids(route.path()) {
                        for wish in wishes(&method, route.path(), number, &prey) {
                            for login in [None, Some("boss"), Some(prey.ordinary[0].login.as_str())] {
                                let address =
                                    route.path().replace("{id:[0-9]+}", "{id}").replace("{id}", &id.to_string());
                                let account = prey.account.id.to_string();
                                let address = address.replace("{service_account}", &account);
                                let address = address.replace("{format:json|xml}", "json");
                                let mut request = as_bearer(&site, &method, &address, &key, &wish);
                                if let Some(login) = login {
                                    request = request.header(SWITCH_USER, login);
                                }
                                let answer = Answer::of(request).await.noted();
                                asked += 1;
                                refused += usize::from(answer.status == 403);
                            }
                        }
                    }
                    let after = power(&site, scopes);
                    let gained: Vec<_> = after.difference(&before).collect();
                    let lost: Vec<_> = before.difference(&after).collect();
                    assert!(
                        gained.is_empty() && lost.is_empty(),
                        "{words}: {method} {}: {gained:?} {lost:?}",
                        route.path()
                    );
                }
            }
        }
    }
    assert!(asked > refused && refused > 100, "{refused} of {asked} were refused");
}

/// Administrators' programs that use a key without scopes, or a password, go on as they did.
#[rstest]
#[tokio::test]
async fn full_access_is_what_it_was(#[values(Sqlite, Postgres)] db: Db, #[values(true, false)] by_key: bool) {
    log::note_secret(NEW_PASSWORD);
    let site = Site::start(db).await;
    let (root, boss) = (site.add_admin("root").await, site.add_admin("boss").await);
    let api = site.add_key(&root, TokenAction::Api).await;
    let token = site.add_access_token(&root, &Scopes::ALL.to_string(), "never").await;
    let bob = site.add_passwordless_user("bob").await;
    let made = json!({ "user": { "login": "made", "firstname": "A", "lastname": "B", "mail": "made@example.com", "password": NEW_PASSWORD, "admin": true } });
    for (method, address, login, wish, status) in [
        (Method::POST, "/users.json".to_owned(), None, made, 201),
        (Method::PUT, format!("/users/{}.json", bob.id), None, json!({ "user": { "password": NEW_PASSWORD } }), 204),
        (Method::PUT, format!("/users/{}.json", bob.id), None, json!({ "user": { "admin": true } }), 204),
        (Method::PUT, format!("/users/{}.json", boss.id), None, json!({ "user": { "firstname": "B" } }), 204),
        (Method::PUT, format!("/users/{}.json", boss.id), None, json!({ "user": { "status": 3 } }), 204),
        (Method::GET, "/users/current.json".to_owned(), Some("bob"), Value::Null, 200),
        (Method::DELETE, format!("/users/{}.json", boss.id), None, Value::Null, 204),
        (Method::DELETE, format!("/my/tokens/{}.json", token.id), None, Value::Null, 204),
    ] {
        let request = |by_token: bool| {
            let request = match (by_token, by_key) {
                (true, _) => as_bearer(&site, &method, &address, &token, &wish),
                (_, true) => as_bearer(&site, &method, &address, &api, &wish),
                _ => site.request(method.clone(), &address).basic_auth("root", Some(PASSWORD)).json(&wish),
            };
            login.iter().fold(request, |request, login| request.header(SWITCH_USER, *login))
        };
        let case = format!("{method} {address} {wish}");
        if address.contains("users") {
            let refused = Answer::of(request(true)).await;
            assert_eq!((refused.status, &refused.json()["errors"]), (403, &json!([REFUSED])), "{case}");
        }
        let answer = Answer::of(request(false)).await;
        assert_eq!(answer.status, status, "{case}: {}", answer.text);
    }
}

/// What an access token may still do about people, and with the keys that may do no more than itself.
#[rstest]
#[tokio::test]
async fn a_key_with_scopes_looks_after_people_who_have_less_power(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let bob = site.add_passwordless_user("bob").await;
    let key = site.add_access_token(&root, "account:write users:write", "1d").await;
    let address = format!("/users/{}.json", bob.id);
    let made = json!({ "user": { "login": "made", "firstname": "A", "lastname": "B", "mail": "made@example.com", "admin": false } });
    for (method, address, login, wish, status) in [
        (Method::POST, "/users.json", None, made, 201),
        (Method::PUT, &*address, None, json!({ "user": { "firstname": "Robert", "status": 3 } }), 204),
        (Method::PUT, &*address, None, json!({ "user": { "status": 1 } }), 204),
        (Method::GET, "/users/current.json", Some("bob"), Value::Null, 200),
        (Method::GET, "/users/current.json", Some("root"), Value::Null, 200),
        (Method::DELETE, &*address, None, Value::Null, 204),
    ] {
        let request = as_bearer(&site, &method, address, &key, &wish);
        let request = login.iter().fold(request, |request, login| request.header(SWITCH_USER, *login));
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, status, "{method} {address} {wish}: {}", answer.text);
    }
}
