//! No name, title or note holds a character that nobody can see, or that turns the text beside it around: two that look
//! alike would be two.

use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::settings::ServiceSettings;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::*;

/// One of each kind: controls, a soft hyphen, blanks without a width, directions, separators, fillers, tags.
const INVISIBLE: [char; 16] = [
    '\u{7}',
    '\u{85}',
    '\u{AD}',
    '\u{34F}',
    '\u{61C}',
    '\u{115F}',
    '\u{200B}',
    '\u{200D}',
    '\u{200F}',
    '\u{202E}',
    '\u{2028}',
    '\u{2066}',
    '\u{2800}',
    '\u{3164}',
    '\u{FEFF}',
    '\u{E0041}',
];

/// Texts that need what is else invisible: Persian, Hindi, an emoji of two, a Japanese name.
const NEEDED: [&str; 4] = [
    "\u{645}\u{6CC}\u{200C}\u{62E}\u{648}\u{627}\u{647}\u{645}",
    "\u{915}\u{94D}\u{200D}\u{937}",
    "\u{1F469}\u{200D}\u{1F4BB}",
    "\u{845B}\u{E0100}",
];

struct Places {
    site: Site,
    key: Key,
    root: Visitor,
    token: Key,
    service: i64,
    version: u32,
}

/// Where a text is stored that people read, with its label.
const PLACES: [(&str, &str); 15] = [
    ("own first name", "First name"),
    ("own last name", "Last name"),
    ("form of the own account", "First name"),
    ("form of a new person", "Last name"),
    ("first name of another", "First name"),
    ("login of another", "Login"),
    ("name of a token", "Name"),
    ("note of a token", "Note"),
    ("name of a token in the form", "Name"),
    ("note of a token in the form", "Note"),
    ("name of a token that is changed", "Name"),
    ("title of a service", "Title"),
    ("title of a service that is changed", "Title"),
    ("name of a key on the command line", "Name"),
    ("first name on the command line", "First name"),
];

impl Places {
    async fn all(db: Db) -> Self {
        let site = Site::start(db).await;
        let admin = site.add_admin("root").await;
        let key = site.add_key(&admin, TokenAction::Api).await;
        let token = site.add_access_token(&admin, "account:read", "never").await;
        let service = site.add_service("wiki", ServiceSettings::new("Wiki", "wiki.example.org")).await.id;
        let root = site.signed_in("root").await;
        Self { site, key, root, token, service, version: 0 }
    }

    /// Stores `text` there. Gives what is told; `None`: it is stored.
    async fn store(&mut self, place: &str, text: &str) -> Option<String> {
        self.version += 1;
        let number = self.version;
        let (login, host) = (format!("u{number}"), format!("h{number}.example.org"));
        let mail = format!("{login}@example.org");
        let person = |field: &str| {
            let mut person = json!({"login": login, "firstname": "A", "lastname": "B", "mail": mail});
            person[field] = text.into();
            json!({ "user": person })
        };
        let token = |name: &str, note: &str| json!({"name": name, "note": note, "scopes": ["account:read"]});
        let token_form = |name: &str, note: &str| {
            [("name", name), ("note", note), ("scopes", "account:read"), ("expiry", "never")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        match place {
            "own first name" => self.put("/my/account.json", json!({"user": {"firstname": text}})).await,
            "own last name" => self.put("/my/account.json", json!({"user": {"lastname": text}})).await,
            "form of the own account" => {
                let fields = [("firstname", text), ("lastname", "B"), ("mail", "root@example.org")];
                self.page("/my/account", &fields).await
            }
            "form of a new person" => {
                let password = "a-password-for-somebody-new";
                log::note_secret(password);
                let fields = [
                    ("login", &*login),
                    ("firstname", "A"),
                    ("lastname", text),
                    ("mail", &*mail),
                    ("new_password", password),
                    ("new_password_confirmation", password),
                ];
                self.page("/admin/users/new", &fields).await
            }
            "first name of another" => self.call(Method::POST, "/users.json", person("firstname")).await,
            "login of another" => self.call(Method::POST, "/users.json", person("login")).await,
            "name of a token" => self.call(Method::POST, "/my/tokens.json", token(text, "")).await,
            "note of a token" => self.call(Method::POST, "/my/tokens.json", token("A", text)).await,
            "name of a token in the form" => self.token_form(&token_form(text, "")).await,
            "note of a token in the form" => self.token_form(&token_form("A", text)).await,
            "name of a token that is changed" => {
                self.call(Method::PATCH, &format!("/my/tokens/{}.json", self.token.id), json!({"name": text})).await
            }
            "title of a service" => {
                let body = json!({"name": login, "title": text, "host": host});
                self.call(Method::POST, "/admin/services.json", body).await
            }
            "title of a service that is changed" => {
                let address = format!("/admin/services/{}.json", self.service);
                self.call(Method::PATCH, &address, json!({"title": text})).await
            }
            "name of a key on the command line" => {
                self.command(&["key", "add", "root", "--action", "access", "--scope", "account:read", "--name", text])
            }
            _ => self.command(&["user", "add", &login, "--mail", &mail, "--firstname", text, "--password-stdin"]),
        }
    }

    async fn call(&self, method: Method, address: &str, body: serde_json::Value) -> Option<String> {
        let request = self.site.request(method, address).header("X-Redmine-API-Key", &self.key.secret).json(&body);
        let answer = Answer::of(request).await.noted();
        assert!([200, 201, 204, 422].contains(&answer.status), "{address}: {}", answer.text);
        (answer.status == 422).then(|| answer.json()["errors"].to_string())
    }

    async fn put(&self, address: &str, body: serde_json::Value) -> Option<String> {
        self.call(Method::PUT, address, body).await
    }

    async fn page(&self, address: &str, fields: &[(&str, &str)]) -> Option<String> {
        let page = self.root.post(address, fields).await;
        assert!([200, 303, 422].contains(&page.status), "{address}: {}", page.text());
        (page.status == 422).then(|| page.text())
    }

    async fn token_form(&self, fields: &[(String, String)]) -> Option<String> {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let after = self.root.get("/my/tokens/new").await.value_of("after");
        let page = self.root.post("/my/tokens", &[&fields[..], &[("after", after.as_str())]].concat()).await;
        assert!([200, 422].contains(&page.status), "{}", page.text());
        if page.status == 200 {
            page.secret();
        }
        (page.status == 422).then(|| page.text())
    }

    fn command(&self, arguments: &[&str]) -> Option<String> {
        let said = CommandLine::on(&self.site.database).run_with_input(arguments, PASSWORD);
        if arguments.starts_with(&["key", "add"]) && said.code == 0 {
            log::note_secret(said.stdout.trim());
        }
        (said.code != 0).then_some(said.stderr)
    }
}

#[rstest]
#[tokio::test]
async fn what_nobody_can_see_is_stored_nowhere(#[values(Sqlite, Postgres)] db: Db) {
    let mut places = Places::all(db).await;
    for (at, (place, label)) in PLACES.into_iter().enumerate() {
        // Each place with a few of them, and each of them in a few places.
        for c in INVISIBLE.into_iter().skip(at % 4).step_by(4) {
            let told = places.store(place, &format!("Al{c}ice")).await.unwrap_or_default();
            let rule = match place {
                "login of another" => "Login can only have letters, digits".to_owned(),
                _ => format!("{label} contains an invisible character (U+{:04X})", u32::from(c)),
            };
            assert!(told.contains(&rule), "{place}: {c:?}: {told}");
        }
    }
    for (place, _) in PLACES.into_iter().filter(|(place, _)| !place.starts_with("login")) {
        for text in NEEDED {
            assert_eq!(places.store(place, text).await, None, "{place}: {text:?}");
        }
    }
}
