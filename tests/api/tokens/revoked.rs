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

/// A key ends none that may do more than itself; that one lives longer is no matter.
#[rstest]
#[tokio::test]
async fn a_key_revokes_those_that_may_do_no_more_than_itself(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, api) = with_alice(db).await;
    let feeds = site.add_key(&alice, TokenAction::Feeds).await;
    let forever = site.add_access_token(&alice, "tokens:read", "never").await;
    let wider = site.add_access_token(&alice, "account:read tokens:read", "1d").await;
    let key = site.add_access_token(&alice, "tokens:write", "1d").await;
    let text = "This key can do more, in more places or for longer, than the key you use, which cannot create, change or revoke it.";
    for kept in [&wider, &api] {
        assert_eq!(problem(&delete(&site, &key, &address(kept)).await), refused(403, text));
        assert!(works(&site, kept).await);
    }
    for ended in [&feeds, &forever] {
        assert_eq!(delete(&site, &key, &address(ended)).await.status, 204);
    }
    assert_eq!(told(&site, &alice).0, "Access token “deploy” revoked");
    let list = site.get_with_key(LIST, &key).await.json();
    assert_eq!(list["total_count"], 3);
    assert_eq!(delete(&site, &key, &address(&key)).await.status, 204, "itself, too");
    assert_eq!(site.get_with_key(LIST, &key).await.status, 401);
}

/// "and events name both people"
#[rstest]
#[tokio::test]
async fn an_administrator_revokes_the_key_of_whom_they_act_as(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, _) = with_alice(db).await;
    let root = site.add_admin("root").await;
    let by = site.add_access_token(&root, "account:read tokens:write users:write", "1d").await;
    let key = site.add_access_token(&alice, "account:read", "30d").await;
    let as_alice =
        || send(&site, &by, Method::DELETE, &address(&key), &Value::Null).header("X-Redmine-Switch-User", "alice");
    assert_eq!(Answer::of(as_alice()).await.status, 204);
    assert!(!works(&site, &key).await);
    let by = format!("Access token “deploy” ····{}", hint(&by));
    assert_eq!(told(&site, &alice), ("Access token “deploy” revoked by root".into(), String::new(), by));
}
