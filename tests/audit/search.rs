//! The log through the API: its filters, its pages, its files, and what they cost.

use diesel::connection::{Connection, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::Text;
use latchkey::db::DbConnection;
use latchkey::models::audit_search::{AuditField, AuditPlace, AuditSearch};
use latchkey::models::cursor::Place;
use latchkey::models::event::EventAction;
use rstest::rstest;
use serde_json::json;

use super::*;

/// The ids of the entries that a query finds.
async fn ids(site: &Site, key: &Key, query: &str) -> Vec<i64> {
    entries(site, key, query).await.iter().map(|entry| entry["id"].as_i64().expect("an id")).collect()
}

#[rstest]
#[tokio::test]
async fn entries_are_found_by_each_filter_and_by_several(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    site.database.execute("DELETE FROM audit_entries");
    fill(&site, 100);
    let first = site.database.number("SELECT min(id) AS number FROM audit_entries") - 1;
    for (query, numbers) in [
        ("user=person42", vec![42]),
        ("user=PERSON42", vec![42]),
        ("user=id:1042", vec![42]),
        ("user=nobody", vec![]),
        ("actor=doer3&until=2026-01-01T00:00:18Z", vec![17, 10, 3]),
        ("actor=id:2003&until=2026-01-01T00:00:18Z", vec![17, 10, 3]),
        ("actor=command%20line", vec![]),
        ("action=locked&since=2026-01-01T00:01:20Z", vec![100, 90, 80]),
        ("key_id=7", vec![57, 7]),
        ("address=192.0.2.3&limit=3", vec![98, 93, 88]),
        ("address=::ffff:192.0.2.3&limit=1", vec![98]),
        ("since=2026-01-01T00:00:10Z&until=2026-01-01T00:00:12Z", vec![11, 10]),
        ("since=2026-01-01&until=2026-01-01&limit=2", vec![100, 99]),
        ("until=2025-12-31", vec![]),
        ("since=2026-01-02&until=2026-01-03", vec![]),
        ("until=9999-12-31&limit=1&action=locked", vec![100]),
        ("limit=1&until=2026-01-02", vec![100]),
        (
            "user=person10&actor=doer3&action=locked&key_id=10&address=192.0.2.0&since=2026-01-01&until=2026-01-01",
            vec![10],
        ),
    ] {
        let expected: Vec<i64> = numbers.into_iter().map(|number: i64| first + number).collect();
        assert_eq!(ids(&site, &key, query).await, expected, "{query}");
    }
}

/// One clear sentence, and nothing of the log.
#[rstest]
#[tokio::test]
async fn a_search_that_cannot_be_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, key) = with_root(db).await;
    fill(&site, 3);
    let cursor = site.get_with_key("/admin/audit.json?limit=1", &key).await.json()["next_cursor"].clone();
    let cursor = cursor.as_str().expect("a cursor").to_owned();
    let changed = format!("{}{}", &cursor[..10], "AAAA".repeat(8));
    let visitor = site.signed_in("root").await;
    for (query, told) in [
        ("user=two+words", "user must be a login, or an id such as id:12."),
        ("user=id:x", "user must be a login, or an id such as id:12."),
        ("user=%00", "user must be a login, or an id such as id:12."),
        (
            "actor=!",
            "actor must be a login, an id such as id:12, or one of: command line, Latchkey itself, not signed in.",
        ),
        ("action=walked", "action must be one of signed_in, sign_in_refused, key_created,"),
        ("key_id=0", "key_id must be the id of a key, such as 12."),
        ("key_id=-1", "key_id must be the id of a key, such as 12."),
        ("key_id=99999999999999999999", "key_id must be the id of a key, such as 12."),
        ("address=somewhere", "address must be an IP address such as 192.0.2.1."),
        (
            "since=yesterday",
            "since must be a date such as 2026-12-31 or an RFC 3339 time such as 2026-12-31T10:00:00Z.",
        ),
        ("since=2026-02-02&until=2026-02-01", "until must be later than the beginning of the search."),
    ] {
        let answer = site.get_with_key(&format!("/admin/audit.json?{query}"), &key).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        assert!(answer.json()["detail"].as_str().expect("a sentence").starts_with(told), "{query}: {}", answer.text);
        let file = site.get_with_key(&format!("/admin/audit.csv?{query}"), &key).await;
        assert_eq!((file.status, file.json()["detail"].clone()), (422, answer.json()["detail"].clone()), "{query}");
        let page = visitor.get(&format!("/admin/audit?{query}")).await;
        assert!(
            page.status == 422 && page.shows("There is a problem") && !page.shows("person1"),
            "{query}: {}",
            page.text()
        );
    }
    for (query, told) in [
        (format!("cursor={changed}"), "The cursor does not belong to this list"),
        ("cursor=12".to_owned(), "The cursor does not belong to this list"),
        (format!("cursor={cursor}&user=person1"), "The cursor does not belong to this list"),
        ("limit=0".to_owned(), "limit must be a number from 1 to 500."),
        ("limit=501".to_owned(), "limit must be a number from 1 to 500."),
        ("who=alice".to_owned(), "Unknown parameter who: there are user, actor, action, key_id, address, since, until"),
        ("user=a&user=b".to_owned(), "user appears twice."),
        ("user=".to_owned(), "user cannot be blank."),
    ] {
        let answer = site.get_with_key(&format!("/admin/audit.json?{query}"), &key).await;
        assert_eq!(answer.status, 422, "{query}: {}", answer.text);
        assert!(answer.json()["detail"].as_str().expect("a sentence").starts_with(told), "{query}: {}", answer.text);
    }
    site.set_user(&root, "admin = FALSE");
    for path in ["/admin/audit.json", "/admin/audit.csv", "/admin/audit.ndjson"] {
        assert_eq!(site.get_with_key(path, &key).await.status, 403, "{path}: for administrators only");
    }
}

/// Each entry is on one page, also those that happened at the same time.
#[rstest]
#[tokio::test]
async fn the_pages_have_every_entry_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    fill(&site, 20);
    fill(&site, 20);
    let all = ids(&site, &key, "user=person7&limit=500").await;
    assert_eq!(all.len(), 2);
    let all = ids(&site, &key, "actor=doer3&limit=500").await;
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = site.get_with_key(&format!("/admin/audit.json?actor=doer3&limit=2{cursor}"), &key).await.json();
        found.extend(
            page["entries"].as_array().expect("entries").iter().map(|entry| entry["id"].as_i64().expect("an id")),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, all);
    assert_eq!(found.len(), 6);
}

/// Longer than a batch, and with a heading once.
#[rstest]
#[tokio::test]
async fn everything_that_is_found_comes_as_a_file(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    fill(&site, 2500);
    let csv = site.get_with_key("/admin/audit.csv?since=2026-01-01&until=2026-01-01", &key).await;
    assert_eq!(csv.header("Content-Type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(csv.header("Content-Disposition"), Some("attachment; filename=\"audit-2026-11-24.csv\""));
    let lines: Vec<_> = csv.text.lines().collect();
    assert_eq!(lines.len(), 2501);
    let heading = "id,created_on,action,refused,times,user,user_id,actor,actor_id,acting_as,acting_as_id,key_id,key_kind,\
                   key_name,key_hint,address,agent,credential,detail";
    assert_eq!(lines[0], heading);
    let cells: Vec<_> = lines[2500].split(',').skip(1).collect();
    let first = "2026-01-01T00:00:01Z,key_changed,false,1,person1,1001,doer1,2001,,,1,,,,192.0.2.1,curl,,\"'=1\"";
    assert_eq!(cells.join(","), first, "no formula");

    let ndjson = site.get_with_key("/admin/audit.ndjson?action=locked", &key).await;
    let documents: Vec<Value> = ndjson.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(documents.len(), 250);
    assert_eq!(documents[..50], entries(&site, &key, "action=locked").await);
    let empty = site.get_with_key("/admin/audit.csv?user=nobody", &key).await;
    assert_eq!((empty.status, empty.text.lines().count()), (200, 1));
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct PostgresStep {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    detail: String,
}

/// How the database reads a page of a search.
fn plan(connection: &mut DbConnection, search: &AuditSearch, place: AuditPlace) -> String {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let kept = asked.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            *kept.lock().expect("the query") = query.to_string();
        }
    });
    search.page(connection, place, 50).expect("a page");
    connection.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    let query = asked.lock().expect("the query").split(" -- binds").next().unwrap_or_default().to_owned();
    assert!(query.contains("FROM ") && query.contains("audit_entries"), "{query}");
    let steps: Vec<Step> = match connection {
        DbConnection::Sqlite(it) => diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(it).expect("a plan"),
        DbConnection::Postgres(it) => {
            let values = vec!["NULL"; query.matches('$').count()].join(", ");
            diesel::sql_query(format!("PREPARE audit_page AS {query}")).execute(it).expect("it is prepared");
            let explain = diesel::sql_query(format!("EXPLAIN EXECUTE audit_page({values})"));
            let steps: Vec<PostgresStep> = explain.load(it).expect("a plan");
            diesel::sql_query("DEALLOCATE audit_page").execute(it).expect("it is forgotten");
            steps.into_iter().map(|step| Step { detail: step.detail }).collect()
        }
    };
    steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
}

/// A page costs the same however long the log is: it is a range of one index, in the order in which it is shown.
#[rstest]
#[tokio::test]
async fn no_page_reads_or_sorts_the_whole_log(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    fill(&site, 20_000);
    let mut connection = site.database.connect();
    diesel::sql_query("ANALYZE audit_entries").execute(&mut connection).expect("statistics");
    let place = Place { at: "2026-01-01T01:00:00".parse().expect("a time"), id: 3600 };
    for (field, text, index) in [
        (None, "", "audit_entries_created_on"),
        (Some(AuditField::User), "person42", "audit_entries_user_login"),
        (Some(AuditField::User), "id:1042", "audit_entries_user_id"),
        (Some(AuditField::Actor), "doer3", "audit_entries_actor"),
        (Some(AuditField::Actor), "id:2003", "audit_entries_actor_id"),
        (Some(AuditField::Action), "locked", "audit_entries_action"),
        (Some(AuditField::Key), "7", "audit_entries_token_id"),
        (Some(AuditField::Address), "192.0.2.3", "audit_entries_address"),
        (Some(AuditField::Since), "2026-01-01T02:00:00Z", "audit_entries_created_on"),
        (Some(AuditField::Until), "2026-01-01T02:00:00Z", "audit_entries_created_on"),
    ] {
        let search = AuditSearch::read(|it| (field == Some(it)).then(|| text.to_owned())).expect("a search");
        for place in [AuditPlace::Latest, AuditPlace::OlderThan(place), AuditPlace::NewerThan(place)] {
            let plan = plan(&mut connection, &search, place);
            let reads_index = [format!("INDEX {index} "), format!("INDEX {index}\n"), format!("using {index} ")];
            assert!(reads_index.iter().any(|it| format!("{plan}\n").contains(it)), "{field:?} {place:?}:\n{plan}");
            assert!(!plan.contains("TEMP B-TREE") && !plan.contains("Sort") && !plan.contains("Seq Scan"), "{plan}");
        }
    }
}

/// The whole document, as programs read it.
#[rstest]
#[tokio::test]
async fn an_entry_has_every_member(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = with_root(db).await;
    site.database.execute(
        "INSERT INTO audit_entries (created_on, action, times, user_id, user_login, actor_id, actor, acting_as_id,
             acting_as, token_id, token_action, token_name, token_hint, address, agent, credential, detail)
         VALUES ('2026-11-24 09:30:00', 'scope_refused', 3, 2, 'alice', 1, 'root', 3, 'bob', 7, 'access', 'deploy',
             'wxyz', '192.0.2.1', 'curl', 'API access key', 'needs users:read'),
         ('2026-11-24 09:29:00', 'a_newer_kind', 1, NULL, NULL, NULL, 'command line', NULL, NULL, NULL, NULL, NULL, NULL,
             '', '', NULL, NULL)",
    );
    let mut found = entries(&site, &key, "since=2026-11-24T09:29:00Z&until=2026-11-24T09:30:00.1Z").await;
    found.iter_mut().for_each(|entry| drop(entry.as_object_mut().expect("members").remove("id")));
    let expected = json!([
        {
            "created_on": "2026-11-24T09:30:00Z", "action": "scope_refused", "refused": true, "times": 3, "user": "alice",
            "user_id": 2, "actor": "root", "actor_id": 1, "acting_as": "bob", "acting_as_id": 3, "key_id": 7,
            "key_kind": "access", "key_name": "deploy", "key_hint": "wxyz", "address": "192.0.2.1", "agent": "curl",
            "credential": "API access key", "detail": "needs users:read"
        },
        {
            "created_on": "2026-11-24T09:29:00Z", "action": "a_newer_kind", "refused": false, "times": 1, "user": null,
            "user_id": null, "actor": "command line", "actor_id": null, "acting_as": null, "acting_as_id": null,
            "key_id": null, "key_kind": null, "key_name": null, "key_hint": null, "address": null, "agent": null,
            "credential": null, "detail": null
        }
    ]);
    assert_eq!(json!(found), expected);
}

#[test]
fn the_documentation_names_every_action() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api.md")).expect("a file");
    let row = document.lines().find(|line| line.starts_with("| `action` | what happened:")).expect("a row");
    for action in EventAction::ALL.into_iter().filter(|action| *action != EventAction::Unknown) {
        assert!(row.contains(&format!("`{}`", action.as_str())), "{} in docs/api.md", action.as_str());
    }
}
