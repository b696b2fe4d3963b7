//! The audit log: what happened to anybody's keys and account, and to services, whoever is still there.

mod commands;
mod entries;
mod kept;
mod page;
mod search;

use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use serde_json::Value;

use crate::support::site::Key;
use crate::support::*;

/// An administrator who may read the log, with a key for it.
async fn with_root(db: Db) -> (Site, User, Key) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_access_token(&root, "audit:read", "30d").await;
    (site, root, key)
}

/// The entries that a query finds, latest first.
async fn entries(site: &Site, key: &Key, query: &str) -> Vec<Value> {
    site.flush().await;
    let answer = site.get_with_key(&format!("/admin/audit.json?{query}"), key).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    answer.json()["entries"].as_array().expect("entries").clone()
}

/// What entries say, in the order in which it happened: what, about whom, by whom, as whom, from where and with what.
fn told(entries: &[Value]) -> Vec<String> {
    let text = |entry: &Value, member: &str| entry[member].as_str().unwrap_or("-").to_owned();
    let line = |entry: &Value| {
        let line =
            ["action", "user", "actor", "acting_as", "address", "credential"].map(|it| text(entry, it)).join(" | ");
        // The end of a secret is another each time.
        line.split(" ····").next().unwrap_or_default().to_owned()
    };
    entries.iter().rev().map(line).collect()
}

/// Fills the log with `number` entries about nobody who is there, a second apart from each other.
fn fill(site: &Site, number: u32) {
    let time = match site.database.url {
        latchkey::db::url::DatabaseUrl::Sqlite(_) => {
            "strftime('%Y-%m-%d %H:%M:%S', '2026-01-01', '+' || n || ' seconds')"
        }
        latchkey::db::url::DatabaseUrl::Postgres(_) => "timestamp '2026-01-01' + n * interval '1 second'",
    };
    site.database.execute(&format!(
        "INSERT INTO audit_entries
             (created_on, action, user_id, user_login, actor_id, actor, token_id, address, agent, detail)
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {number})
         SELECT {time}, CASE WHEN n % 10 = 0 THEN 'locked' ELSE 'key_changed' END, 1000 + n % 100,
             'person' || (n % 100), 2000 + n % 7, 'doer' || (n % 7), n % 50, '192.0.2.' || (n % 5), 'curl', '=' || n
         FROM numbers"
    ));
}
