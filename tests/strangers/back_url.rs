//! The way back after signing in: to a page of ours, and never a way out.

use rstest::rstest;

use super::*;

/// Where signing in with this `back_url` leads, and whoever is signed in already.
async fn way_back(visitor: &Visitor, base: &str, back_url: &str) -> String {
    let form = [("username", "alice"), ("password", PASSWORD), ("back_url", back_url)];
    let signed_in = visitor.post(&format!("{base}/login"), &form).await;
    assert_eq!(signed_in.status, 303, "{back_url:?}");
    let query: String = form_urlencoded::byte_serialize(back_url.as_bytes()).collect();
    let again = visitor.get(&format!("{base}/login?back_url={query}")).await;
    assert_eq!(again.status, 303, "{back_url:?}");
    assert_eq!(again.location(), signed_in.location(), "{back_url:?}: signed in already");
    signed_in.location().to_owned()
}

/// "back_url (local paths only)": whatever a browser makes of it, it stays here.
#[rstest]
#[tokio::test]
async fn no_back_url_leads_away(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    let here = reqwest::Url::parse(&site.url).expect("a URL");
    for back_url in [
        "",
        "https://evil.example/",
        "HTTP://evil.example",
        "http:evil.example",
        "https:/evil.example",
        "//evil.example",
        "///evil.example",
        "////evil.example/..",
        "/\\evil.example",
        "\\/evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
        "/\u{0}/evil.example",
        "/\u{b}/evil.example",
        "/\u{7f}/evil.example",
        "/\u{85}/evil.example",
        "/\u{2028}/evil.example",
        "/\u{3000}/evil.example",
        "/\u{ff0f}evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "evil.example",
        "@evil.example",
        ".evil.example",
        "?x=//evil.example",
        "#//evil.example",
        "%2F%2Fevil.example",
        "%5C%5Cevil.example",
        &format!("{}@evil.example", site.url),
        &format!("{}.evil.example/", site.url),
        "/my/account\r\nSet-Cookie: latchkey=x",
        "/my/account\r\nLocation: https://evil.example",
        "https://127.0.0.1/activity",
        "ftp://127.0.0.1/activity",
        "http://127.0.0.1:1/activity",
        // Nobody wants to come back to these.
        "/login",
        "/login/",
        "/login?back_url=%2Factivity",
        "/%6cogin",
        "/login#x",
        "/logout",
        &format!("{}/login", site.url),
        // Browsers and proxies resolve these before they look where they lead.
        "/my/../activity",
        "/..",
        "/%2e%2e/x",
        "/.%2E/x",
        "/%252e%252e/x",
        "/my%2f..%2factivity",
        "/my\\..\\activity",
        "/my%5c%2e%2e%5cactivity",
    ] {
        assert_eq!(way_back(&visitor, "", back_url).await, "/my/account", "{back_url:?}");
    }
    // These are paths of ours, though nothing stands there.
    for back_url in [
        "/%2Fevil.example",
        "/%5Cevil.example",
        "/%09/evil.example",
        "/@evil.example",
        "/.//evil.example",
        "/..//x",
        "/./",
    ] {
        let location = way_back(&visitor, "", back_url).await;
        assert_eq!(here.join(&location).expect("a URL").origin(), here.origin(), "{back_url:?}");
    }
}

/// After signing in, the person lands where they wanted to go.
#[rstest]
#[tokio::test]
async fn a_person_lands_where_they_wanted_to_go(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    for (wanted, asked, lands) in [
        ("/my/account", "/login?back_url=%2Fmy%2Faccount", "/my/account"),
        ("/activity?page=2", "/login?back_url=%2Factivity%3Fpage%3D2", "/activity?page=2"),
        ("/my/api_key", "/login?back_url=%2Fmy%2Fapi_key", "/my/api_key"),
        (
            "/activity?a=%26&b=%2B+%25",
            "/login?back_url=%2Factivity%3Fa%3D%2526%26b%3D%252B%2B%2525",
            "/activity?a=%26&b=%2B+%25",
        ),
    ] {
        let visitor = site.visitor();
        let turned_away = visitor.get(wanted).await;
        assert_eq!((turned_away.status, turned_away.location()), (302, asked));
        let form = visitor.get(turned_away.location()).await;
        let back_url = form.value_of("back_url");
        let wrong = [("username", "alice"), ("password", "a-wrong-password"), ("back_url", &back_url)];
        let again = visitor.post("/login", &wrong).await;
        assert_eq!(again.value_of("back_url"), back_url, "a slip loses nothing");
        let right = [("username", "alice"), ("password", PASSWORD), ("back_url", &back_url)];
        let signed_in = visitor.post("/login", &right).await;
        assert_eq!((signed_in.status, signed_in.location()), (303, lands));
    }
    let visitor = site.visitor();
    let turned_away = visitor.post("/my/api_key", &[("replaces", "")]).await;
    assert_eq!(turned_away.status, 302, "a form is not sent again by itself");
    assert_eq!(turned_away.location(), "/login?back_url=%2Fmy%2Faccount");
    assert_eq!(visitor.get("/").await.location(), "/my/account");
}

/// A full address of ours is as good as a path, and what follows `#` is for the page.
#[rstest]
#[tokio::test]
async fn a_full_address_of_ours_is_followed_with_its_fragment(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    let host = site.url.strip_prefix("http://").expect("http");
    for (back_url, lands) in [
        (format!("{}/activity", site.url), "/activity"),
        (format!("{}/activity?page=2#top", site.url), "/activity?page=2#top"),
        (format!("HTTP://{host}/activity"), "/activity"),
        (format!("http://alice:x@{host}/activity"), "/activity"),
        (format!("//{host}/activity"), "/activity"),
        (site.url.clone(), "/"),
        ("/my/tokens#token-7".into(), "/my/tokens#token-7"),
        ("/activity?a=1..2#..".into(), "/activity?a=1..2#.."),
        ("/my/./account".into(), "/my/account"),
    ] {
        assert_eq!(way_back(&visitor, "", &back_url).await, lands, "{back_url}");
    }
}

/// "No secret is … in a redirect (`key` is removed from `back_url`)".
#[rstest]
#[tokio::test]
async fn a_key_does_not_go_along(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let secret = "0123456789abcdef0123456789abcdef01234567";
    log::note_secret(secret);
    for (query, left) in [
        (format!("key={secret}"), "/activity"),
        (format!("key={secret}&page=2"), "/activity?page=2"),
        (format!("page=2&key={secret}"), "/activity?page=2"),
        (format!("page=2&key={secret}&key=&key={secret}"), "/activity?page=2"),
        (format!("%6bey={secret}&page=2"), "/activity?page=2"),
        (format!("key%5B%5D={secret}&page=2"), "/activity?page=2"),
        (format!("key[]={secret}&page=2"), "/activity?page=2"),
    ] {
        let visitor = site.visitor();
        let turned_away = visitor.get(&format!("/activity?{query}")).await;
        assert_eq!(turned_away.status, 302);
        assert!(!turned_away.location().contains(secret), "{query}: {}", turned_away.location());
        assert_eq!(visitor.get(turned_away.location()).await.value_of("back_url"), left);
        assert_eq!(way_back(&visitor, "", &format!("/activity?{query}")).await, left, "{query}");
        assert_eq!(way_back(&visitor, "", &format!("/activity?{query}#key={secret}")).await, left, "{query}");
    }
}

/// Below a prefix, the prefix is where we end.
#[rstest]
#[tokio::test]
async fn under_a_base_path_the_way_back_stays_below_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    for (back_url, lands) in [
        ("/keys/activity?page=2", "/keys/activity?page=2"),
        ("/keys/", "/keys/"),
        ("/keys", "/keys/my/account"),
        ("/keysmith", "/keys/my/account"),
        ("/activity", "/keys/my/account"),
        ("/", "/keys/my/account"),
        ("/keys\\..\\x", "/keys/my/account"),
        ("//keys/x", "/keys/my/account"),
        ("/keys/../x", "/keys/my/account"),
        ("/keys/%2e%2e/x", "/keys/my/account"),
        ("/keys/%2E./x", "/keys/my/account"),
        ("/keys/..%2fx", "/keys/my/account"),
        ("/keys/%5c..%5cx", "/keys/my/account"),
        ("/keys/activity/../../x", "/keys/my/account"),
        ("/keys/login", "/keys/my/account"),
        ("/keys/./activity", "/keys/activity"),
        ("http://127.0.0.1/keys/activity#x", "/keys/activity#x"),
        ("http://127.0.0.1/", "/keys/my/account"),
        ("http://127.0.0.1/x", "/keys/my/account"),
        ("http://127.0.0.1/keys/../x", "/keys/my/account"),
        ("http://127.0.0.1//keys/x", "/keys/my/account"),
        ("", "/keys/my/account"),
    ] {
        assert_eq!(way_back(&visitor, "/keys", back_url).await, lands, "{back_url}");
    }
}
