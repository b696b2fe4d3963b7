//! The page of one access token.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn it_tells_all_that_is_known_of_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [("name", "Backup"), ("note", "ask <Bob>"), ("scopes", "account:read"), ("expiry", "7d")];
    let secret = create(&alice, &fields).await.secret();
    let made = Made { id: all_of(&site, &user)[0].id, key: Key { id: 0, secret } };
    let page = alice.get(&made.path()).await;
    assert_eq!(page.status, 200);
    let told = format!(
        "Backup Never used State Expires in 7 days Permissions See your account Note ask <Bob> Secret ends in ····{} Created \
         less than a minute ago Rotate secret Revoke",
        made.hint()
    );
    assert!(page.shows(&told), "{told} is not in {}", page.text());
    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::minutes(3));
    assert!(alice.get(&made.path()).await.shows("Backup Last used: 3 minutes ago State Expires in 7 days"));
}

#[rstest]
#[tokio::test]
async fn there_is_nothing_to_see_of_other_peoples_and_other_kinds(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, root) = (site.add_user("alice").await, site.add_admin("root").await);
    let hers = add(&site, &alice, "Hers", "account:read", Expiry::Never).await;
    let rotated = rotate(&site, &alice, hers.id, Grace::Day).await;
    let api = site.add_key(&root, TokenAction::Api).await;
    let visitor = site.signed_in("root").await;
    let session = site.database.number("SELECT max(id) AS number FROM tokens");
    let before = rows_of_tokens(&site);
    let ids = [hers.id.to_string(), rotated.key.id.to_string(), api.id.to_string(), session.to_string()];
    let ids = ids.iter().map(String::as_str).chain(["4711", "99999999999999999999", "x", "-1"]);
    for id in ids {
        for end in ["", "/rotate", "/revoke"] {
            let path = format!("/my/tokens/{id}{end}");
            assert_eq!(visitor.get(&path).await.status, 404, "{path}");
            let fields = [("name", "Mine"), ("scopes", "account:read"), ("replaces", "1"), ("grace", "0")];
            let answer = visitor.post(&path, &fields).await;
            let gone = answer.status == 303 && answer.location() == "/my/tokens?notice=token_gone";
            assert!(answer.status == 404 || (gone && end == "/revoke"), "{path}: {}", answer.status);
        }
    }
    assert_eq!(rows_of_tokens(&site), before, "nothing was changed");
    assert!(site.token(api.id).is_some() && site.token(session).is_some());
    let other = site.signed_in("alice").await;
    assert_eq!(
        other.get(&format!("/my/tokens/{}", rotated.key.id)).await.status,
        404,
        "a secret's id is none of a token"
    );
    assert_eq!(other.get(&hers.path()).await.status, 200);
}

/// "An expired key is refused at the second it expires and shown as expired until removed"
#[rstest]
#[tokio::test]
async fn one_that_has_expired_can_only_be_removed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Over", "account:read", Expiry::InDays(7)).await;
    site.later(days(7));
    let alice = site.signed_in("alice").await;
    let page = alice.get(&made.path()).await;
    assert!(page.shows("State Expired less than a minute ago"), "{}", page.text());
    assert!(page.shows("Programs that use it are refused. Latchkey deletes it 30 days after it expired."));
    assert!(page.shows("Remove") && !page.shows("Rotate") && !page.html.contains("name=\"scopes\""));
    let asked = alice.get(&format!("{}/rotate", made.path())).await;
    assert_eq!((asked.status, asked.location().to_owned()), (303, made.path()));
    let fields = [("name", "New"), ("scopes", "account:read"), ("expiry", "never")];
    for (end, fields) in [("", &fields[..]), ("/rotate", &[("replaces", &*made.id.to_string()), ("grace", "0")])] {
        let refused = alice.post(&format!("{}{end}", made.path()), fields).await;
        assert_eq!(refused.status, 422, "{end}");
        assert!(refused.shows("This access token has expired: create a new one"), "{end}: {}", refused.text());
    }
    assert_eq!(all_of(&site, &user)[0].name.as_deref(), Some("Over"));
    let asked = alice.get(&format!("{}/revoke", made.path())).await;
    assert!(asked.shows("Remove “Over”? It has expired, so no program depends on it."), "{}", asked.text());
    alice.post(&format!("{}/revoke", made.path()), &[]).await;
    assert!(all_of(&site, &user).is_empty());
}
