//! The list by verdict: what the database finds is what the one rule says of each key.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use latchkey::models::keys::verdict::{IN_USE_FOR, UNUSED_AFTER, Verdict};
use rstest::rstest;

use super::*;

/// The names of the keys that a query finds, by what is told as their verdict.
async fn by_verdict(site: &Site, admin: &Key, query: &str) -> BTreeMap<String, Vec<String>> {
    let list = site.get_with_key(&format!("/admin/keys.json?owner=alice&limit=500&{query}"), admin).await.json();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in list["keys"].as_array().expect("keys") {
        let text = |member: &str| key[member].as_str().expect("text").to_owned();
        found.entry(text("verdict")).or_default().push(text("name"));
    }
    found.values_mut().for_each(|names| names.sort());
    found
}

/// Keys that were created, used, and recorded since, at each side of each boundary, some of them with an earlier secret.
#[rstest]
#[tokio::test]
async fn each_key_is_found_by_its_verdict_and_by_no_other(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let now = site.app.clock.now();
    let moment = TimeDelta::microseconds(1);
    let [quarter, month] = [IN_USE_FOR, UNUSED_AFTER];
    // As Diesel writes times.
    let before = |span: TimeDelta| format!("'{}'", (now - span).format("%F %T%.f"));
    let spans =
        [TimeDelta::days(1), month - moment, month, month + moment, quarter - moment, quarter, TimeDelta::days(400)];
    let mut rows = Vec::new();
    for created in spans {
        for recorded in [None].into_iter().chain(spans.map(Some)).filter(|it| it.is_none_or(|span| span <= created)) {
            for used in [None].into_iter().chain(spans.map(Some)).filter(|it| it.is_none_or(|span| span < created)) {
                for is_by_earlier in [false, true] {
                    rows.push((created, recorded, used, is_by_earlier));
                }
            }
        }
    }
    add_many(&site.database, &alice, rows.len(), "");
    let first = site.database.number("SELECT min(id) AS number FROM tokens WHERE name = 'key 1'");
    let mut sql = Vec::new();
    for (id, (created, recorded, used, is_by_earlier)) in (first..).zip(&rows) {
        let or_null = |span: &Option<TimeDelta>| span.map_or("NULL".to_owned(), before);
        let created = before(*created);
        sql.push(format!(
            "UPDATE tokens SET created_on = {created}, recorded_since = {} WHERE id = {id}",
            or_null(recorded)
        ));
        // The secret that was replaced is a row of its own.
        let (secret, made) =
            if *is_by_earlier { (1_000_000 + id, format!("{created}, key_id = {id}")) } else { (id, created) };
        if *is_by_earlier {
            let digest = if site.database.url.file().is_some() {
                "CAST('earlier ' || id AS BLOB)"
            } else {
                "convert_to('earlier ' || id, 'UTF8')"
            };
            sql.push(format!(
                "INSERT INTO tokens (id, user_id, action, digest, hint, created_on, name, note, scopes)
                 SELECT {secret}, user_id, action, {digest}, hint, created_on, name, note, scopes FROM tokens WHERE id = {id}"
            ));
        }
        sql.push(format!("UPDATE tokens SET updated_on = {}, created_on = {made} WHERE id = {secret}", or_null(used)));
    }
    site.database.execute(&sql.join(";\n"));

    let all = by_verdict(&site, &admin, "").await;
    assert_eq!(all.keys().map(String::as_str).collect::<Vec<_>>(), ["idle", "in_use", "too_early", "unused"]);
    for order in ["created_on:desc", "last_used_on", "last_used_on:desc", "expires_on"] {
        for verdict in Verdict::ALL {
            let found = by_verdict(&site, &admin, &format!("verdict={}&sort={order}", verdict.as_str())).await;
            let expected = BTreeMap::from([(verdict.as_str().to_owned(), all[verdict.as_str()].clone())]);
            assert_eq!(found, expected, "{verdict:?} by {order}");
        }
    }
}

/// A use that is still in memory makes a key one that is in use.
#[rstest]
#[tokio::test]
async fn a_use_in_memory_takes_a_key_off_the_list_of_those_that_are_safe_to_end(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (_, admin) = administrator(&site).await;
    let alice = site.add_user("alice").await;
    let key = named(&site, &alice, "deploy", "account:read", "never").await;
    assert!(works(&site, &key).await);
    site.later(TimeDelta::days(91));
    assert_eq!(by_verdict(&site, &admin, "verdict=idle").await["idle"], ["deploy"]);
    assert!(works(&site, &key).await);
    assert!(by_verdict(&site, &admin, "verdict=idle").await.is_empty());
}
