//! *People*: "search, status, number of keys, latest use of any key; lock and unlock; new password", for
//! administrators.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use reqwest::Method;
use rstest::rstest;

use super::*;

const NEW: &str = "a-password-that-root-set";

/// A site with the administrator `root`, who is signed in.
async fn with_admin(db: Db) -> (Site, Visitor) {
    log::note_secret(NEW);
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    (site, root)
}

fn path_of(user: &User, end: &str) -> String {
    format!("/admin/users/{}{end}", user.id)
}

/// The rows of the list, as they read.
fn rows(page: &Page) -> Vec<String> {
    let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>")).map_or("", |it| it.0);
    let rows = body.split("<tr").skip(1);
    rows.map(|row| Page { status: 0, headers: page.headers.clone(), html: format!("<tr{row}") }.text()).collect()
}

async fn activity(visitor: &Visitor) -> Page {
    visitor.get("/activity").await
}

/// "only admins see the link in the navigation; others get 403"
#[rstest]
#[tokio::test]
async fn others_see_no_link_and_are_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let bob = site.signed_in("bob").await;
    let link = "<a href=\"/admin/users\">People</a>";
    assert!(root.get("/my/account").await.html.contains(link));
    assert!(!bob.get("/my/account").await.html.contains("/admin/users"));
    let before = site.database.dump("users");
    let ends = ["", "/lock", "/unlock", "/password", "/edit", "/delete"];
    let of_bob = ends.map(|end| path_of(&user, end));
    let of_root = ends.map(|end| path_of(&site.user("root"), end));
    let lists = ["/admin/users".to_owned(), "/admin/users/new".to_owned(), "/admin/users/4711".to_owned()];
    for path in lists.iter().chain(&of_bob).chain(&of_root) {
        let refused = bob.get(path).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.shows("This is not allowed This is for administrators only."), "{path}: {}", refused.text());
        assert!(!refused.html.contains("/admin/users\""), "{path}");
        let stranger = site.visitor().get(path).await;
        assert_eq!(
            (stranger.status, stranger.location().starts_with("/login?back_url=%2Fadmin")),
            (302, true),
            "{path}"
        );
    }
    let form = [("new_password", NEW), ("new_password_confirmation", NEW), ("login", "eve"), ("admin", "1")];
    for path in lists[1..2].iter().chain(&of_bob[1..]).chain(&of_root[1..]) {
        assert_eq!(bob.post(path, &form).await.status, 403, "{path}");
        assert_eq!(site.visitor().post(path, &form).await.status, 302, "{path}");
        let elsewhere = root.request(Method::POST, path).header("Sec-Fetch-Site", "cross-site").form(&form);
        assert_eq!(visitor::page(elsewhere).await.status, 403, "{path}: a form from elsewhere");
    }
    assert_eq!(site.database.dump("users"), before);
}

#[rstest]
#[tokio::test]
async fn who_must_change_the_password_looks_after_nobody_first(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    site.set_user(&site.user("root"), "must_change_password = true");
    assert_eq!(root.get("/admin/users").await.location(), "/my/password");
}

#[rstest]
#[tokio::test]
async fn everybody_is_listed_with_their_keys_and_the_latest_use_of_any(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let bob = site.add_user("bob").await;
    let carol = site.add_user("Carol").await;
    let dave = site.add_user("dave").await;
    site.set_user(&dave, "status = 'locked'");
    site.set_user(&site.add_user("erin").await, "status = 'registered', firstname = '<b>Erin'");
    let (api, feeds) = (site.add_key(&bob, TokenAction::Api).await, site.add_key(&bob, TokenAction::Feeds).await);
    site.add_key(&carol, TokenAction::Api).await;
    // Neither sessions nor what mails carry are keys.
    site.add_key(&dave, TokenAction::Recovery).await;
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    site.later(TimeDelta::hours(3));
    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", feeds.secret))).await.status, 200);
    site.later(TimeDelta::minutes(5));
    let list = root.get("/admin/users?status=").await;
    assert!(list.shows("5 accounts"), "{}", list.text());
    let expected = [
        "Test Person bob bob · bob@example.org 2 keys last used 5 minutes ago",
        "Test Person Carol Carol · Carol@example.org 1 key no use recorded",
        "Test Person dave Locked dave · dave@example.org No key",
        "<b>Erin Person erin Not yet activated erin · erin@example.org No key",
        "Test Person root Administrator root · root@example.org No key",
    ];
    assert_eq!(rows(&list), expected);

    // A use that is not written yet counts too.
    site.later(TimeDelta::minutes(30));
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    site.flush().await;
    site.later(TimeDelta::seconds(40));
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200);
    site.later(TimeDelta::minutes(2) + TimeDelta::seconds(20));
    assert_eq!(site.recorded_use(&api).expect("a use") + TimeDelta::minutes(3), site.clock.now(), "not written yet");
    assert!(rows(&root.get("/admin/users").await)[0].ends_with("last used 2 minutes ago"));
    assert!(root.get(&path_of(&bob, "")).await.shows("API access key Last used: 2 minutes ago"));
}

#[rstest]
#[tokio::test]
async fn people_are_searched_by_name_and_status_and_the_form_keeps_both(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let ann = site.add_user("ann").await;
    site.set_user(&ann, "lastname = 'O''Brien & \"Söhne\"'");
    site.set_user(&site.add_user("bob").await, "status = 'locked', lastname = 'O''Brien'");
    for (query, expected) in [
        ("", vec!["ann", "root"]),
        ("status=", vec!["ann", "bob", "root"]),
        ("name=O%27BRIEN", vec!["ann"]),
        ("name=O%27BRIEN&status=1|3", vec!["ann", "bob"]),
        ("status=3", vec!["bob"]),
        ("status=!1", vec!["bob"]),
        ("name=+o%27brien+&status=locked", vec!["bob"]),
        ("name=o%27brien&status=active", vec!["ann"]),
        ("status=active", vec!["ann", "root"]),
        ("status=registered", vec![]),
        ("name=nobody", vec![]),
        ("name=%25", vec![]),
        ("name=%00%FF", vec![]),
    ] {
        let list = root.get(&format!("/admin/users?{query}")).await;
        assert_eq!(list.status, 200, "{query}");
        let rows = rows(&list);
        let found = |login: &&str| rows.iter().any(|row| row.contains(&format!(" {login} · ")));
        assert!(rows.len() == expected.len() && expected.iter().all(found), "{query}: {rows:?}");
    }
    let list = root.get("/admin/users?name=%22S%C3%B6hne%22%3C&status=locked").await;
    assert_eq!(list.value_of("name"), "\"Söhne\"<");
    assert!(list.html.contains("<option value=\"locked\" selected>Locked</option>"), "{}", list.html);
    let told = "0 accounts No name, login or email of people with this status matches. Search people of every status";
    assert!(list.shows(told), "{}", list.text());
    assert!(list.html.contains("href=\"/admin/users?name=%22S%C3%B6hne%22%3C&#38;status=\""), "{}", list.html);
    let list = root.get("/admin/users?name=nobody&status=").await;
    assert!(list.shows("0 accounts No name, login or email matches. Show all people"), "{}", list.text());
    let list = root.get("/admin/users?status=1|3").await;
    assert!(list.html.contains("<option value=\"1|3\" selected>Active or Locked</option>"), "{}", list.html);
    let list = root.get("/admin/users?status=registered").await;
    assert!(list.shows("No account has this status. Show all people"));
    assert!(!root.get("/admin/users").await.shows("Show all people"));
}

#[rstest]
#[tokio::test]
async fn long_lists_come_in_pages_that_keep_the_search(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM numbers WHERE n < 229)
         INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
         SELECT 'user' || n, 'F', 'L', 'user' || n || '@example.org', created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM users) AS root",
    );
    let first = root.get("/admin/users?name=user&status=active").await;
    assert!(first.shows("130 accounts, 1 to 50 shown") && !first.html.contains("rel=\"prev\""), "{}", first.text());
    assert!(rows(&first)[0].contains("user100") && first.shows("Page 1 of 3 Next Last"), "{}", first.text());
    let next = "/admin/users?name=user&amp;status=active&amp;page=2";
    assert!(first.html.replace("&#38;", "&amp;").contains(&format!("href=\"{next}\" rel=\"next\"")), "{}", first.html);
    let last = root.get("/admin/users?name=user&status=active&page=3").await;
    assert!(last.shows("130 accounts, 101 to 130 shown") && !last.html.contains("rel=\"next\""), "{}", last.text());
    assert_eq!(rows(&last).len(), 30);
    assert!(last.html.contains("rel=\"prev\""));
    for number in ["4", "9223372036854775807"] {
        let after = root.get(&format!("/admin/users?name=user&page={number}")).await;
        assert!(after.html.replace("&#38;", "&").contains("page=3\" rel=\"prev\""), "{}", after.html);
        assert!(after.shows("130 accounts This page is empty: the list ends before it."), "{}", after.text());
        assert!(after.html.contains("rel=\"prev\"") && after.shows("Show all people"));
    }
    for number in ["0", "-1", "x"] {
        assert!(
            root.get(&format!("/admin/users?page={number}")).await.shows("131 accounts, 1 to 50 shown"),
            "{number}"
        );
    }
}

#[rstest]
#[tokio::test]
async fn a_persons_page_tells_what_matters_about_them(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    site.later(TimeDelta::hours(2));
    site.signed_in("bob").await;
    site.later(TimeDelta::minutes(10));
    let page = root.get(&path_of(&user, "")).await;
    for wanted in [
        "Test Person bob Login bob Email bob@example.org Status Active Created about 2 hours ago",
        "Last sign-in 10 minutes ago Password set about 2 hours ago Edit Set a new password Lock Delete Show activity",
        "API access key Never used Too early to say: recorded for about 2 hours. Created about 2 hours ago",
        &format!("····{}", &key.secret[45..]),
        "Atom access key Missing an Atom access key",
    ] {
        assert!(page.shows(wanted), "{wanted} is not in {}", page.text());
    }
    assert!(!page.html.contains(&key.secret));
    let more = "status = 'locked', password_hash = NULL, twofa_scheme = 'totp', admin = true, last_login_on = NULL";
    site.set_user(&user, more);
    let page = root.get(&path_of(&user, "")).await;
    for wanted in [
        "Status Locked, administrator",
        "Last sign-in never",
        "none, so they cannot sign in with a password; the account needs a second",
        "Unlock",
    ] {
        assert!(page.shows(wanted), "{wanted} is not in {}", page.text());
    }
    let own = root.get(&path_of(&site.user("root"), "")).await;
    assert!(own.shows("This is your own account. Go to my account") && !own.shows("Lock"), "{}", own.text());
    for path in ["/admin/users/4711", "/admin/users/99999999999999999999", "/admin/users/4711/lock", "/admin/users/x"] {
        assert_eq!(root.get(path).await.status, 404, "{path}");
    }
    let from_api = root.get(&format!("/users/{}", user.id)).await;
    assert_eq!((from_api.status, from_api.location().to_owned()), (303, path_of(&user, "")));
}

/// "lock and unlock (with a confirmation page that says what stops working)"
#[rstest]
#[tokio::test]
async fn a_lock_asks_first_and_says_what_stops_working(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let status = async || site.get_with_key("/users/current.json", &key).await.status;
    assert_eq!(status().await, 200);
    let (bob, other) = (site.signed_in("bob").await, site.signed_in("bob").await);
    site.later(TimeDelta::minutes(5));
    let asked = root.get(&path_of(&user, "/lock")).await;
    assert!(asked.shows("Lock Test Person bob?") && asked.shows("Their 2 sessions end."), "{}", asked.text());
    assert!(asked.shows("programs that use these keys stop working at once."));
    assert!(asked.shows("What stops working API access key Last used: 5 minutes ago"), "{}", asked.text());
    assert!(!asked.shows("Atom access key"), "there is none");
    assert_eq!((status().await, bob.is_signed_in().await), (200, true), "asking changes nothing");

    let locked = root.post(&path_of(&user, "/lock"), &[]).await;
    assert_eq!((locked.status, locked.location().to_owned()), (303, path_of(&user, "?notice=person_locked")));
    let page = root.get(locked.location()).await;
    assert!(page.shows("The account has been locked.") && page.shows("Status Locked"), "{}", page.text());
    assert_eq!(status().await, 401);
    assert!(!bob.is_signed_in().await && !other.is_signed_in().await);
    assert_eq!(site.visitor().try_sign_in("bob", PASSWORD).await.status, 422);
    assert_eq!(root.get(&path_of(&user, "/lock")).await.location(), path_of(&user, ""), "there is nothing to ask");
    assert_eq!(root.post(&path_of(&user, "/lock"), &[]).await.status, 303, "a form sent twice");

    let asked = root.get(&path_of(&user, "/unlock")).await;
    assert!(
        asked.shows("Unlock Test Person bob?") && asked.shows("What works again API access key"),
        "{}",
        asked.text()
    );
    assert_eq!(status().await, 401, "asking changes nothing");
    let unlocked = root.post(&path_of(&user, "/unlock"), &[]).await;
    assert!(root.get(unlocked.location()).await.shows("The account is active."));
    assert_eq!(status().await, 200, "the key works as before");
    assert!(!bob.is_signed_in().await, "sessions have ended for good");
    bob.sign_in("bob", PASSWORD).await;
    let told = activity(&bob).await;
    assert!(told.shows("Account unlocked by root") && told.shows("Account locked by root"), "{}", told.text());
    assert_eq!(told.text().matches("Account locked by root").count(), 1, "the second form did nothing");
    let feed = site.add_key(&user, TokenAction::Feeds).await;
    let feed = Answer::of(site.get(&format!("/activity.atom?key={}", feed.secret))).await.text;
    assert!(feed.contains("<title>Account locked by root</title>"), "{feed}");
    assert!(!activity(&root).await.shows("Account locked"), "it happened to another");
}

#[rstest]
#[tokio::test]
async fn a_lock_of_somebody_without_keys_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let asked = root.get(&path_of(&user, "/lock")).await;
    assert!(asked.shows("They have no open session. They have no key, so no program stops working."));
    site.signed_in("bob").await;
    assert!(root.get(&path_of(&user, "/lock")).await.shows("Their session ends."));
    site.set_user(&user, "status = 'registered'");
    let asked = root.get(&path_of(&user, "/unlock")).await;
    assert!(asked.shows("Activate Test Person bob? They can sign in. They have no key."), "{}", asked.text());
    root.post(&path_of(&user, "/unlock"), &[]).await;
    assert!(site.user("bob").is_active());
}

#[rstest]
#[tokio::test]
async fn nobody_locks_themself_out(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    site.add_admin("second").await;
    let own = path_of(&site.user("root"), "/lock");
    for answer in [root.get(&own).await, root.post(&own, &[]).await] {
        assert_eq!(answer.status, 422);
        assert!(answer.shows("You cannot lock or delete your own account: ask another administrator"));
    }
    assert!(root.is_signed_in().await);
}

/// "new password (form; ends their sessions; optional must-change)"
#[rstest]
#[tokio::test]
async fn a_new_password_ends_sessions_and_leaves_keys(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let user = site.add_user("bob").await;
    let key = site.add_key(&user, TokenAction::Api).await;
    let bob = site.signed_in("bob").await;
    let path = path_of(&user, "/password");
    let form = root.get(&path).await;
    assert!(
        form.shows("New password for Test Person bob") && form.html.contains("type=\"checkbox\" value=\"1\" checked")
    );
    for (new, again, told) in [
        ("short", "short", "Password is too short (minimum is 8 characters)"),
        (NEW, "otherwise", "Password confirmation does not match the new password"),
    ] {
        let refused = root.post(&path, &[("new_password", new), ("new_password_confirmation", again)]).await;
        assert_eq!(refused.status, 422);
        assert!(refused.shows(told) && !refused.html.contains(NEW) && !refused.html.contains(" checked"));
    }
    assert!(bob.is_signed_in().await);
    let fields = [("new_password", NEW), ("new_password_confirmation", NEW), ("must_change", "1")];
    let set = root.post(&path, &fields).await;
    assert!(root.get(set.location()).await.shows("The password has been set and their sessions have ended."));
    assert!(root.get(set.location()).await.shows("must be changed at the next sign-in"));
    assert!(!bob.is_signed_in().await && root.is_signed_in().await);
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    assert_eq!(site.visitor().try_sign_in("bob", PASSWORD).await.status, 422);
    bob.sign_in("bob", NEW).await;
    assert_eq!(bob.get("/activity").await.location(), "/my/password");
    root.post(&path, &fields[..2]).await;
    bob.sign_in("bob", NEW).await;
    assert!(activity(&bob).await.shows("Password changed by root"));
    let own = path_of(&site.user("root"), "/password");
    assert_eq!(root.get(&own).await.location(), "/my/password", "where the password one has is asked for");
    assert_eq!(root.post(&own, &fields).await.location(), "/my/password");
    assert!(root.is_signed_in().await);
}

/// "add a person": and what was typed is kept, but for passwords.
#[rstest]
#[tokio::test]
async fn somebody_is_added(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    site.add_user("bob").await;
    let fields = |login: &'static str, mail: &'static str| {
        let names = [("login", login), ("firstname", " Dora "), ("lastname", "Doe"), ("mail", mail)];
        [&names[..], &[("new_password", NEW), ("new_password_confirmation", NEW), ("must_change", "1")]].concat()
    };
    let refused = root.post("/admin/users/new", &[("login", "a b"), ("firstname", "<Dora>"), ("admin", "1")]).await;
    assert_eq!(refused.status, 422);
    for told in [
        "Login can only have letters, digits and",
        "Last name cannot be blank",
        "Email cannot be blank",
        "Password is too short (minimum is 8 characters)",
    ] {
        assert!(refused.shows(told), "{told} is not in {}", refused.text());
    }
    assert_eq!([refused.value_of("login"), refused.value_of("firstname")], ["a b", "<Dora>"]);
    assert!(refused.html.contains("id=\"admin\" name=\"admin\" type=\"checkbox\" value=\"1\" checked"));
    assert!(!refused.html.contains("id=\"must_change\" name=\"must_change\" type=\"checkbox\" value=\"1\" checked"));
    for (login, mail, told) in [
        ("BOB", "dora@example.org", "Login has already been taken"),
        ("dora", "BOB@example.org", "Email has already been taken"),
    ] {
        let taken = root.post("/admin/users/new", &fields(login, mail)).await;
        assert_eq!((taken.status, taken.shows(told)), (422, true), "{}", taken.text());
        assert!(taken.value_of("login") == login && !taken.html.contains(NEW));
    }
    let added = root.post("/admin/users/new", &fields(" dora", "dora@example.org")).await;
    let dora = site.user("dora");
    assert_eq!((added.status, added.location().to_owned()), (303, path_of(&dora, "?notice=person_added")));
    assert!(root.get(added.location()).await.shows("The account has been created. Tell them the login and password."));
    assert!(dora.firstname == "Dora" && !dora.admin && dora.must_change_password);
    let visitor = site.visitor();
    visitor.sign_in("dora", NEW).await;
    assert_eq!(visitor.get("/my/account").await.location(), "/my/password");
}

#[rstest]
#[tokio::test]
async fn links_and_forms_are_below_the_prefix(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    site.add_admin("root").await;
    let user = site.add_user("bob").await;
    let root = site.visitor();
    root.post("/keys/login", &[("username", "root"), ("password", PASSWORD)]).await;
    for end in ["", "?name=x", "/new", &format!("/{}", user.id), &format!("/{}/lock", user.id)] {
        let page = root.get(&format!("/keys/admin/users{end}")).await;
        assert_eq!(page.status, 200, "{end}");
        let links =
            ["href=\"", "action=\""].map(|name| page.html.split(name).skip(1).map(str::to_owned).collect::<Vec<_>>());
        for link in links.concat() {
            assert!(link.starts_with("/keys/") || link.starts_with('#'), "{end}: {link:.40}");
        }
    }
    let locked = root.post(&format!("/keys/admin/users/{}/lock", user.id), &[]).await;
    assert_eq!(locked.location(), format!("/keys/admin/users/{}?notice=person_locked", user.id));
    assert_eq!(
        root.get(&format!("/keys/users/{}", user.id)).await.location(),
        format!("/keys/admin/users/{}", user.id)
    );
}
