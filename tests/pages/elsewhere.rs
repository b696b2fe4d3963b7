//! Where links and habits lead, many of them from Redmine.

use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

#[rstest]
#[tokio::test]
async fn addresses_that_people_know_lead_to_the_page(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let visitor = site.signed_in("root").await;
    let person = format!("/admin/users/{}", root.id);
    for (address, lands) in [
        ("/", "/my/account"),
        ("/my", "/my/account"),
        ("/my/page", "/my/account"),
        ("/users/current", "/my/account"),
        ("/users", "/admin/users"),
        ("/users?status=3&name=bo+b&group_id=7", "/admin/users?name=bo+b&status=3"),
        ("/users?sort=login:desc", "/admin/users?sort=login%3Adesc"),
        ("/users/new", "/admin/users/new"),
        (&format!("/users/{}", root.id), &person),
        (&format!("/users/{}/edit", root.id), &person),
        ("/my/", "/my/account"),
        ("/users/current/", "/my/account"),
    ] {
        let answer = visitor.get(address).await;
        assert_eq!((answer.status, answer.location()), (303, lands), "{address}");
        assert_eq!(visitor.get(lands).await.status, 200, "{address}");
        let stranger = site.visitor();
        let asked = stranger.get(stranger.get(address).await.location()).await;
        assert_eq!(asked.status, 302, "{address}: strangers sign in first");
        assert!(asked.location().starts_with("/login?back_url="), "{address}");
    }
}

#[rstest]
#[tokio::test]
async fn the_numbers_of_statuses_list_the_same_people_as_their_names(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    site.set_user(&site.add_user("lotte").await, "status = 'locked'");
    let root = site.signed_in("root").await;
    for (status, shows) in [
        ("1", [true, false]),
        ("3", [false, true]),
        ("!1", [false, true]),
        ("1|3", [true, true]),
        ("*", [true, true]),
        ("locked", [false, true]),
        ("", [true, true]),
    ] {
        let list = root.get(&format!("/admin/users?status={status}")).await;
        assert_eq!(["root@example.org", "lotte@example.org"].map(|mail| list.shows(mail)), shows, "{status:?}");
    }
}

/// A link to sign out, which must not do it by itself: any page could have an image there.
#[rstest]
#[tokio::test]
async fn a_link_to_sign_out_leads_to_a_button(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let asked = alice.get("/logout").await;
    assert!(asked.status == 200 && asked.shows("You are signed in as alice."), "{}", asked.text());
    assert!(asked.html.contains("<title>Sign out · Latchkey</title>"));
    assert!(alice.is_signed_in().await);
    let done = alice.post("/logout", &[("form_token", &asked.value_of("form_token"))]).await;
    assert_eq!((done.status, done.location()), (303, "/login?notice=signed_out"));
    let again = alice.get("/logout").await;
    assert_eq!((again.status, again.location()), (303, "/login"));
}

/// A link to sign in, on a page of ours that a browser still shows.
#[rstest]
#[tokio::test]
async fn who_is_signed_in_comes_back_to_where_the_link_was(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for (address, referrer, lands) in [
        ("/login", format!("{}/activity?page=2", site.url), "/activity?page=2"),
        ("/login?back_url=%2Fmy%2Ftokens", format!("{}/activity", site.url), "/my/tokens"),
        ("/login?back_url=%2F%2Fevil.example", format!("{}/activity", site.url), "/activity"),
        ("/login", format!("{}/login", site.url), "/my/account"),
        ("/login", "https://evil.example/activity".into(), "/my/account"),
    ] {
        let answer = page(alice.request(Method::GET, address).header("Referer", &referrer)).await;
        assert_eq!((answer.status, answer.location()), (303, lands), "{address} from {referrer}");
    }
}

/// Redmine takes a slash at the end of every address.
#[rstest]
#[tokio::test]
async fn a_slash_at_the_end_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    use latchkey::models::keys::token::TokenAction;
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    let (person, token) = (format!("/users/{}.xml", root.id), format!("/my/tokens/{}.json", key.id));
    for address in ["/users/current.json", "/users.xml", &person, "/my/account.json", "/my/tokens.json", &token] {
        let plain = site.get_with_key(address, &key).await;
        let slashed = site.get_with_key(&format!("{address}/"), &key).await;
        assert_eq!((slashed.status, &slashed.text), (plain.status, &plain.text), "{address}");
        assert_eq!(slashed.header("Content-Type"), plain.header("Content-Type"), "{address}");
        let stranger = Answer::of(site.get(&format!("{address}/"))).await;
        assert_eq!(stranger.header("Content-Type"), Answer::of(site.get(address)).await.header("Content-Type"));
        assert_eq!(stranger.status, 401, "{address}");
    }
    let visitor = site.signed_in("root").await;
    for address in ["/my/account/", "/activity/", "/admin/users/", "/login/"] {
        let status = visitor.get(address).await.status;
        assert_eq!(status, if address == "/login/" { 303 } else { 200 }, "{address}");
    }
}

/// A program that forgets the ending must not follow a redirect to a page and read that.
#[rstest]
#[tokio::test]
async fn a_program_that_forgets_the_ending_is_told_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    let root = site.add_admin("root").await;
    let told = "This is the address of a page. For the API, add .json or .xml to it.\n";
    let person = format!("/users/{}", root.id);
    for path in ["/users", "/users/current", &person, "/my/account", "/my/account/", "/my/tokens"] {
        for accept in ["application/json", "application/xml", "application/xml;q=0.9, application/json"] {
            let answer = Answer::of(site.get(&format!("/keys{path}")).header("Accept", accept)).await;
            assert_eq!((answer.status, answer.text.as_str()), (406, told), "{path} {accept}");
        }
        for accept in
            ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "*/*", "text/*, application/json"]
        {
            let answer = Answer::of(site.get(&format!("/keys{path}")).header("Accept", accept)).await;
            assert!([302, 303].contains(&answer.status), "{path} {accept}: {}", answer.status);
        }
    }
    for (method, path) in
        [(Method::PUT, &*person), (Method::DELETE, &person), (Method::POST, "/users"), (Method::PUT, "/my/account")]
    {
        for media_type in ["application/json", "text/xml"] {
            let request = site.request(method.clone(), &format!("/keys{path}")).header("Content-Type", media_type);
            assert_eq!(Answer::of(request.body("{}")).await.status, 406, "{method} {path}");
        }
    }
    let elsewhere = site.get("/keys/activity").header("Accept", "application/json");
    assert_eq!(Answer::of(elsewhere).await.status, 302, "the API has no such address");
}
