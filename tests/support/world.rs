//! A request for every address that writes, with everybody and everything that it needs.

use std::collections::BTreeMap;

use latchkey::http::asks::Asks;
use latchkey::models::ids::{KeyId, UserId};
use latchkey::models::keys::suspension::{Afterwards, NewSuspension, SuspensionSpan};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use latchkey::server::routes;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use super::{Key, PASSWORD, Site, Visitor, cookie};

/// How whoever sends a request is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An access token, which may do everything that a scope allows.
    Key,
    /// An API access key, which may do everything that its owner may.
    ApiKey,
    Password,
    Session,
}

/// Everybody whom a request needs, of whom nobody has been in a request before.
pub struct World {
    /// Who sends it: an administrator, with a key for everything.
    pub root: User,
    pub key: Key,
    pub visitor: Visitor,
    pub session: i64,
    /// The cookie of the visitor, for requests that are written by hand.
    pub cookie: String,
    /// Whom it is about.
    pub other: User,
    /// A key of theirs.
    pub others_key: Key,
    /// An access token of root's that it is about.
    pub token: Key,
    /// A key of root's and one of theirs that are suspended.
    pub suspended: [Key; 2],
    /// A service account of root's, with an access token that it is about, and one that is suspended.
    pub account: User,
    pub accounts_token: Key,
    pub accounts_suspended: Key,
    /// The ids of root's API and Atom access keys, for requests in a session; otherwise 0.
    pub only_keys: [i64; 2],
    /// The service that it is about.
    pub service: i64,
    pub service_seen: String,
    /// The group that it is about, in which `other` is.
    pub group: i64,
    /// A mail to root that was given up.
    pub mail: i64,
    pub name: String,
}

impl World {
    pub async fn new(site: &Site, number: usize, by: By) -> Self {
        let name = format!("case{number}");
        let root = site.add_admin(&format!("root{number}")).await;
        let other = site.add_passwordless_user(&format!("other{number}")).await;
        let key = match by {
            By::ApiKey => site.add_key(&root, TokenAction::Api).await,
            _ => {
                site.add_access_token(
                    &root,
                    "account:write tokens:write users:write services:write keys:write audit:read",
                    "30d",
                )
                .await
            }
        };
        let token = site.add_access_token(&root, "account:read", "30d").await;
        let others_key = site.add_access_token(&other, "account:read", "30d").await;
        let suspended = [
            site.add_access_token(&root, "account:read", "30d").await,
            site.add_access_token(&other, "account:read", "30d").await,
        ];
        let account = site.add_service_account(&format!("account{number}"), &root).await;
        let accounts_token = site.add_access_token(&account, "account:read", "30d").await;
        let accounts_suspended = site.add_access_token(&account, "account:read", "30d").await;
        let ids = [(root.id, suspended[0].id), (other.id, suspended[1].id), (account.id, accounts_suspended.id)];
        site.write(move |tx| {
            let until_switched_on =
                NewSuspension::new(SuspensionSpan::Open, Afterwards::Resume).expect("no contradiction");
            let suspend = |(user_id, id)| {
                latchkey::models::keys::key::Key::suspend(tx, (UserId(user_id), KeyId(id)), until_switched_on)
                    .map(|_| ())
            };
            ids.into_iter().try_for_each(suspend)
        })
        .await;
        let settings = latchkey::models::services::settings::ServiceSettings::new(&name, format!("{name}.example.org"));
        let service = site.add_service(&name, settings).await;
        let group = site.add_group(&name, &[&other.login]).await.id;
        let now = site.clock.now();
        site.database.execute(&format!(
            "INSERT INTO mails (recipient, user_id, kind, facts, message_id, outcome, created_on, next_try_on, done_on)
                 VALUES ('user:{0}', {0}, 'key_made', '{{}}', 'case{number}', 'given_up', '{now}', '{now}', '{now}')",
            root.id
        ));
        site.database.execute(&format!(
            "INSERT INTO new_addresses (user_id, address, created_on) VALUES ({}, 'new{number}@example.org', '{now}')",
            root.id
        ));
        let mail = site.database.number("SELECT max(id) AS number FROM mails WHERE outcome = 'given_up'");
        let visitor = site.visitor();
        let (mut session, mut cookie, mut only_keys) = (0, String::new(), [0; 2]);
        match by {
            // First uses would wait for the row of their owner as well.
            By::Key | By::ApiKey => assert_eq!(site.get_with_key("/my/tokens.json", &key).await.status, 200),
            By::Session => {
                for (id, action) in only_keys.iter_mut().zip([TokenAction::Api, TokenAction::Feeds]) {
                    *id = site.add_key(&root, action).await.id;
                }
                let signed_in = visitor.try_sign_in(&root.login, PASSWORD).await;
                cookie = cookie::set_by(&signed_in.headers).map(|it| cookie::sent_back(&it)).expect("a cookie");
                assert!(visitor.is_signed_in().await);
                let sessions = "SELECT max(id) AS number FROM tokens WHERE action = 'session' AND user_id";
                session = site.database.number(&format!("{sessions} = {}", root.id));
            }
            By::Password => {}
        }
        let service_seen = service.updated_on.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        Self {
            root,
            key,
            visitor,
            session,
            cookie,
            other,
            others_key,
            token,
            suspended,
            account,
            accounts_token,
            accounts_suspended,
            only_keys,
            service: service.id,
            service_seen,
            group,
            mail,
            name,
        }
    }

    /// The address that `pattern` stands for.
    pub fn address(&self, pattern: &str, format: &str) -> String {
        let id = match pattern {
            it if it.contains("groups") => self.group,
            it if it.contains("/mails/") => self.mail,
            it if it.contains("{service_account}") && it.contains("/resume") => self.accounts_suspended.id,
            it if it.contains("{service_account}") => self.accounts_token.id,
            it if it.ends_with("/owners") => self.account.id,
            it if it.contains("users") => self.other.id,
            it if it.contains("services") => self.service,
            it if it.contains("notices") => 1,
            it if it.contains("/resume") => self.suspended[0].id,
            _ => self.token.id,
        };
        let others_key = if pattern.ends_with("/resume") { &self.suspended[1] } else { &self.others_key };
        let pattern = pattern.replace("{service_account}", &self.account.id.to_string());
        let with_id = pattern.replace("{id:[0-9]+}", "{id}").replace("{id}", &id.to_string());
        let with_key = with_id.replace("{key_id:[0-9]+}", &others_key.id.to_string());
        with_key.replace("{format:json|xml}", format)
    }

    /// Somebody who is not there yet.
    fn person(&self) -> [(&'static str, String); 4] {
        let (login, mail) = (self.name.clone(), format!("{}@example.com", self.name));
        [("login", login), ("firstname", "A".into()), ("lastname", "B".into()), ("mail", mail)]
    }

    /// The fields of the form that is sent to `pattern`; a form that is new needs a line here.
    pub fn form(&self, pattern: &str) -> Vec<(&'static str, String)> {
        let is_of_account = pattern.contains("{service_account}");
        let token = if is_of_account { &self.accounts_token } else { &self.token };
        let (name, id) = (self.name.as_str(), token.id.to_string());
        let [api, atom] = self.only_keys.map(|id| id.to_string());
        let new_password = ["new_password", "new_password_confirmation"].map(|it| (it, "a-new-one-4711".to_owned()));
        let fields = |fields: &[(&'static str, &str)]| -> Vec<_> {
            fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
        };
        let (host, seen) = (format!("{name}2.example.org"), self.service_seen.as_str());
        let everyone = [("may_read", "everyone"), ("may_write", "people"), ("reading_methods", "GET")];
        let service = [fields(&[("title", "Changed"), ("host", &host), ("path", "/")]), fields(&everyone)].concat();
        let token = fields(&[("name", "other"), ("scopes", "account:read"), ("expiry", "7d")]);
        let after = if is_of_account { self.accounts_suspended.id.to_string() } else { id.clone() };
        match own_pattern(pattern).as_str() {
            "/my/account" => self.person()[1..].to_vec(),
            "/my/mail" => fields(&[("mail", "key_expiring"), ("time_zone", "Europe/Berlin")]),
            "/my/password" => [fields(&[("password", PASSWORD)]), new_password.to_vec()].concat(),
            "/my/api_key" => fields(&[("replaces", &api)]),
            "/my/atom_key" => fields(&[("replaces", &atom)]),
            "/my/api_key/revoke" => fields(&[("revokes", &api)]),
            "/my/atom_key/revoke" => fields(&[("revokes", &atom)]),
            "/my/tokens" => [token, fields(&[("after", &after)])].concat(),
            "/my/tokens/{id:[0-9]+}/edit" => token,
            "/my/tokens/{id:[0-9]+}/rotate" => fields(&[("replaces", &id), ("grace", "1d")]),
            "/admin/keys/revoke" => fields(&[("chosen", &self.others_key.id.to_string())]),
            "/admin/keys/suspend" => {
                fields(&[("chosen", &self.others_key.id.to_string()), ("for", "7d"), ("then", "revoke")])
            }
            it if it.ends_with("/networks") => fields(&[("networks", "127.0.0.0/8")]),
            "/admin/groups/new" => fields(&[("name", &format!("{name} and others")), ("logins", &self.other.login)]),
            "/admin/groups/{id:[0-9]+}" => fields(&[("logins", &self.root.login)]),
            "/admin/groups/{id:[0-9]+}/edit" => fields(&[("name", &format!("{name} renamed"))]),
            "/admin/groups/{id:[0-9]+}/remove" => fields(&[("chosen", &self.other.login)]),
            it if it.ends_with("/exempt") => fields(&[("because", "It runs once a year.")]),
            it if it.ends_with("/suspend") => fields(&[("for", "7d"), ("then", "revoke")]),
            "/admin/service-accounts/new" => {
                fields(&[("login", &format!("{name}-service")), ("name", name), ("owners", &self.root.login)])
            }
            "/admin/users/{id:[0-9]+}/owners" => fields(&[("owners", &self.other.login)]),
            "/admin/users/new" => [self.person().to_vec(), new_password.to_vec()].concat(),
            "/admin/users/{id:[0-9]+}/edit" => {
                let seen = self.other.updated_on.to_string();
                [self.person().to_vec(), fields(&[("admin", "1"), ("seen", &seen)])].concat()
            }
            "/admin/users/{id:[0-9]+}/password" => new_password.to_vec(),
            "/admin/services/new" => [fields(&[("name", &format!("{name}-2"))]), service].concat(),
            "/admin/services/{id:[0-9]+}" => [fields(&[("seen", seen)]), service].concat(),
            "/admin/services/{id:[0-9]+}/try" => fields(&[("tried_method", "GET"), ("tried_path", "/")]),
            _ => Vec::new(),
        }
    }

    /// `request` with what this address takes; an address that is new needs a line here.
    fn filled(
        &self,
        request: RequestBuilder,
        by: By,
        (method, pattern, format): &(Method, &str, &str),
    ) -> RequestBuilder {
        let name = self.name.as_str();
        let document = |request: RequestBuilder, fields: &[(&str, String)]| match *format {
            "xml" => {
                let fields: String = fields.iter().map(|(name, value)| format!("<{name}>{value}</{name}>")).collect();
                request.header("Content-Type", "application/xml").body(format!("<user>{fields}</user>"))
            }
            _ => request.json(&json!({ "user": fields.iter().cloned().collect::<BTreeMap<_, _>>() })),
        };
        match (method.as_str(), own_pattern(pattern).as_str()) {
            _ if by == By::Session => request.form(&self.form(pattern)),
            ("DELETE", _) => request,
            ("POST", "/users.{format:json|xml}") => document(request, &self.person()),
            ("PUT", "/users/{id:[0-9]+}.{format:json|xml}") => document(
                request,
                &[match by {
                    // Only full access makes administrators.
                    By::Key => ("firstname", "Changed".to_owned()),
                    _ => ("admin", "true".to_owned()),
                }],
            ),
            ("PUT", "/my/account.{format:json|xml}") => document(request, &[("firstname", "Changed".to_owned())]),
            ("POST", "/my/tokens.json") => {
                let wish = json!({ "name": "made", "scopes": ["account:read"], "expires_on": "1d" });
                request.header("Idempotency-Key", name).json(&wish)
            }
            ("PATCH", "/my/tokens/{id}.json") => request.json(&json!({ "name": "changed" })),
            ("POST", "/my/tokens/{id}/rotate.json") => request.json(&json!({})),
            ("POST", "/my/tokens/{id}/suspend.json") => request.json(&json!({ "for": "7d", "then": "revoke" })),
            ("POST", "/admin/services.json") => {
                request.json(&json!({ "name": format!("{name}-2"), "host": format!("{name}-2.example.org") }))
            }
            ("POST", "/admin/keys/revoke.json" | "/admin/keys/suspend.json") => {
                request.json(&json!({ "ids": [self.others_key.id] }))
            }
            ("POST", "/admin/keys/limit.json") => {
                request.json(&json!({ "ids": [self.others_key.id], "networks": ["127.0.0.0/8"] }))
            }
            ("POST", "/admin/keys/resume.json") => request.json(&json!({ "ids": [self.suspended[1].id] })),
            ("POST", "/admin/groups.json") => request.json(&json!({ "name": format!("{name} and others") })),
            ("PATCH", "/admin/groups/{id}.json") => request.json(&json!({ "name": format!("{name} renamed") })),
            ("PATCH", "/admin/groups/{id}/members.json") => request.json(&json!({ "add": [self.root.login] })),
            ("PATCH", "/admin/services/{id}.json") => request.json(&json!({ "title": "Changed" })),
            _ => request,
        }
    }

    pub fn request(&self, site: &Site, by: By, route: &(Method, &str, &str)) -> RequestBuilder {
        let (method, pattern, format) = route;
        let address = self.address(pattern, format);
        let request = match by {
            By::Key | By::ApiKey => site.request(method.clone(), &address).bearer_auth(&self.key.secret),
            By::Password => site.request(method.clone(), &address).basic_auth(&self.root.login, Some(PASSWORD)),
            By::Session => self.visitor.request(method.clone(), &address).header("Sec-Fetch-Site", "same-origin"),
        };
        self.filled(request, by, route)
    }
}

/// The address at which the same is done to one's own keys.
fn own_pattern(pattern: &str) -> String {
    pattern.replace("/my/service-accounts/{service_account}", "/my")
}

/// Every address that writes and asks for somebody, with a format where it has several.
pub fn routes_that_write(by: By) -> Vec<(Method, &'static str, &'static str)> {
    let table = match by {
        By::Key | By::ApiKey | By::Password => routes::api(),
        By::Session => routes::pages(),
    };
    let mut all = Vec::new();
    for at in table {
        let path: &'static str = at.path().to_owned().leak();
        for answered in at.answers() {
            let method: Method = answered.method.as_str().parse().expect("a method");
            let reads = [Method::GET, Method::HEAD].contains(&method);
            let asks = match answered.asks {
                Asks::Scope(_) | Asks::Session | Asks::RecentPassword => true,
                Asks::AnyKey => matches!(by, By::Key | By::ApiKey),
                Asks::Nothing | Asks::FeedsKey | Asks::TrustedProxy => false,
            };
            let formats: &[&str] = if path.contains("{format") { &["json", "xml"] } else { &["json"] };
            all.extend(formats.iter().filter(|_| asks && !reads).map(|format| (method.clone(), path, *format)));
        }
    }
    all
}
