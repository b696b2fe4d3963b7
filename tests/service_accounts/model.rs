//! Random sequences of making service accounts, giving them to people, filling a group, admitting them all to services and
//! looking after their keys: nobody gets the secret of a key that may do more than they may themselves, unless they are an administrator.

use std::collections::BTreeSet;

use latchkey::models::keys::scope::{KeyScopes, Scope};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::services::settings::ServiceSettings;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

const PEOPLE: [&str; 3] = ["root", "alice", "bob"];
const ACCOUNTS: [&str; 2] = ["backup", "deploy"];
/// The group, as services name it.
const GROUP: &str = "group:team";
const SCOPES: [&str; 7] = [
    "account:read",
    "tokens:write",
    "users:read",
    "users:write",
    "service:wiki:read",
    "service:wiki:write",
    "service:shop:read",
];

/// What somebody does; the numbers are those of the lists above.
#[derive(Clone, Debug)]
enum Step {
    /// Root says who owns an account.
    Give(usize, Vec<usize>),
    /// Root says who is in the group.
    Group(Vec<&'static str>),
    /// Root says whom a service admits: people, accounts and the group, to read and to write.
    Admit(&'static str, Vec<&'static str>, Vec<&'static str>),
    /// Root makes an account an administrator, or none.
    Promote(usize, bool),
    /// A person makes a token of an account, changes one, or has it rotated, suspended or switched on.
    Make(usize, usize, Vec<&'static str>),
    Change(usize, usize, usize, Vec<&'static str>),
    Do(usize, usize, usize, &'static str),
}

fn step() -> impl Strategy<Value = Step> {
    let everybody = || subsequence([&PEOPLE[1..], &ACCOUNTS[..]].concat(), 0..=4);
    let admitted = || subsequence([&PEOPLE[1..], &ACCOUNTS[..], &[GROUP][..]].concat(), 0..=5);
    let scopes = || subsequence(SCOPES.to_vec(), 1..=2);
    prop_oneof![
        2 => (0..2_usize, subsequence(vec![0, 1, 2], 1..=3)).prop_map(|(account, owners)| Step::Give(account, owners)),
        3 => (select(vec!["wiki", "shop"]), admitted(), admitted()).prop_map(|(it, read, write)| Step::Admit(it, read, write)),
        2 => everybody().prop_map(Step::Group),
        1 => (0..2_usize, any::<bool>()).prop_map(|(account, admin)| Step::Promote(account, admin)),
        6 => (select(vec![0, 1, 1, 2]), 0..2_usize, scopes()).prop_map(|(who, account, scopes)| Step::Make(who, account, scopes)),
        3 => (select(vec![0, 1, 1, 2]), 0..2_usize, 0..3_usize, scopes()).prop_map(|(who, account, key, scopes)| Step::Change(who, account, key, scopes)),
        4 => (select(vec![0, 1, 1, 2]), 0..2_usize, 0..3_usize, select(vec!["rotate", "suspend", "resume"]))
            .prop_map(|(who, account, key, what)| Step::Do(who, account, key, what)),
    ]
}

struct Model {
    site: Site,
    /// The API access keys of the people.
    keys: Vec<Key>,
    accounts: Vec<User>,
    services: Vec<(&'static str, i64)>,
    /// The id of the group, and who is in it.
    group: i64,
    members: Vec<&'static str>,
    /// Whom each service admits, to read and to write.
    admitted: Vec<(&'static str, Vec<&'static str>, Vec<&'static str>)>,
}

impl Model {
    async fn new(db: Db) -> Self {
        let site = Site::start(db).await;
        let mut people = vec![site.add_admin(PEOPLE[0]).await];
        for login in &PEOPLE[1..] {
            people.push(site.add_passwordless_user(login).await);
        }
        let (mut keys, mut accounts, mut services) = (Vec::new(), Vec::new(), Vec::new());
        for person in &people {
            keys.push(site.add_key(person, TokenAction::Api).await);
        }
        for login in ACCOUNTS {
            accounts.push(site.add_service_account(login, &people[1]).await);
        }
        for name in ["wiki", "shop"] {
            let settings = ServiceSettings::new(name, format!("{name}.example.org"));
            services.push((name, site.add_service(name, settings).await.id));
        }
        let mut model = Self { site, keys, accounts, services, group: 0, members: Vec::new(), admitted: Vec::new() };
        let made = model.ask(0, Method::POST, "/admin/groups.json", json!({ "name": "team" })).await;
        model.group = made.json()["id"].as_i64().expect("an id");
        model
    }

    async fn ask(&self, who: usize, method: Method, path: &str, body: Value) -> Answer {
        let request = self.site.request(method, path).bearer_auth(&self.keys[who].secret).json(&body);
        let answer = Answer::of(request).await.noted();
        assert!(answer.status < 500, "{path} {body}: {}", answer.text);
        answer
    }

    /// The tokens of an account, latest last.
    fn tokens(&self, account: usize) -> Vec<i64> {
        use latchkey::models::keys::key::Key;
        let id = self.accounts[account].id;
        let found = self.site.app.database.read_now(|it| Key::of_user(it, id, &[TokenAction::Access])).expect("keys");
        found.iter().map(|key| key.id).collect()
    }

    /// The address of an account's tokens.
    fn about(&self, account: usize, end: &str) -> String {
        format!("{}{end}", tokens_of(&self.accounts[account]))
    }

    /// That of one of them, if it has so many.
    fn one(&self, account: usize, key: usize, end: &str) -> Option<String> {
        let tokens = self.tokens(account);
        tokens.get(tokens.len().checked_sub(1 + key)?).map(|id| self.about(account, &format!("/{id}{end}")))
    }

    /// Does `step`; gives who did it and the answer, if that is about a key which they may use from now on.
    async fn take(&mut self, step: &Step) -> Option<(usize, Answer)> {
        match step {
            Step::Give(account, owners) => {
                let owners: Vec<&str> = owners.iter().map(|owner| PEOPLE[*owner]).collect();
                let path = format!("/users/{}.json", self.accounts[*account].id);
                self.ask(0, Method::PUT, &path, json!({"user": {"owners": owners}})).await;
                None
            }
            Step::Group(members) => {
                let out: Vec<&str> = self.members.iter().filter(|it| !members.contains(it)).copied().collect();
                let path = format!("/admin/groups/{}/members.json", self.group);
                let told = self.ask(0, Method::PATCH, &path, json!({"add": members, "remove": out})).await;
                assert_eq!(told.status, 200, "{}", told.text);
                self.members.clone_from(members);
                None
            }
            Step::Admit(service, readers, writers) => {
                let id = self.services.iter().find(|(name, _)| name == service).expect("a service").1;
                let path = format!("/admin/services/{id}.json");
                let told = self.ask(0, Method::PATCH, &path, json!({"readers": readers, "writers": writers})).await;
                assert_eq!(told.status, 200, "{}", told.text);
                self.admitted.retain(|(name, ..)| name != service);
                self.admitted.push((service, readers.clone(), writers.clone()));
                None
            }
            Step::Promote(account, admin) => {
                let path = format!("/users/{}.json", self.accounts[*account].id);
                let told = self.ask(0, Method::PUT, &path, json!({"user": {"admin": admin}})).await;
                assert_eq!(told.status, 204, "{}", told.text);
                None
            }
            Step::Make(who, account, scopes) => {
                let wish = json!({"name": "a", "scopes": scopes, "expires_on": "30d"});
                Some((*who, self.ask(*who, Method::POST, &self.about(*account, ".json"), wish).await))
            }
            Step::Change(who, account, key, scopes) => {
                let path = self.one(*account, *key, ".json")?;
                Some((*who, self.ask(*who, Method::PATCH, &path, json!({"scopes": scopes})).await))
            }
            Step::Do(who, account, key, what) => {
                let path = self.one(*account, *key, &format!("/{what}.json"))?;
                let answer = self.ask(*who, Method::POST, &path, json!({})).await;
                (*what != "suspend").then_some((*who, answer))
            }
        }
    }

    /// What a person may do themselves.
    fn may(&self, who: usize) -> KeyScopes {
        let own = Scope::ALL.into_iter().filter(|scope| !scope.is_for_administrators()).map(|it| it.to_string());
        let mut words: BTreeSet<String> = own.collect();
        let is_member = self.members.contains(&PEOPLE[who]);
        let admits = |them: &[&str]| them.contains(&PEOPLE[who]) || is_member && them.contains(&GROUP);
        for (service, readers, writers) in &self.admitted {
            words.extend(admits(writers).then(|| format!("service:{service}:write")));
            words.extend((admits(writers) || admits(readers)).then(|| format!("service:{service}:read")));
        }
        KeyScopes::of_words(words.iter().map(String::as_str)).expect("scopes")
    }
}

#[rstest]
#[tokio::test]
async fn nobody_gets_more_than_they_may_do_themselves(#[values(Sqlite, Postgres)] db: Db) {
    let mut runner = TestRunner::new(Config::default());
    let (mut got, mut refused) = (0, 0);
    for _ in 0..4 {
        let mut model = Model::new(db).await;
        let steps = vec(step(), 80).new_tree(&mut runner).expect("steps").current();
        for (number, step) in steps.iter().enumerate() {
            let Some((who, answer)) = model.take(step).await else { continue };
            if ![200, 201].contains(&answer.status) {
                refused += 1;
                continue;
            }
            got += 1;
            let words: Vec<String> =
                serde_json::from_value(answer.json()["scopes"].clone()).expect("the scopes of the key");
            let scopes = KeyScopes::of_words(words.iter().map(String::as_str)).expect("scopes");
            let may = model.may(who);
            assert!(who == 0 || scopes.is_within(&may), "{scopes} is more than {may}: {:#?}", &steps[..=number]);
        }
    }
    assert!(got > 2 && refused > 2, "{got} {refused}");
}
