//! The keys in the sidebar of *My account*.

use rstest::rstest;

use super::*;

/// "The sidebar summarises: how many, when the latest was used."
#[rstest]
#[tokio::test]
async fn the_sidebar_says_how_many_there_are_and_when_the_latest_was_used(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let account = async |wanted: &str| {
        let account = site.signed_in("alice").await.get("/my/account").await;
        assert!(account.shows(wanted), "{wanted} is not in {}", account.text());
        account
    };
    let none = alice.get("/my/account").await;
    assert!(none.shows("Access tokens No access token One token per program"), "{}", none.text());
    assert!(none.html.contains("href=\"/my/tokens/new\">Create access token</a>"));
    let first = add(&site, &user, "First", "account:read", Expiry::InDays(7)).await;
    let page = account("Access tokens Never used 1 access token View access tokens").await;
    assert!(page.html.contains("href=\"/my/tokens\">View access tokens</a>"));
    add(&site, &user, "Second", "account:read", Expiry::Never).await;
    rotate(&site, &user, first.id, Grace::Day).await;
    assert_eq!(status(&site, &first).await, 200, "by the earlier secret");
    site.later(TimeDelta::minutes(5));
    account("Access tokens Last used: 5 minutes ago 2 access tokens View access tokens").await;
    site.later(days(7));
    account("Access tokens Last used: 7 days ago 2 access tokens, 1 expired View access tokens").await;
}

/// "The classic API access key … can be switched off by a setting."
#[rstest]
#[tokio::test]
async fn where_api_access_keys_are_switched_off_none_is_offered(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--api-access-keys=off"]).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_key(&bob, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401);
    let off = "API access keys are turned off on this server. Create an access token on My account instead.";
    for login in ["root", "bob"] {
        let visitor = site.signed_in(login).await;
        assert!(visitor.is_signed_in().await);
        let before = site.database.dump("tokens");
        let account = visitor.get("/my/account").await;
        assert!(!account.html.contains("\"/my/api_key\""), "{login}: {}", account.html);
        assert_eq!(account.shows("API access key"), login == "bob", "{login}: {}", account.text());
        let told = "Keys of this kind are turned off on this server, so programs that use it are refused. Give them an access token instead.";
        assert_eq!(account.shows(told), login == "bob", "{login}: {}", account.text());
        assert_eq!(account.html.contains("href=\"/my/api_key/revoke\""), login == "bob", "{login}: {}", account.html);
        assert!(account.shows("Missing an Atom access key"));
        for answer in [visitor.get("/my/api_key").await, visitor.post("/my/api_key", &[("replaces", "")]).await] {
            assert_eq!((answer.status, answer.shows(off)), (403, true), "{login}: {}", answer.text());
        }
        assert_eq!(site.database.dump("tokens"), before);
        visitor.make_key("/my/atom_key", "").await;
    }
}
