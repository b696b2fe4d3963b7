//! Forms from elsewhere. "A POST passes with `Sec-Fetch-Site: same-origin`, or with an Origin equal to `LATCHKEY_URL` or
//! the Host; without `Sec-Fetch-Site`, and with no Origin or with `Origin: null`, it needs the form's token; anything
//! else is refused."

use rstest::rstest;

use super::*;

const OURS: &str = "http://keys.example.org";

/// Every combination, and by the sentence above whether it passes.
#[rstest]
#[tokio::test]
async fn a_form_passes_by_what_its_headers_and_its_token_say(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[&format!("--url={OURS}")]).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let right = alice.get("/my/account").await.value_of("form_token");
    assert_eq!(right.len(), 32);
    let hosts = site.url.clone();
    let (mut passed, mut number) = (0, 0);
    for fetch_site in [Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), None] {
        for origin in [Some(OURS), Some(hosts.as_str()), Some("http://evil.example"), Some("null"), None] {
            for token in [Some(right.as_str()), Some("0123456789abcdef0123456789abcdef"), None] {
                let case = format!("Sec-Fetch-Site {fetch_site:?}, Origin {origin:?}, token {token:?}");
                number += 1;
                let name = format!("Name {number}");
                let before = site.user("alice").firstname;
                let mut fields = vec![("firstname", name.as_str()), ("lastname", "L"), ("mail", "a@example.org")];
                fields.extend(token.map(|token| ("form_token", token)));
                let mut request = alice.request(Method::POST, "/my/account").form(&fields);
                request = fetch_site.into_iter().fold(request, |it, value| it.header("Sec-Fetch-Site", value));
                request = origin.into_iter().fold(request, |it, value| it.header("Origin", value));
                let answer = page(request).await;
                let ours = origin == Some(OURS) || origin == Some(hosts.as_str());
                let unsaid = fetch_site.is_none() && matches!(origin, None | Some("null"));
                let passes = fetch_site == Some("same-origin") || ours || (unsaid && token == Some(right.as_str()));
                if passes {
                    passed += 1;
                    assert_eq!(answer.status, 303, "{case}: {}", answer.text());
                    assert_eq!(site.user("alice").firstname, name, "{case}");
                } else {
                    assert_eq!(answer.status, 403, "{case}: {}", answer.text());
                    assert_eq!(site.user("alice").firstname, before, "{case} has changed something");
                    let why =
                        if unsaid { "This form is out of date." } else { "This form was sent from another site." };
                    assert!(answer.shows(why), "{case}: {}", answer.text());
                }
            }
        }
    }
    assert_eq!((number, passed), (75, 41), "cases, and those that pass");
}

/// What looks like ours and is not.
#[rstest]
#[tokio::test]
async fn an_origin_that_only_resembles_ours_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &[&format!("--url={OURS}")]).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let token = alice.get("/my/account").await.value_of("form_token");
    let port = site.url.rsplit_once(':').expect("a port").1.to_owned();
    let fields = [("firstname", "Eve"), ("lastname", "L"), ("mail", "a@example.org"), ("form_token", &token)];
    for origin in [
        "http://keys.example.org.evil.example",
        "http://evil.example/keys.example.org",
        "http://keys.example.org:8080",
        "http://keys.example.org@evil.example",
        "https://keys.example.org",
        "keys.example.org",
        "http://127.0.0.1",
        &format!("http://localhost:{port}"),
        &format!("127.0.0.1:{port}"),
        "",
        "Null",
        "file://",
    ] {
        let request = alice.request(Method::POST, "/my/account").header("Origin", origin);
        assert_eq!(page(request.form(&fields)).await.status, 403, "{origin:?}");
    }
    let odd = reqwest::header::HeaderValue::from_bytes(b"http://\xff").expect("a header");
    let request = alice.request(Method::POST, "/my/account").header("Origin", odd);
    assert_eq!(page(request.form(&fields)).await.status, 403, "not even text");
    for fetch_site in ["", "Same-Origin", "same-origin, same-origin", "same-origin;", "x"] {
        let request = alice.request(Method::POST, "/my/account").header("Sec-Fetch-Site", fetch_site);
        assert_eq!(page(request.form(&fields)).await.status, 403, "{fetch_site:?}");
    }
    assert_eq!(site.user("alice").firstname, "Test");
    let request = alice.request(Method::POST, "/my/account").header("Origin", "HTTP://Keys.Example.ORG");
    assert_eq!(page(request.form(&fields)).await.status, 303, "in another case it is the same");
}

/// "Plain http under a LAN host name must work": browsers send an Origin there, and no `Sec-Fetch-Site`.
#[rstest]
#[tokio::test]
async fn under_a_plain_http_name_that_no_setting_knows_forms_work(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.visitor();
    let post = async |path: &'static str, origin: Option<&'static str>, fields: &[(&str, &str)]| {
        let request = alice.request(Method::POST, path).header("Host", "nas.lan:3000");
        let request = origin.into_iter().fold(request, |it, origin| it.header("Origin", origin));
        page(request.form(fields)).await
    };
    let lan = Some("http://nas.lan:3000");
    let signed_in = post("/login", lan, &[("username", "alice"), ("password", PASSWORD)]).await;
    assert_eq!((signed_in.status, signed_in.location()), (303, "/my/account"));
    let made = post("/my/api_key", lan, &[("replaces", "")]).await;
    assert_eq!(made.status, 200);
    made.secret();
    let foreign = post("/my/atom_key", Some("http://other.lan:3000"), &[("replaces", "")]).await;
    assert_eq!(foreign.status, 403, "another name of the LAN");
    // An old browser sends no Origin with forms: the token of its page will do.
    let token = alice.get("/my/account").await.value_of("form_token");
    assert_eq!(post("/logout", None, &[]).await.status, 403);
    assert_eq!(post("/logout", None, &[("form_token", &token)]).await.status, 303);
    assert!(!alice.is_signed_in().await);
}

/// The token of one browser is none in another, and none after signing in; a token that a form carries is needed even
/// where nobody is signed in.
#[rstest]
#[tokio::test]
async fn a_form_token_is_that_of_one_browser_and_one_session(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let (alice, eve) = (site.visitor(), site.visitor());
    let (hers, eves) =
        (alice.get("/login").await.value_of("form_token"), eve.get("/login").await.value_of("form_token"));
    assert_ne!(hers, eves);
    let sign_in = async |who: &Visitor, token: &str| {
        let form = [("username", "alice"), ("password", PASSWORD), ("form_token", token)];
        page(who.request(Method::POST, "/login").form(&form)).await.status
    };
    assert_eq!(sign_in(&alice, &eves).await, 403, "another browser's");
    assert_eq!(sign_in(&site.visitor(), &hers).await, 403, "a browser without the cookie");
    assert_eq!(sign_in(&site.visitor(), "").await, 403, "neither");
    assert_eq!(alice.get("/login").await.value_of("form_token"), hers, "it stays while the form is open");
    assert_eq!(sign_in(&alice, &hers).await, 303);
    let save = async |token: &str| {
        let form = [("firstname", "A"), ("lastname", "L"), ("mail", "a@example.org"), ("form_token", token)];
        page(alice.request(Method::POST, "/my/account").form(&form)).await.status
    };
    assert_eq!(save(&hers).await, 403, "that of before the sign-in");
    let new = alice.get("/my/account").await.value_of("form_token");
    assert_eq!(save(&new).await, 303);
    let many = [("form_token", new.as_str()), ("form_token", "other"), ("firstname", "B"), ("lastname", "L")];
    let answer = page(alice.request(Method::POST, "/my/account").form(&many)).await;
    assert!(answer.status < 500, "a token twice: {}", answer.status);
}

/// Refused forms change nothing, whichever form it is.
#[rstest]
#[tokio::test]
async fn every_form_asks_where_it_is_from(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    let new = "a-brand-new-password";
    log::note_secret(new);
    let before = [site.database.dump("users"), site.database.dump("tokens")];
    let hashed = site.app.passwords.hash_calls();
    let forms: [(&str, &[(&str, &str)]); 6] = [
        ("/my/account", &[("firstname", "Eve"), ("lastname", "L"), ("mail", "e@example.org")]),
        ("/my/password", &[("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)]),
        ("/my/api_key", &[("replaces", "")]),
        ("/my/atom_key", &[("replaces", "")]),
        ("/logout", &[]),
        ("/login", &[("username", "alice"), ("password", "wrong-from-elsewhere")]),
    ];
    for (path, fields) in forms {
        for (header, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example"), ("X-None", "")] {
            let answer = page(alice.request(Method::POST, path).header(header, value).form(fields)).await;
            assert_eq!(answer.status, 403, "{path} with {header}");
        }
    }
    assert_eq!([site.database.dump("users"), site.database.dump("tokens")], before);
    assert_eq!(site.app.passwords.hash_calls(), hashed, "no password is tried for another site");
    assert!(alice.is_signed_in().await, "nobody signs her out");
}

/// What is fetched changes nothing, so a link from elsewhere cannot either.
#[rstest]
#[tokio::test]
async fn a_get_makes_no_key_and_signs_nobody_out(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    let before = site.database.dump("tokens");
    assert_eq!(alice.get("/logout").await.status, 200);
    assert_eq!(alice.get("/my/api_key?replaces=").await.status, 303);
    assert_eq!(alice.get("/my/atom_key?replaces=").await.status, 303);
    assert_eq!(alice.get("/login?username=alice&password=x").await.status, 303);
    assert_eq!(site.database.dump("tokens"), before);
}
