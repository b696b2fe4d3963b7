//! `DELETE /my/tokens/ID.json`: "Revoking the key, by either secret, ends both."

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn a_key_is_revoked_with_every_secret_of_it(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let old = site.add_access_token(&alice, "account:read", "30d").await;
    let new = issued(&post(&site, &api, &rotation(&old), json!({})).await);
    assert!(works(&site, &old).await && works(&site, &new).await);
    let revoked = delete(&site, &api, &address(&old)).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
    assert!(!works(&site, &old).await && !works(&site, &new).await);
    let by = format!("API access key ····{}", hint(&api));
    assert_eq!(told(&site, &alice), ("Access token “deploy” revoked".into(), String::new(), by));
    assert_eq!(problem(&delete(&site, &api, &address(&old)).await), refused(404, "This address does not exist."));
    site.flush().await;
    assert_eq!(site.app.recorder.last_use.pending_uses(), 0);
}

/// To take away is never too much: no key lets in more because of it.
#[rstest]
#[tokio::test]
async fn any_kind_may_be_revoked_by_a_key_that_may_do_less(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let forever = site.add_access_token(&alice, "account:write", "never").await;
    let key = site.add_access_token(&alice, "tokens:write", "1d").await;
    for ended in [&feeds, &forever, &api] {
        assert_eq!(delete(&site, &key, &address(ended)).await.status, 204);
    }
    assert!(!works(&site, &api).await && !works(&site, &forever).await);
    assert_eq!(told(&site, &alice).0, "API access key revoked");
    let list = site.get_with_key(LIST, &key).await.json();
    assert_eq!(list["total_count"], 1);
    assert_eq!(delete(&site, &key, &address(&key)).await.status, 204, "itself, too");
    assert_eq!(site.get_with_key(LIST, &key).await.status, 401);
}

/// "and events name both people"
#[rstest]
#[tokio::test]
async fn an_administrator_revokes_the_key_of_whom_they_act_as(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let by = site.add_access_token(&root, "tokens:write users:write", "1d").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let as_alice =
        || send(&site, &by, Method::DELETE, &address(&key), &Value::Null).header("X-Redmine-Switch-User", "alice");
    assert_eq!(Answer::of(as_alice()).await.status, 204);
    assert!(!works(&site, &key).await);
    let by = format!("Access token “deploy” ····{}", hint(&by));
    assert_eq!(told(&site, &alice), ("Access token “deploy” revoked by root".into(), String::new(), by));
}
