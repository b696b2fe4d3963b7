//! "Go through every parameter that Redmine's account, user and API actions take: honoured, refused with a reason, or
//! named in `docs/api.md` as having no effect; never the opposite of what was meant." The table of the API is gone
//! through here.

use std::collections::BTreeSet;

use latchkey::api::parameters::table::{Effect, Operation, Row, TABLE};
use latchkey::models::keys::token::TokenAction;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use crate::support::*;

/// A site with people to try things on, and how to ask for each operation.
struct Asked {
    site: Site,
    key: Key,
    id: i64,
}

impl Asked {
    async fn start(db: Db) -> Self {
        let site = Site::start(db).await;
        let root = site.add_admin("root").await;
        let id = site.add_passwordless_user("bob").await.id;
        let key = site.add_key(&root, TokenAction::Api).await;
        site.add_group("Managers", &[]).await;
        site.database.execute(&format!("UPDATE groups SET id = {id}"));
        Self { site, key, id }
    }

    /// The request of an operation with `parameters` as a form, in the address of what only reads. It asks for nothing
    /// by itself, and adds nobody, as it lacks what a person must have.
    fn request(&self, operation: Operation, parameters: &[(String, String)]) -> RequestBuilder {
        let (method, path) = operation.route().split_once(' ').expect("a method");
        // There is a group with the id of the person whom the others are about.
        let address = format!("{}.json", path.replace("ID", &self.id.to_string()));
        let method: Method = method.parse().expect("a method");
        let with_key = |request: RequestBuilder| request.header("X-Redmine-API-Key", &self.key.secret);
        if [Method::GET, Method::DELETE].contains(&method) {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
            with_key(self.site.request(method, &format!("{address}?{query}")))
        } else {
            with_key(self.site.request(method, &address)).form(parameters)
        }
    }

    async fn ask(&self, operation: Operation, parameters: &[(String, String)]) -> (u16, String) {
        let answer = Answer::of(self.request(operation, parameters)).await;
        (answer.status, answer.text)
    }
}

/// Names that stand for the row: itself, and what it is a part of.
fn names(row: &Row) -> Vec<String> {
    match row.name.strip_suffix('*') {
        Some(beginning) => vec![format!("{beginning}7")],
        None => vec![row.name.to_owned(), format!("{}[]", row.name), format!("{}[a]", row.name)],
    }
}

fn each_of_the_api() -> impl Iterator<Item = (&'static Row, Operation)> {
    let each = TABLE.iter().flat_map(|row| row.operations.iter().map(move |operation| (row, *operation)));
    each.filter(|(_, operation)| Operation::OF_API.contains(operation))
}

#[rstest]
#[tokio::test]
async fn what_is_refused_is_refused_with_its_reason_and_nothing_happens(#[values(Sqlite, Postgres)] db: Db) {
    let asked = Asked::start(db).await;
    let before = asked.site.database.dump("users");
    for (row, operation) in each_of_the_api() {
        let Effect::Refused(reason) = row.effect else { continue };
        for name in names(row) {
            let (status, text) = asked.ask(operation, &[(name.clone(), "1".into())]).await;
            assert_eq!(status, 422, "{operation:?} {name}: {text}");
            assert!(text.contains(&format!(" is refused: {reason}")), "{operation:?} {name}: {text}");
        }
        // Clients send empty fields of forms, too.
        let empty = asked.ask(operation, &[(row.name.replace('*', "7"), String::new())]).await;
        assert_eq!(empty, asked.ask(operation, &[]).await, "{operation:?} {}", row.name);
    }
    assert_eq!(asked.site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn what_has_no_effect_changes_nothing_about_the_answer(#[values(Sqlite, Postgres)] db: Db) {
    let asked = Asked::start(db).await;
    for (row, operation) in each_of_the_api() {
        let Effect::NoEffect(_) = row.effect else { continue };
        if operation == Operation::Delete {
            continue;
        }
        let without = asked.ask(operation, &[]).await;
        for name in names(row) {
            for value in ["1", "x", "", "[]"] {
                let with = asked.ask(operation, &[(name.clone(), value.into())]).await;
                assert_eq!(with, without, "{operation:?} {name}={value}");
            }
        }
    }
    let (status, _) = asked.ask(Operation::Delete, &[("back_url".into(), "/users".into())]).await;
    assert_eq!(status, 204, "it has been deleted");
    let (root, key) = (asked.site.user("root"), &asked.key);
    assert!(root.admin && root.is_active());
    assert_eq!(asked.site.get_with_key("/users/current.json", key).await.status, 200);
}

/// Each that is said to be as in Redmine has an effect here, which the tests of its operation look at closer.
#[rstest]
#[tokio::test]
async fn what_is_taken_has_an_effect(#[values(Sqlite, Postgres)] db: Db) {
    let asked = Asked::start(db).await;
    let mut done = BTreeSet::new();
    let (list, write) = ([Operation::List], [Operation::Update, Operation::Create]);
    let mut cases: Vec<(&[Operation], &str, &str)> = Vec::new();
    for name in
        ["status", "login", "firstname", "lastname", "mail", "admin", "twofa_scheme", "created_on", "last_login_on"]
    {
        cases.push((&list, name, "~~"));
    }
    cases.extend([
        (&list[..], "name", "nobody"),
        (&list, "sort", "shoe_size"),
        (&list, "offset", "1"),
        (&list, "limit", "1"),
        (&list, "page", "2"),
        (&list, "nometa", "1"),
        (&list, "f[]", "shoe_size"),
        (&list, "fields[]", "shoe_size"),
        (&list, "group_id", "x"),
        (&list, "is_member_of_group", "x"),
        (&[Operation::ShowCurrent, Operation::Show, Operation::ShowGroup], "include", "memberships"),
        (&write, "user[login]", "a b"),
        (&write, "user[firstname]", "\u{0}"),
        (&write, "user[lastname]", "\u{0}"),
        (&write, "user[mail]", "x"),
        (&[Operation::UpdateAccount], "user[firstname]", "\u{0}"),
        (&[Operation::UpdateAccount], "user[lastname]", "\u{0}"),
        (&[Operation::UpdateAccount], "user[mail]", "x"),
        (&write, "user[password]", "short"),
        (&write, "user[must_change_passwd]", "perhaps"),
        (&write, "user[admin]", "perhaps"),
        (&write, "user[status]", "9"),
        (&[Operation::Delete], "confirm", "somebody-else"),
    ]);
    for (operations, name, value) in cases {
        for operation in operations {
            let parameters = [(name.to_owned(), value.to_owned())];
            let without = match operation {
                // Whoever is asked about stays.
                Operation::Delete => (204, String::new()),
                operation => asked.ask(*operation, &[]).await,
            };
            assert_ne!(asked.ask(*operation, &parameters).await, without, "{operation:?} {name}={value}");
            done.insert((operation.route(), name.trim_end_matches("[]").to_owned()));
        }
    }
    // Only together with others.
    for (operations, names) in [
        (&list[..], &["op", "v", "operators", "values"][..]),
        // Of lists, Redmine asks for what nobody has here.
        (&list, &["include"]),
        (&write, &["user[password_confirmation]"]),
        (&[Operation::Delete], &["lock"]),
    ] {
        done.extend(
            operations.iter().flat_map(|operation| names.iter().map(|name| (operation.route(), (*name).into()))),
        );
    }
    let same = each_of_the_api().filter(|(row, _)| row.effect == Effect::Same);
    let same: BTreeSet<_> = same.map(|(row, operation)| (operation.route(), row.name.to_owned())).collect();
    assert_eq!(same, done);
}

#[rstest]
#[tokio::test]
async fn include_answers_with_the_empty_lists_that_are_true(#[values(Sqlite, Postgres)] db: Db) {
    let asked = Asked::start(db).await;
    asked.site.database.execute("DELETE FROM groups");
    let bob = asked.site.user("bob");
    let bobs = asked.site.add_key(&bob, TokenAction::Api).await;
    let (groups, memberships) = (r#""groups":[]"#, r#""memberships":[]"#);
    for (key, include, has) in [
        (&asked.key, "groups,memberships", (true, true)),
        (&asked.key, " memberships , auth_source", (false, true)),
        (&asked.key, "groups", (true, false)),
        (&asked.key, "projects", (false, false)),
        (&bobs, "groups,memberships,auth_source", (false, true)),
    ] {
        for path in [format!("/users/{}", bob.id), "/users/current".into()] {
            let query: String = form_urlencoded::byte_serialize(include.as_bytes()).collect();
            let json = asked.site.get_with_key(&format!("{path}.json?include={query}"), key).await.text;
            assert_eq!((json.contains(groups), json.contains(memberships)), has, "{include}: {json}");
            let xml = asked.site.get_with_key(&format!("{path}.xml?include={query}"), key).await.text;
            let in_xml = |name: &str| xml.contains(&format!("<{name} type=\"array\"/>"));
            assert_eq!((in_xml("groups"), in_xml("memberships")), has, "{include}: {xml}");
            assert!(!json.contains("auth_source"));
        }
    }
}

/// People read the same table.
#[test]
fn the_table_is_in_the_documentation() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md");
    let text = std::fs::read_to_string(path).expect("docs/api.md");
    let (_, section) = text.split_once("| parameter | of | what becomes of it |\n|---|---|---|\n").expect("the table");
    let (table, _) = section.split_once("\n\n").expect("its end");
    let expected: Vec<_> = TABLE.iter().map(Row::documented).collect();
    assert_eq!(table, expected.join("\n"));
}
