//! "page 1 and page 10,000 of 1,000,000 keys cost the same": how the database reads a page.

use latchkey::models::cursor::Place;
use latchkey::models::keys::list::KeyList;
use latchkey::models::keys::list_query::{KeyQuery, ListField};
use rstest::rstest;

use super::*;

/// Enough that a database would rather read an index than all of them.
const MANY: usize = 20_000;

#[rstest]
#[tokio::test]
async fn a_page_is_read_from_the_index_of_its_order(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    add_many(&site.database, &alice, MANY, "");
    site.database.execute(
        "UPDATE tokens SET updated_on = '2026-02-01 10:00:00' WHERE id % 3 = 0;
         UPDATE tokens SET expires_on = '2027-02-01 10:00:00' WHERE id % 5 = 0;
         ANALYZE",
    );
    let mut connection = site.database.connect();
    let now = site.clock.now();
    for (sort, index, at) in [
        ("created_on", "tokens_keys_created_on", "2026-01-01T00:00:00"),
        ("last_used_on", "tokens_keys_used_on", "0001-01-01T00:00:00"),
        ("expires_on", "tokens_keys_expires_on", "9999-12-31T23:59:59.999999"),
    ] {
        // Most keys are of the same time as the place.
        let place = Place { at: at.parse().expect("a time"), id: 10_000 };
        for direction in ["asc", "desc"] {
            for filter in [None, Some((ListField::Action, "access")), Some((ListField::State, "active"))] {
                for after in [None, Some(place)] {
                    let query = KeyQuery::read(|field| match filter {
                        _ if field == ListField::Sort => Some(format!("{sort}:{direction}")),
                        Some((filtered, text)) if filtered == field => Some(text.to_owned()),
                        _ => None,
                    });
                    let query = query.expect("a query");
                    let list = KeyList::of(&mut connection, &query).expect("a query").expect("a list");
                    let plan = list.explained(&mut connection, (after, 50), now).expect("a plan");
                    let case = format!("{query:?} after {after:?}:\n{plan}");
                    assert!(plan.contains(index), "{case}");
                    // To compile a query (JIT) takes PostgreSQL longer than to read a page.
                    for slow in ["TEMP B-TREE", "Sort", "Hash", "JIT"] {
                        assert!(!plan.contains(slow), "{case}");
                    }
                    // Where PostgreSQL expects to find less than a page and one key more, it may sort whatever it finds.
                    let is_expected_full = plan.lines().next().is_some_and(|limit| limit.contains("rows=51 "));
                    assert!(db == Sqlite || after.is_some() || is_expected_full, "{case}");
                    // A scan of SQLite reads an index from its beginning, until the page is full.
                    let scans = plan.lines().filter(|line| line.contains("SCAN") || line.contains("Seq Scan"));
                    let is_of_index = |line: &str| after.is_none() && line.contains(index);
                    assert!(scans.clone().all(is_of_index), "{case}");
                    if after.is_some() {
                        let goes_on = match db {
                            Sqlite => plan.contains("=? AND rowid"),
                            Postgres => plan.lines().any(|line| line.contains("Index Cond: ") && line.contains("ROW(")),
                        };
                        assert!(goes_on, "{case}");
                    }
                }
            }
        }
    }
    // A person has few keys: theirs are found, and sorted.
    let query = KeyQuery::read(|field| (field == ListField::Owner).then(|| "root".to_owned()));
    site.add_admin("root").await;
    let list = KeyList::of(&mut connection, &query.expect("a query")).expect("a query").expect("a list");
    let plan = list.explained(&mut connection, (None, 50), now).expect("a plan");
    assert!(!plan.contains("Seq Scan") && !plan.contains("SCAN"), "{plan}");
}
