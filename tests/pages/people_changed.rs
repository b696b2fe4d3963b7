//! What administrators do about one person: edit, delete, look at the activity, open and revoke a key.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use rstest::rstest;

use super::*;

async fn with_bob(db: Db) -> (Site, Visitor, User) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let root = site.signed_in("root").await;
    (site, root, bob)
}

fn path_of(user: &User, end: &str) -> String {
    format!("/admin/users/{}{end}", user.id)
}

/// The form as the page shows it, with `changes`.
async fn edited(root: &Visitor, user: &User, changes: &[(&str, &str)]) -> Page {
    let path = path_of(user, "/edit");
    let form = root.get(&path).await;
    send(root, user, &form, changes).await
}

async fn send(root: &Visitor, user: &User, form: &Page, changes: &[(&str, &str)]) -> Page {
    let names = ["login", "firstname", "lastname", "mail", "seen"];
    let shown = names.map(|name| (name, form.value_of(name)));
    let kept = shown.iter().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let fields: Vec<_> = kept.map(|(name, value)| (*name, value.as_str())).chain(changes.iter().copied()).collect();
    root.post(&path_of(user, "/edit"), &fields).await
}

#[rstest]
#[tokio::test]
async fn a_person_is_edited_and_finds_it_in_their_activity(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let page = root.get(&path_of(&bob, "")).await;
    assert!(page.html.contains(&format!("href=\"{}\"", path_of(&bob, "/edit"))), "{}", page.html);
    site.later(TimeDelta::minutes(1));
    let changes = [("login", " bobby "), ("firstname", "Bob"), ("lastname", "Baker"), ("mail", "b@müller.de")];
    let saved = edited(&root, &bob, &[&changes[..], &[("admin", "1")]].concat()).await;
    assert_eq!((saved.status, saved.location()), (303, &*path_of(&bob, "?notice=person_changed")), "{}", saved.text());
    let page = root.get(saved.location()).await;
    let told =
        "The account has been changed. Bob Baker Login bobby Email b@xn--mller-kva.de Status Active, administrator";
    assert!(page.shows(told), "{}", page.text());
    let theirs = site.signed_in("bobby").await;
    let activity = theirs.get("/activity").await;
    for event in ["Account changed by root", "Made an administrator by root"] {
        assert!(activity.shows(event), "{event}: {}", activity.text());
    }
    assert!(
        root.get(&path_of(&bob, "/edit")).await.html.contains("name=\"admin\" type=\"checkbox\" value=\"1\" checked")
    );
    edited(&root, &bob, &[]).await;
    assert!(!site.user("bobby").admin, "the box was not ticked");
    assert!(theirs.get("/activity").await.shows("No longer an administrator by root"));
    // What differs in nothing changes nothing.
    let before = site.database.dump("users");
    site.later(TimeDelta::minutes(1));
    assert_eq!(edited(&root, &bob, &[]).await.status, 303);
    assert_eq!(site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn what_breaks_a_rule_is_told_beside_its_field_and_kept(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let before = site.database.dump("users");
    for (field, typed, told) in [
        ("login", "a b", "Login can only have letters, digits and _ @"),
        ("login", "ROOT", "Login has already been taken"),
        ("firstname", "", "First name cannot be blank"),
        ("lastname", "\u{202e}x", "Last name contains an invisible character (U+202E)"),
        ("mail", "nobody", "Email is invalid"),
        ("mail", "Root@example.org", "Email has already been taken"),
    ] {
        let refused = edited(&root, &bob, &[(field, typed), ("admin", "1")]).await;
        assert_eq!(refused.status, 422, "{field} {typed}");
        assert!(refused.shows(&format!("There is a problem {told}")), "{field} {typed}: {}", refused.text());
        assert_eq!(refused.value_of(field), typed);
        assert!(refused.html.contains(&format!("href=\"#{field}\"")) && refused.html.contains("value=\"1\" checked"));
    }
    let unseen = root.post(&path_of(&bob, "/edit"), &[("login", "eve")]).await;
    assert_eq!(unseen.status, 400, "{}", unseen.text());
    assert_eq!(site.database.dump("users"), before);
}

/// Two administrators edit one person at the same time.
#[rstest]
#[tokio::test]
async fn what_another_administrator_changed_meanwhile_is_not_overwritten(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    site.add_admin("second").await;
    let second = site.signed_in("second").await;
    let opened = root.get(&path_of(&bob, "/edit")).await;
    site.later(TimeDelta::minutes(1));
    assert_eq!(edited(&second, &bob, &[("mail", "new@example.org")]).await.status, 303);
    let outdated = send(&root, &bob, &opened, &[("lastname", "Baker")]).await;
    assert_eq!(outdated.status, 409);
    for told in ["Nothing was saved", "Somebody else has changed this account", "Email new@example.org"] {
        assert!(outdated.shows(told), "{told}: {}", outdated.text());
    }
    assert_eq!([outdated.value_of("lastname"), outdated.value_of("mail")], ["Baker", "bob@example.org"]);
    assert_eq!(site.user("bob").mail, "new@example.org");
    let again = send(&root, &bob, &outdated, &[("mail", "new@example.org")]).await;
    assert_eq!(again.status, 303, "{}", again.text());
    assert_eq!(site.user("bob").lastname, "Baker");
}

#[rstest]
#[tokio::test]
async fn nobody_edits_or_deletes_themself_there(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_bob(db).await;
    site.add_admin("second").await;
    let own = site.user("root");
    let before = site.database.dump("users");
    assert_eq!(root.get(&path_of(&own, "/edit")).await.location(), "/my/account");
    assert_eq!(root.post(&path_of(&own, "/edit"), &[("login", "me")]).await.location(), "/my/account");
    assert_eq!(root.get(&path_of(&own, "/activity")).await.location(), "/activity");
    for answer in [root.get(&path_of(&own, "/delete")).await, root.post(&path_of(&own, "/delete"), &[]).await] {
        assert_eq!(answer.status, 422);
        assert!(answer.shows("You cannot lock or delete your own account: ask another administrator"));
    }
    let page = root.get(&path_of(&own, "")).await;
    assert!(!page.html.contains("/edit\"") && !page.html.contains("/delete\""), "{}", page.html);
    assert_eq!(site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn a_deletion_asks_first_and_says_what_goes_with_it(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let path = path_of(&bob, "/delete");
    let asked = root.get(&path).await;
    assert!(
        asked.shows("Delete Test Person bob?") && asked.shows("It has no key, so no program stops"),
        "{}",
        asked.text()
    );
    let api = site.add_key(&bob, TokenAction::Api).await;
    site.add_access_token(&bob, "account:read", "30d").await;
    let asked = root.get(&path).await;
    assert!(
        asked.shows("2 keys of theirs go with it") && asked.shows("No use of them is recorded."),
        "{}",
        asked.text()
    );
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    site.later(TimeDelta::minutes(5));
    let asked = root.get(&path).await;
    let told = "The latest use was 5 minutes ago, so something may still depend on it. \
                The audit log keeps what they did and what was done to them. This cannot be undone.";
    assert!(asked.shows(told), "{}", asked.text());
    assert!(
        asked.html.contains(&format!("href=\"{}\">lock the account</a>", path_of(&bob, "/lock"))),
        "{}",
        asked.html
    );
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200, "asking changes nothing");
    let deleted = root.post(&path, &[]).await;
    assert_eq!((deleted.status, deleted.location()), (303, "/admin/users?notice=person_deleted"));
    let list = root.get(deleted.location()).await;
    assert!(list.shows("The account has been deleted, with its keys") && list.shows("1 account"), "{}", list.text());
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 401);
    assert_eq!(root.post(&path, &[]).await.status, 404, "a form sent twice");
    assert!(root.get("/activity").await.shows("Account deleted: bob"));
}

#[rstest]
#[tokio::test]
async fn an_administrator_sees_the_activity_as_its_owner_does(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let theirs = site.signed_in("bob").await;
    let rows = |page: &Page| {
        let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>"));
        body.map(|(rows, _)| rows.to_owned())
    };
    let (own, seen) = (theirs.get("/activity").await, root.get(&path_of(&bob, "/activity")).await);
    assert!(seen.shows("Activity of Test Person bob") && seen.shows("Signed in"), "{}", seen.text());
    assert_eq!(rows(&seen), rows(&own));
    assert!(!seen.shows("Atom feed") && !seen.html.contains("root</td>"));
    site.database.execute(&format!(
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 60)
         INSERT INTO events (user_id, action, address, agent, times, created_on, updated_on)
         SELECT user_id, 'signed_in', '192.0.2.1', 'x', 1, events.created_on, events.updated_on
         FROM n, events WHERE user_id = {}",
        bob.id
    ));
    let first = root.get(&path_of(&bob, "/activity")).await;
    assert!(
        first.html.contains(&format!("href=\"{}\" rel=\"next\"", path_of(&bob, "/activity?page=2"))),
        "{}",
        first.html
    );
    assert!(root.get(&path_of(&bob, "/activity?page=2")).await.shows("192.0.2.1"));
}

#[rstest]
#[tokio::test]
async fn one_key_is_opened_and_revoked(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let api = site.add_key(&bob, TokenAction::Api).await;
    let feeds = site.add_key(&bob, TokenAction::Feeds).await;
    let access = site.add_access_token(&bob, "account:read", "3d").await;
    let status = async |key: &Key| site.get_with_key("/users/current.json", key).await.status;
    assert_eq!([status(&api).await, status(&access).await], [200, 200]);
    site.later(TimeDelta::minutes(5));
    let person = root.get(&path_of(&bob, "")).await;
    for (key, facts) in [
        (
            &api,
            "Last used: 5 minutes ago from 127.0.0.1 In use Kind API access key Owner Test Person bob State Active, no \
                expiration Permissions Everything that its owner may do on the API",
        ),
        (
            &feeds,
            "Never used Too early to say: recorded for 5 minutes. Kind Atom access key Owner Test Person bob State Active, no expiration \
                  Permissions Read the activity feed",
        ),
        (
            &access,
            "Last used: 5 minutes ago from 127.0.0.1 In use Kind Access token Owner Test Person bob State Expires in 3 \
                   days Permissions See your account",
        ),
    ] {
        let path = path_of(&bob, &format!("/keys/{}", key.id));
        assert!(person.html.contains(&format!("href=\"{path}\"")), "{path} in {}", person.html);
        let page = root.get(&path).await;
        assert!(page.shows(facts), "{facts}\n{}", page.text());
        assert!(page.shows(&format!("····{}", &key.secret[45..])) && !page.html.contains(&key.secret));
        assert_eq!(page.shows("Use on services"), key.id != feeds.id, "an Atom access key opens none: {}", page.text());
    }
    let path = path_of(&bob, &format!("/keys/{}/revoke", api.id));
    let asked = root.get(&path).await;
    assert!(asked.shows("Revoke “API access key” of Test Person bob?"), "{}", asked.text());
    assert!(asked.shows("Programs that use it stop working at once") && asked.shows("Last used: 5 minutes ago"));
    assert_eq!(status(&api).await, 200, "asking changes nothing");
    let revoked = root.post(&path, &[]).await;
    assert_eq!((revoked.status, revoked.location()), (303, &*path_of(&bob, "?notice=person_key_revoked")));
    assert!(root.get(revoked.location()).await.shows("The key has been revoked. No program can use it any more."));
    assert_eq!([status(&api).await, status(&access).await], [401, 200], "no other key");
    let again = root.post(&path, &[]).await;
    assert!(root.get(again.location()).await.shows("This key no longer exists"), "{}", again.location());
    let activity = site.signed_in("bob").await.get("/activity").await;
    assert!(activity.shows("API access key revoked by root"), "{}", activity.text());
    assert!(!root.get("/activity").await.shows("revoked"), "it happened to another");
    // A key is below its owner alone.
    let of_root = path_of(&site.user("root"), &format!("/keys/{}", access.id));
    for path in [
        of_root.clone(),
        format!("{of_root}/revoke"),
        path_of(&bob, "/keys/4711"),
        path_of(&bob, "/keys/99999999999999999999"),
    ] {
        assert_eq!(root.get(&path).await.status, 404, "{path}");
    }
    root.post(&format!("{of_root}/revoke"), &[]).await;
    assert_eq!(status(&access).await, 200);
    let bobs = site.signed_in("bob").await;
    assert_eq!(bobs.get(&path_of(&bob, &format!("/keys/{}", access.id))).await.status, 403, "not even the owner");
}

#[rstest]
#[tokio::test]
async fn a_key_that_does_not_work_says_why(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, bob) = with_bob(db).await;
    let access = site.add_access_token(&bob, "account:read", "3d").await;
    let path = path_of(&bob, &format!("/keys/{}", access.id));
    site.set_user(&bob, "status = 'locked'");
    assert!(root.get(&path).await.shows("State Refused: the account is not active"));
    site.set_user(&bob, "status = 'active'");
    site.later(TimeDelta::days(4));
    let root = site.signed_in("root").await;
    let page = root.get(&path).await;
    assert!(page.shows("State Expired 1 day ago") && page.shows("Remove"), "{}", page.text());
    assert!(root.get(&format!("{path}/revoke")).await.shows("It has expired, so no program depends on it."));
}
