//! What administrators and owners see of service accounts on pages.

use chrono::TimeDelta;
use latchkey::server::routes;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;
use crate::support::world::{By, World};

#[rstest]
#[tokio::test]
async fn an_administrator_makes_one_and_its_owner_looks_after_its_tokens(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    site.add_user("alice").await;
    let (root, alice) = (site.signed_in("root").await, site.signed_in("alice").await);
    assert!(alice.get("/my/service-accounts").await.shows("You own no service account."));

    let list = root.get("/admin/users").await;
    assert!(list.html.contains("href=\"/admin/service-accounts/new\""), "{}", list.html);
    let form = root.get("/admin/service-accounts/new").await;
    assert!(form.shows("Nobody can sign in to it.") && form.html.contains("\nroot</textarea>"), "{}", form.html);
    let fields = [("name", " Nightly backup "), ("login", " backup "), ("owners", "Alice\r\n")];
    let made = root.post("/admin/service-accounts/new", &fields).await;
    assert_eq!(made.status, 303, "{}", made.text());
    let page = root.get(made.location()).await;
    let told = "Nightly backup Login backup Kind service account: nobody can sign in to it Owners alice Status Active";
    assert!(page.shows(told), "{}", page.text());
    assert!(!page.shows("Email") && !page.shows("Set a new password"), "{}", page.text());

    let owned = alice.get("/my/service-accounts").await;
    assert!(owned.shows("Nightly backup backup no access token"), "{}", owned.text());
    let backup = site.user("backup");
    let path = tokens_of(&backup);
    assert!(owned.html.contains(&format!("href=\"{path}\"")), "{}", owned.html);
    let empty = alice.get(&path).await;
    assert!(empty.shows("Service account Nightly backup (backup)"), "{}", empty.text());
    assert!(empty.html.contains(&format!("href=\"{path}/new\"")), "{}", empty.html);
    let new = alice.get(&format!("{path}/new")).await;
    assert!(!new.html.contains("value=\"users:write\""), "{}", new.html);
    let after = new.value_of("after");
    let fields = [("name", "cron"), ("scopes", "account:read"), ("expiry", "30d"), ("after", &*after)];
    let made = alice.post(&path, &fields).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let secret = made.secret();

    let who = Answer::of(site.get("/users/current.json").header("X-Redmine-API-Key", &secret)).await;
    assert_eq!((who.status, &who.json()["user"]["login"]), (200, &"backup".into()), "{}", who.text);
    assert!(alice.get(&path).await.shows("cron"), "{}", alice.get(&path).await.text());
    assert!(!alice.get("/my/tokens").await.shows("cron"), "it is not one of her own");
    assert!(alice.get("/my/service-accounts").await.shows("1 access token last used less than a minute ago"));

    // Each page about the token leads to the others about it.
    let id = site.database.number("SELECT max(id) AS number FROM tokens WHERE action = 'access'");
    let token = format!("{path}/{id}");
    let page = alice.get(&token).await;
    assert!(page.shows("Created less than a minute ago by alice"), "{}", page.text());
    for end in ["", "/edit", "/rotate", "/revoke", "/suspend"] {
        let page = alice.get(&format!("{token}{end}")).await;
        assert_eq!(page.status, 200, "{end}: {}", page.text());
        assert!(page.shows("Service account Nightly backup (backup)"), "{end}: {}", page.text());
        assert!(!page.html.contains("\"/my/tokens"), "{end}: {}", page.html);
    }
    let changed = alice
        .post(&format!("{token}/edit"), &[("name", "at night"), ("scopes", "account:read"), ("expiry", "keep")])
        .await;
    assert_eq!(changed.location(), format!("{token}?notice=token_changed"), "{}", changed.text());
    site.later(TimeDelta::minutes(1));
    let suspended = alice.post(&format!("{token}/suspend"), &[("for", "7d"), ("then", "resume")]).await;
    assert_eq!(suspended.location(), format!("{token}?notice=key_suspended"), "{}", suspended.text());
    let resumed = alice.post(&format!("{token}/resume"), &[]).await;
    assert_eq!(resumed.location(), format!("{token}?notice=key_resumed"), "{}", resumed.text());
    let revoked = alice.post(&format!("{token}/revoke"), &[]).await;
    assert_eq!(revoked.location(), format!("{path}?notice=token_revoked"), "{}", revoked.text());
    let activity = root.get(&format!("/admin/users/{}/activity", backup.id)).await;
    for told in ["“cron” created by alice", "“at night” changed by alice", "“at night” revoked by alice"] {
        assert!(activity.shows(told), "{told}: {}", activity.text());
    }
}

/// Every address about a service account leads to others about it, and never to the owner's own keys.
#[rstest]
#[tokio::test]
async fn its_pages_and_forms_stay_with_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let table = routes::pages();
    let of_accounts = table.iter().filter(|at| at.path().contains("{service_account}"));
    let mut seen = 0;
    for at in of_accounts {
        for answered in at.answers().iter().filter(|answered| answered.method != "HEAD") {
            let world = World::new(&site, seen, By::Session).await;
            let method: Method = answered.method.as_str().parse().expect("a method");
            let route = (method, at.path(), "json");
            let page = page(world.request(&site, By::Session, &route)).await;
            let case = format!("{} {}: {} {}", route.0, route.1, page.status, page.html);
            assert!([200, 303].contains(&page.status), "{case}");
            for own in ["\"/my/tokens", "\"/my/notices"] {
                assert!(!page.html.contains(own), "{case}");
            }
            if page.status == 303 {
                assert!(page.location().starts_with(&format!("/my/service-accounts/{}/", world.account.id)), "{case}");
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[rstest]
#[tokio::test]
async fn its_owners_are_told_of_leaks_and_of_keys_that_end(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--unused-keys=60d"]).await;
    let alice = site.add_user("alice").await;
    let backup = site.add_service_account("backup", &alice).await;
    let leaked = site.add_access_token(&backup, "account:read", "never").await;
    site.add_access_token(&backup, "account:read", "never").await;
    let report = site.request(Method::POST, "/revoke.json");
    assert_eq!(Answer::of(report.json(&serde_json::json!({ "secret": leaked.secret }))).await.status, 204);
    site.later(TimeDelta::days(50));
    site.flush().await;
    let visitor = site.signed_in("alice").await;
    let path = tokens_of(&backup);
    let page = visitor.get(&path).await;
    assert!(page.shows("A key of this account was leaked"), "{}", page.text());
    assert!(page.shows("will be suspended"), "{}", page.text());
    assert!(!visitor.get("/my/account").await.shows("leaked"), "it is none of her own");
    let notice = site.database.number("SELECT max(id) AS number FROM notices");
    let dismissed = visitor.post(&format!("/my/service-accounts/{}/notices/{notice}", backup.id), &[]).await;
    assert_eq!((dismissed.status, dismissed.location()), (303, path.as_str()), "{}", dismissed.text());
    assert!(!visitor.get(&path).await.shows("leaked"));
    let activity = visitor.get(&format!("/my/service-accounts/{}/activity", backup.id)).await;
    assert!(activity.shows("Activity of Account backup"), "{}", activity.text());
    assert!(activity.shows("revoked: its secret was reported as leaked"), "{}", activity.text());
}

#[rstest]
#[tokio::test]
async fn the_password_that_is_asked_for_again_is_the_owners(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, backup) = with_backup(db).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    let path = tokens_of(&backup);
    let form = alice.get(&format!("{path}/new")).await;
    let after = form.value_of("after");
    let fields = [("name", "cron"), ("scopes", "account:read"), ("expiry", "30d"), ("after", after.as_str())];
    for (password, status, told) in [
        ("", 422, "Enter your password: you last entered it more than 15 minutes ago"),
        ("another", 422, "Your password is wrong"),
        (PASSWORD, 200, "“cron” created"),
    ] {
        let made = alice.post(&path, &[&fields[..], &[("password", password)]].concat()).await;
        assert_eq!(made.status, status, "{}", made.text());
        assert!(made.shows(told), "{told}: {}", made.text());
        if status == 200 {
            made.secret();
        }
    }
}

#[rstest]
#[tokio::test]
async fn one_whose_last_owner_is_gone_works_on_and_stands_out(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, backup) = with_backup(db).await;
    let key = site.add_access_token(&backup, "account:read", "30d").await;
    let root = site.signed_in("root").await;
    let stands_out = async || root.get("/admin/users?kind=service").await.shows("No active owner");
    assert!(!stands_out().await);
    for gone in [format!("UPDATE users SET status = 'locked' WHERE id = {}", alice.id), {
        format!("DELETE FROM tokens WHERE user_id = {0}; DELETE FROM users WHERE id = {0}", alice.id)
    }] {
        site.database.execute(&gone);
        assert!(stands_out().await, "{gone}");
        assert!(root.get(&format!("/admin/users/{}", backup.id)).await.shows("No active owner"), "{gone}");
        assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "{gone}");
    }
    site.add_user("bob").await;
    let given = root.post(&format!("/admin/users/{}/owners", backup.id), &[("owners", "bob, root")]).await;
    assert_eq!(given.status, 303, "{}", given.text());
    assert!(root.get(given.location()).await.shows("The owners have been changed."));
    assert!(!stands_out().await);
    assert!(root.get("/admin/audit").await.shows("owned by bob, root"));
    assert_eq!(site.signed_in("bob").await.get(&tokens_of(&backup)).await.status, 200);
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_nothing_is_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, alice, backup) = with_backup(db).await;
    let root = site.signed_in("root").await;
    let before = site.database.written();
    let many = (0..21).map(|number| format!("o{number}")).collect::<Vec<_>>().join("\n");
    for (login, name, owners, told) in [
        ("backup", "Deploy", "alice", "Login has already been taken"),
        ("a b", "Deploy", "alice", "Login can only have letters, digits and _ @"),
        ("deploy", "", "alice", "Name cannot be blank"),
        ("deploy", "a\u{202e}b", "alice", "Name contains an invisible character (U+202E)"),
        ("deploy", "Deploy", " ", "A service account needs at least one owner: give the login of a person"),
        ("deploy", "Deploy", "nobody", "No account has the login nobody"),
        ("deploy", "Deploy", "backup", "backup is a service account: only people can own one"),
        ("deploy", "Deploy", &*many, "A service account can have at most 20 owners"),
    ] {
        let fields = [("login", login), ("name", name), ("owners", owners)];
        let refused = root.post("/admin/service-accounts/new", &fields).await;
        assert_eq!(refused.status, 422, "{told}: {}", refused.text());
        assert!(refused.shows(told), "{told}: {}", refused.text());
    }
    for (owners, told) in [("", "needs at least one owner"), ("Backup", "backup is a service account")] {
        let refused = root.post(&format!("/admin/users/{}/owners", backup.id), &[("owners", owners)]).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert!(refused.shows(told), "{told}: {}", refused.text());
    }
    // A person has no owners, and a service account has no password.
    assert_eq!(root.get(&format!("/admin/users/{}/owners", alice.id)).await.status, 404);
    let password = ["new_password", "new_password_confirmation"].map(|name| (name, "a-new-one-4711"));
    let refused = root.post(&format!("/admin/users/{}/password", backup.id), &password).await;
    assert!(refused.status == 422 && refused.shows("A service account cannot sign in"), "{}", refused.text());
    assert_eq!(site.database.written(), before);

    let form = root.get(&format!("/admin/users/{}/edit", backup.id)).await;
    let seen = form.value_of("seen");
    let fields = [("login", "backup2"), ("lastname", "Daily backup"), ("seen", &*seen)];
    let saved = root.post(&format!("/admin/users/{}/edit", backup.id), &fields).await;
    assert_eq!(saved.status, 303, "{}", saved.text());
    assert!(root.get(saved.location()).await.shows("Daily backup Login backup2"));
}
