//! Who used a key last: the address and the agent of its latest use, beside that wherever it is shown.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// Uses a key from an address, by an agent: the proxy of the tests says so.
async fn use_it(site: &Site, key: &Key, address: &str, agent: &[u8]) {
    let agent = reqwest::header::HeaderValue::from_bytes(agent).expect("a header");
    let request = site.get(ADDRESS).header("X-Redmine-API-Key", &key.secret).header("User-Agent", agent);
    let answer = Answer::of(request.header("X-Forwarded-For", address)).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// A site behind a proxy, alice, and her API access key.
async fn behind_a_proxy(db: Db) -> (Site, User, Key) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    (site, alice, key)
}

/// What programs are told of who used a key last.
async fn told(site: &Site, reader: &Key, key: &Key) -> [Value; 2] {
    let document = site.get_with_key(&format!("/my/tokens/{}.json", key.id), reader).await.json();
    ["last_address", "last_agent"].map(|member| document[member].clone())
}

#[rstest]
#[tokio::test]
async fn the_latest_use_says_where_it_came_from_even_one_not_yet_written(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, reader) = behind_a_proxy(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    assert_eq!(told(&site, &reader, &key).await, [json!(null), json!(null)]);
    use_it(&site, &key, "192.0.2.7", b"curl/8.5").await;
    assert_eq!(told(&site, &reader, &key).await, ["192.0.2.7", "curl/8.5"]);
    site.later(TimeDelta::seconds(10));
    use_it(&site, &key, "2001:db8::7", b"backup/2 <nightly>").await;
    assert_eq!(told(&site, &reader, &key).await, ["2001:db8::7", "backup/2 <nightly>"], "it is in memory only");
    site.add_admin("root").await;
    let (visitor, root) = (site.signed_in("alice").await, site.signed_in("root").await);
    let text = "Last used: less than a minute ago from 2001:db8::7 by backup/2 <nightly> In use";
    for page in [
        visitor.get(&format!("/my/tokens/{}", key.id)).await,
        visitor.get(&format!("/my/tokens/{}/revoke", key.id)).await,
        root.get(&format!("/admin/users/{}/keys/{}", alice.id, key.id)).await,
    ] {
        assert!(page.shows(text) && !page.html.contains("<nightly>"), "{}", page.text());
    }
    site.later(TimeDelta::minutes(1));
    site.flush().await;
    let row = owned(&site, &alice, &key).expect("a key");
    let recorded = row.last_use(latchkey::models::keys::token::Token::recorded_use).expect("a use");
    assert_eq!(row.used_by(recorded).expect("who used it").in_words(), "from 2001:db8::7 by backup/2 <nightly>");

    // The API access key, on My account.
    use_it(&site, &reader, "192.0.2.8", b"").await;
    let account = site.signed_in("alice").await.get("/my/account").await;
    assert!(
        account.shows("API access key Last used: less than a minute ago from 192.0.2.8 In use"),
        "{}",
        account.text()
    );
}

/// "written in the same statement as the last use, at no other time"
#[rstest]
#[tokio::test]
async fn it_costs_no_write_of_its_own(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, key) = behind_a_proxy(db).await;
    site.database.count_updates_of_tokens();
    for second in 0..5 {
        use_it(&site, &key, &format!("192.0.2.{second}"), format!("agent/{second}").as_bytes()).await;
        site.later(TimeDelta::seconds(10));
        site.flush().await;
    }
    assert_eq!(site.database.updates_of(key.id), 1, "the first use");
    site.later(TimeDelta::minutes(1));
    site.flush().await;
    assert_eq!(site.database.updates_of(key.id), 2, "and the last");
    let latest = "SELECT count(*) AS number FROM tokens WHERE last_address = '192.0.2.4' AND last_agent = 'agent/4'";
    assert_eq!(site.database.number(latest), 1);
}

/// The release before writes a later use without them. Those of an earlier use would be a lie beside it.
#[rstest]
#[tokio::test]
async fn what_belongs_to_an_earlier_use_is_not_shown(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, reader) = behind_a_proxy(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    use_it(&site, &key, "192.0.2.7", b"curl/8.5").await;
    site.flush().await;
    site.later(TimeDelta::hours(1));
    let later = site.clock.now() - TimeDelta::minutes(30);
    site.database.execute(&format!("UPDATE tokens SET updated_on = '{later}' WHERE id = {}", key.id));
    assert_eq!(told(&site, &reader, &key).await, [json!(null), json!(null)]);
    let page = site.signed_in("alice").await.get(&format!("/my/tokens/{}", key.id)).await;
    assert!(page.shows("Last used: 30 minutes ago In use") && !page.shows("192.0.2.7"), "{}", page.text());
    use_it(&site, &key, "192.0.2.9", b"curl/8.6").await;
    assert_eq!(told(&site, &reader, &key).await, ["192.0.2.9", "curl/8.6"]);
}

#[rstest]
#[tokio::test]
async fn of_an_agent_only_what_can_be_read_is_kept(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, reader) = behind_a_proxy(db).await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    use_it(&site, &key, "192.0.2.7", &b"a".repeat(4000)).await;
    assert_eq!(told(&site, &reader, &key).await[1].as_str().map(str::len), Some(255));
    site.later(TimeDelta::minutes(2));
    use_it(&site, &key, "192.0.2.7", b"caf\xe9\xe2\x80\x8bbot").await;
    site.later(TimeDelta::minutes(2));
    site.flush().await;
    assert_eq!(told(&site, &reader, &key).await[1], "caf\u{fffd}bot");
}
