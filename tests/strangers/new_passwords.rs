//! The rules for new passwords are the same wherever one is set (NIST SP 800-63B): long enough, not one that is guessed
//! first, not what everybody knows of the person. Redmine 7 says "is too simple".

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::json;

use crate::support::*;

/// Where a password is set.
const DOORS: [&str; 7] =
    ["own page", "page of a person", "page for a new person", "PUT of the API", "POST of the API", "add", "password"];

const SIMPLE: &str = "Password is too simple";

/// Passwords that `carol` (Carola Miller, carola.m@corp.example.org) may not have, and what is told.
const REFUSED: [(&str, &str); 9] = [
    ("carol-77", SIMPLE),
    ("Carola.77", SIMPLE),
    ("CAROLAMILLER", SIMPLE),
    ("carola.m@corp.example.org", SIMPLE),
    ("latchkey", SIMPLE),
    ("Password1", "Password is too simple: it is one of the most common passwords"),
    ("qwertyuiop", "Password is too simple: it is one of the most common passwords"),
    ("aaaaaaaaaaaaaaaaaaaaaaaa", "Password is too simple: it only repeats or counts"),
    ("seven-7", "Password is too short (minimum is 8 characters)"),
];

struct Doors {
    site: Site,
    root: Visitor,
    key: Key,
    carol: Visitor,
    id: i64,
    added: usize,
}

impl Doors {
    async fn open(db: Db) -> Self {
        let site = Site::start(db).await;
        let admin = site.add_admin("root").await;
        let key = site.add_key(&admin, TokenAction::Api).await;
        let user = site.add_user("carol").await;
        let names = "firstname = 'Carola', lastname = 'Miller', mail = 'carola.m@corp.example.org'";
        site.set_user(&user, names);
        let (root, carol) = (site.signed_in("root").await, site.signed_in("carol").await);
        Self { site, root, key, carol, id: user.id, added: 0 }
    }

    /// Sets a password for carol, or for somebody new of the same names. Gives what is told; `None`: it is set.
    async fn set(&mut self, door: &str, password: &str) -> Option<String> {
        let both = [("new_password", password), ("new_password_confirmation", password)];
        let (id, latchkey) = (self.id, CommandLine::on(&self.site.database));
        // A new person needs a login and an address of their own, but only to be stored.
        let number = self.added;
        let login = if number == 0 { "Carol.2".to_owned() } else { format!("carol-{}", number + 2) };
        let mail =
            if number == 0 { "carola.m@corp.example.org".to_owned() } else { format!("c{number}@corp.example.org") };
        let person = json!({"login": login, "firstname": "Carola", "lastname": "Miller", "mail": mail,
            "password": password});
        let set = match door {
            "own page" => {
                let fields = [&[("password", PASSWORD)], &both[..]].concat();
                told(&self.carol.post("/my/password", &fields).await)
            }
            "page of a person" => told(&self.root.post(&format!("/admin/users/{id}/password"), &both).await),
            "page for a new person" => {
                let who = [("login", &*login), ("firstname", "Carola"), ("lastname", "Miller"), ("mail", &*mail)];
                told(&self.root.post("/admin/users/new", &[&who[..], &both].concat()).await)
            }
            "PUT of the API" => {
                let address = format!("/users/{id}.json");
                self.call(Method::PUT, &address, json!({"user": {"password": password}})).await
            }
            "POST of the API" => self.call(Method::POST, "/users.json", json!({ "user": person })).await,
            "add" => {
                let names = ["--firstname", "Carola", "--lastname", "Miller", "--mail", &mail, "--password-stdin"];
                let said = latchkey.run_with_input(&[&["user", "add", &login], &names[..]].concat(), password);
                (said.code != 0).then_some(said.stderr)
            }
            _ => {
                let said = latchkey.run_with_input(&["user", "password", "carol", "--password-stdin"], password);
                (said.code != 0).then_some(said.stderr)
            }
        };
        self.added += usize::from(set.is_none());
        set
    }

    async fn call(&self, method: Method, address: &str, body: serde_json::Value) -> Option<String> {
        let request = self.site.request(method, address).header("X-Redmine-API-Key", &self.key.secret).json(&body);
        let answer = Answer::of(request).await;
        (answer.status == 422).then(|| answer.json()["errors"].to_string())
    }
}

fn told(page: &Page) -> Option<String> {
    (page.status == 422).then(|| page.text())
}

#[rstest]
#[tokio::test]
async fn every_door_refuses_the_same_passwords(#[values(Sqlite, Postgres)] db: Db) {
    let mut doors = Doors::open(db).await;
    let people = doors.site.database.dump("users");
    for door in DOORS {
        // They are no secrets: some are words that every log has in it, so nothing looks for them there.
        for (password, rule) in REFUSED {
            let told = doors.set(door, password).await;
            assert!(told.as_ref().is_some_and(|told| told.contains(rule)), "{door}: {password}: {told:?}");
        }
    }
    assert_eq!(doors.site.database.dump("users"), people, "nothing was changed");
    // Only length and guessing count: a sentence of small letters passes everywhere.
    for (number, door) in DOORS.into_iter().enumerate() {
        let password = format!("the {number}th door of this house stands open");
        log::note_secret(&password);
        assert_eq!(doors.set(door, &password).await, None, "{door}");
    }
}

/// "Long passwords are taken as they are": every character counts.
#[rstest]
#[tokio::test]
async fn a_long_password_counts_to_its_last_character(#[values(Sqlite, Postgres)] db: Db) {
    let mut doors = Doors::open(db).await;
    let words: String = (0..300).map(|number| format!("w{number} ")).collect();
    let long = format!("{words:.1023}!");
    log::note_secret(&long);
    assert_eq!(doors.set("own page", &long).await, None);
    doors.site.visitor().sign_in("carol", &long).await;
    let other = format!("{}?", &long[..long.len() - 1]);
    log::note_secret(&other);
    assert_eq!(doors.site.visitor().try_sign_in("carol", &other).await.status, 422);
}
