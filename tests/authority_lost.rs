//! What let a request in may be lost while the request waits: for a slow body, for a password to be hashed, for somebody
//! else's lock. Nobody writes on an authority that they have no longer, and who has lost it is told what a request is
//! told that arrives now. Every address that writes is in this by the table of routes.

use latchkey::http::asks::Asks;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use latchkey::server::routes;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;
use serde_json::json;

use crate::support::*;

/// How whoever sends a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Key,
    Password,
    Session,
}

/// What is lost while a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Ended,
    Narrowed,
    Expired,
    Locked,
    Demoted,
    Deleted,
    PasswordChanged,
    SecondFactor,
}

/// Everybody whom a request needs, of whom nobody has been in a request before.
struct World {
    /// Who sends it: an administrator, with a key for everything.
    root: User,
    key: Key,
    visitor: Visitor,
    session: i64,
    /// Whom it is about.
    other: User,
    /// An access token of root's that it is about.
    token: Key,
    /// The service that it is about.
    service: i64,
    service_seen: String,
    name: String,
}

impl World {
    async fn new(site: &Site, number: usize, by: By) -> Self {
        let name = format!("case{number}");
        let root = site.add_admin(&format!("root{number}")).await;
        let other = site.add_passwordless_user(&format!("other{number}")).await;
        let key = site.add_access_token(&root, "account:write tokens:write users:write services:write", "30d").await;
        let token = site.add_access_token(&root, "account:read", "30d").await;
        let settings = latchkey::models::services::settings::ServiceSettings::new(&name, format!("{name}.example.org"));
        let service = site.add_service(&name, settings).await;
        let visitor = site.visitor();
        let mut session = 0;
        match by {
            // First uses would wait for the row of their owner as well.
            By::Key => assert_eq!(site.get_with_key("/my/tokens.json", &key).await.status, 200),
            By::Session => {
                visitor.sign_in(&root.login, PASSWORD).await;
                assert!(visitor.is_signed_in().await);
                let sessions = "SELECT max(id) AS number FROM tokens WHERE action = 'session' AND user_id";
                session = site.database.number(&format!("{sessions} = {}", root.id));
            }
            By::Password => {}
        }
        let service_seen = service.updated_on.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        Self { root, key, visitor, session, other, token, service: service.id, service_seen, name }
    }

    /// The address that `pattern` stands for.
    fn address(&self, pattern: &str, format: &str) -> String {
        let id = match pattern {
            it if it.contains("users") => self.other.id,
            it if it.contains("services") => self.service,
            it if it.contains("notices") => 1,
            _ => self.token.id,
        };
        let with_id = pattern.replace("{id:[0-9]+}", "{id}").replace("{id}", &id.to_string());
        with_id.replace("{format:json|xml}", format)
    }

    /// `request` with what this address takes; an address that is new needs a line here.
    fn filled(&self, request: RequestBuilder, method: &Method, pattern: &str, format: &str) -> RequestBuilder {
        let name = self.name.as_str();
        let person =
            [("login", name), ("firstname", "A"), ("lastname", "B"), ("mail", &*format!("{name}@example.com"))];
        let new_password = [("new_password", "a-new-one-4711"), ("new_password_confirmation", "a-new-one-4711")];
        let (id, seen) = (self.token.id.to_string(), self.service_seen.as_str());
        let service = [("title", "Changed"), ("host", &*format!("{name}2.example.org")), ("path", "/"), ("seen", seen)];
        let token = [("name", "other"), ("scopes", "account:read"), ("expiry", "7d"), ("after", &*id)];
        let everyone = [("may_read", "everyone"), ("may_write", "people"), ("reading_methods", "GET")];
        let form = |request: RequestBuilder, parts: &[&[(&str, &str)]]| request.form(&parts.concat());
        let document = |request: RequestBuilder, fields: &[(&str, &str)]| match format {
            "xml" => {
                let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
                request.header("Content-Type", "application/xml").body(format!("<user>{fields}</user>"))
            }
            _ => request.json(&json!({ "user": fields.iter().copied().collect::<std::collections::BTreeMap<_, _>>() })),
        };
        match (method.as_str(), pattern) {
            ("DELETE", _) => request,
            ("POST", "/users.{format:json|xml}") => document(request, &person),
            ("PUT", "/users/{id:[0-9]+}.{format:json|xml}") => document(request, &[("admin", "true")]),
            ("PUT", "/my/account.{format:json|xml}") => document(request, &[("firstname", "Changed")]),
            ("POST", "/my/tokens.json") => {
                let wish = json!({ "name": "made", "scopes": ["account:read"], "expires_on": "1d" });
                request.header("Idempotency-Key", name).json(&wish)
            }
            ("PATCH", "/my/tokens/{id}.json") => request.json(&json!({ "name": "changed" })),
            ("POST", "/my/tokens/{id}/rotate.json") => request.json(&json!({})),
            ("POST", "/admin/services.json") => {
                request.json(&json!({ "name": format!("{name}-2"), "host": format!("{name}-2.example.org") }))
            }
            ("PATCH", "/admin/services/{id}.json") => request.json(&json!({ "title": "Changed" })),
            ("POST", "/my/account") => form(request, &[&person[1..]]),
            ("POST", "/my/password") => form(request, &[&[("password", PASSWORD)], &new_password]),
            ("POST", "/my/api_key" | "/my/atom_key") => form(request, &[&[("replaces", "")]]),
            ("POST", "/my/tokens" | "/my/tokens/{id:[0-9]+}") => form(request, &[&token]),
            ("POST", "/my/tokens/{id:[0-9]+}/rotate") => form(request, &[&[("replaces", &*id), ("grace", "1d")]]),
            ("POST", "/admin/users/new") => form(request, &[&person, &new_password]),
            ("POST", "/admin/users/{id:[0-9]+}/password") => form(request, &[&new_password]),
            ("POST", "/admin/services/new") => {
                form(request, &[&[("name", &*format!("{name}-2"))], &service[..3], &everyone])
            }
            ("POST", "/admin/services/{id:[0-9]+}") => form(request, &[&service, &everyone]),
            _ => form(request, &[]),
        }
    }

    fn request(&self, site: &Site, by: By, route: &(Method, &str, &str)) -> RequestBuilder {
        let (method, pattern, format) = route;
        let address = self.address(pattern, format);
        let request = match by {
            By::Key => site.request(method.clone(), &address).bearer_auth(&self.key.secret),
            By::Password => site.request(method.clone(), &address).basic_auth(&self.root.login, Some(PASSWORD)),
            By::Session => self.visitor.request(method.clone(), &address).header("Sec-Fetch-Site", "same-origin"),
        };
        self.filled(request, method, pattern, format)
    }

    /// What takes the authority away, as SQL.
    fn loss(&self, by: By, loss: Loss) -> String {
        let (root, token) = (self.root.id, if by == By::Session { self.session } else { self.key.id });
        let user = |set: &str| format!("UPDATE users SET {set} WHERE id = {root}");
        match loss {
            Loss::Ended => format!("DELETE FROM tokens WHERE id = {token}"),
            Loss::Narrowed => format!("UPDATE tokens SET scopes = 'tokens:read' WHERE id = {token}"),
            Loss::Expired if by == By::Session => {
                format!("UPDATE tokens SET created_on = '2026-01-01 00:00:00' WHERE id = {token}")
            }
            Loss::Expired => format!("UPDATE tokens SET expires_on = '2026-11-24 09:00:00' WHERE id = {token}"),
            Loss::Locked => user("status = 'locked'"),
            Loss::Demoted => user("admin = false"),
            Loss::Deleted => format!("DELETE FROM tokens WHERE user_id = {root}; DELETE FROM users WHERE id = {root}"),
            Loss::PasswordChanged => {
                let ended = format!("DELETE FROM tokens WHERE action = 'session' AND user_id = {root}");
                format!("{}; {ended}", user("password_hash = 'another'"))
            }
            Loss::SecondFactor => user("twofa_scheme = 'totp'"),
        }
    }
}

/// Every address that writes and asks for somebody, with a format where it has several.
fn routes_that_write(by: By) -> Vec<(Method, &'static str, &'static str)> {
    let table = match by {
        By::Key | By::Password => routes::api(),
        By::Session => routes::pages(),
    };
    let mut all = Vec::new();
    for at in table {
        let path: &'static str = at.path().to_owned().leak();
        for answered in at.answers() {
            let method: Method = answered.method.as_str().parse().expect("a method");
            let reads = [Method::GET, Method::HEAD].contains(&method);
            let asks = match answered.asks {
                Asks::Scope(_) | Asks::Session => true,
                Asks::AnyKey => by == By::Key,
                Asks::Nothing | Asks::FeedsKey | Asks::TrustedProxy => false,
            };
            let formats: &[&str] = if path.contains("{format") { &["json", "xml"] } else { &["json"] };
            all.extend(formats.iter().filter(|_| asks && !reads).map(|format| (method.clone(), path, *format)));
        }
    }
    all
}

/// Sends a request of the world's; while it waits, its authority is lost. Gives the answer, what was written by then, and
/// what has been written when it is answered.
async fn overtaken(
    site: &Site,
    world: &World,
    by: By,
    request: RequestBuilder,
    loss: &str,
) -> (Answer, String, String) {
    site.later(chrono::TimeDelta::seconds(1));
    let now = site.clock.now();
    let mut held = site.database.hold(&format!("SELECT id FROM users WHERE id = {} FOR UPDATE", world.root.id));
    let hashed = site.app.passwords.hash_calls();
    let answer = tokio::spawn(Answer::of(request));
    match by {
        By::Password => eventually("it is let in", || site.app.passwords.hash_calls() > hashed).await,
        By::Key | By::Session => {
            let token = if by == By::Key { world.key.id } else { world.session };
            let row = site.token(token).expect("a token");
            eventually("it is let in", || site.app.recorder.last_use.of(&row) == Some(now)).await;
        }
    }
    site.database.until_somebody_waits().await;
    held.execute(loss);
    let before = held.written();
    held.commit("SELECT 1");
    let answer = answer.await.expect("an answer").noted();
    (answer, before, site.database.written())
}

/// What an answer says, but for the name of its own request.
fn text_of(answer: &Answer) -> &str {
    answer.text.split("<p class=\"request\">").next().unwrap_or_default()
}

#[rstest]
#[case(By::Key)]
#[case(By::Password)]
#[case(By::Session)]
#[tokio::test]
async fn whoever_has_not_lost_it_writes(#[case] by: By, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for (number, route) in routes_that_write(by).iter().enumerate() {
        let world = World::new(&site, number, by).await;
        let (answer, before, after) = {
            let request = world.request(&site, by, route);
            overtaken(&site, &world, by, request, "SELECT 1").await
        };
        let case = format!("{} {} by {by:?}: {} {}", route.0, route.1, answer.status, answer.text);
        assert!(
            [200, 201, 204, 303].contains(&answer.status),
            "{case}\nan address that is new needs a line in filled()"
        );
        // Of a notice that is not there nothing is written.
        assert!(before != after || route.1.contains("notices"), "{case}");
    }
}

#[rstest]
#[case(By::Key, Loss::Ended)]
#[case(By::Key, Loss::Narrowed)]
#[case(By::Key, Loss::Expired)]
#[case(By::Key, Loss::Locked)]
#[case(By::Key, Loss::Demoted)]
#[case(By::Key, Loss::Deleted)]
#[case(By::Password, Loss::Locked)]
#[case(By::Password, Loss::Demoted)]
#[case(By::Password, Loss::Deleted)]
#[case(By::Password, Loss::PasswordChanged)]
#[case(By::Password, Loss::SecondFactor)]
#[case(By::Session, Loss::Ended)]
#[case(By::Session, Loss::Expired)]
#[case(By::Session, Loss::Locked)]
#[case(By::Session, Loss::Demoted)]
#[case(By::Session, Loss::Deleted)]
#[case(By::Session, Loss::PasswordChanged)]
#[tokio::test]
async fn whoever_has_lost_it_writes_nothing(#[case] by: By, #[case] loss: Loss, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut refused = 0;
    for (number, route) in routes_that_write(by).iter().enumerate() {
        let (_, pattern, _) = route;
        let is_for_administrators = pattern.contains("users") || pattern.starts_with("/admin");
        // A key may end itself, whatever its scopes are.
        let changes_nothing = match loss {
            Loss::Demoted => !is_for_administrators,
            Loss::Narrowed => pattern.contains("current"),
            _ => false,
        };
        if changes_nothing {
            continue;
        }
        let world = World::new(&site, number, by).await;
        let request = world.request(&site, by, route);
        let (answer, before, after) = overtaken(&site, &world, by, request, &world.loss(by, loss)).await;
        let case = format!("{} {pattern} by {by:?}, {loss:?}", route.0);
        assert_eq!(before, after, "{case}: {} {}", answer.status, answer.text);
        let now = Answer::of(world.request(&site, by, route)).await;
        assert_eq!((answer.status, text_of(&answer)), (now.status, text_of(&now)), "{case}");
        for header in ["Location", "WWW-Authenticate", "X-Latchkey-Token-Expires"] {
            assert_eq!(answer.header(header), now.header(header), "{case}: {header}");
        }
        assert!([302, 401, 403].contains(&answer.status), "{case}: {} {}", answer.status, answer.text);
        refused += 1;
    }
    assert!(refused > 2, "{refused}");
}

/// With Switch-User the rows of both are asked again.
#[rstest]
#[case("DELETE FROM users WHERE id = OTHER", 412)]
#[case("UPDATE users SET status = 'locked' WHERE id = OTHER", 412)]
#[case("UPDATE users SET admin = false WHERE id = ROOT", 403)]
#[case("UPDATE tokens SET scopes = 'account:write' WHERE id = KEY", 403)]
#[tokio::test]
async fn nobody_acts_as_somebody_else_on_an_authority_that_is_lost(
    #[case] loss: &str,
    #[case] status: u16,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    site.add_admin("everlasting").await;
    let world = World::new(&site, 0, By::Key).await;
    let request = world.request(&site, By::Key, &(Method::PUT, "/my/account.{format:json|xml}", "json"));
    let request = request.header("X-Redmine-Switch-User", &world.other.login);
    let numbers = [("OTHER", world.other.id), ("ROOT", world.root.id), ("KEY", world.key.id)];
    let loss = numbers.iter().fold(loss.to_owned(), |loss, (name, id)| loss.replace(name, &id.to_string()));
    let (answer, before, after) = overtaken(&site, &world, By::Key, request, &loss).await;
    assert_eq!((answer.status, before), (status, after), "{}", answer.text);
}

/// Of two who change one password at the same time, the second has no session any more.
#[rstest]
#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_changed_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let world = World::new(&site, 0, By::Session).await;
    let api = site.add_key(&world.root, TokenAction::Api).await;
    let request = world.request(&site, By::Session, &(Method::POST, "/my/password", "json"));
    let loss = world.loss(By::Session, Loss::PasswordChanged);
    let (answer, before, after) = overtaken(&site, &world, By::Session, request, &loss).await;
    assert_eq!((answer.status, before), (302, after), "{}", answer.text);
    assert!(!world.visitor.is_signed_in().await);
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200, "keys go on");
}
