//! Forms from elsewhere make, change and end no token.

use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

#[rstest]
#[tokio::test]
async fn every_form_asks_where_it_is_from(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    assert!(alice.is_signed_in().await);
    let id = made.id.to_string();
    let before = rows_of_tokens(&site);
    let forms = [
        ("/my/tokens".to_owned(), vec![("after", id.as_str()), ("name", "Eve"), ("scopes", "account:read")]),
        (made.edit_path(), vec![("name", "Eve"), ("scopes", "account:write")]),
        (format!("{}/rotate", made.path()), vec![("replaces", id.as_str()), ("grace", "0")]),
        (format!("{}/revoke", made.path()), vec![]),
    ];
    for (path, fields) in &forms {
        for (header, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "http://evil.example"), ("X-None", "")] {
            let answer = page(alice.request(Method::POST, path).header(header, value).form(fields)).await;
            assert_eq!(answer.status, 403, "{path} with {header}");
        }
    }
    assert_eq!(rows_of_tokens(&site), before);
    assert_eq!(all_of(&site, &user)[0].name.as_deref(), Some("Report"));
    for (path, fields) in &forms {
        let token = alice.get("/my/tokens").await.value_of("form_token");
        let fields = [&fields[..], &[("form_token", token.as_str())]].concat();
        let answer = page(alice.request(Method::POST, path).form(&fields)).await;
        assert!([200, 303].contains(&answer.status), "{path} with the form's token: {}", answer.text());
        if answer.status == 200 {
            answer.secret();
        }
    }
}

/// Every link and form on them is below the prefix, and leads somewhere.
#[rstest]
#[tokio::test]
async fn links_and_forms_are_below_the_prefix(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::Never).await;
    let alice = site.visitor();
    alice.post("/keys/login", &[("username", "alice"), ("password", PASSWORD)]).await;
    let one = format!("/{}", made.id);
    let fields = [("after", &one[1..]), ("name", "Other"), ("scopes", "account:read")];
    let mut pages = vec![
        alice.post("/keys/my/tokens", &fields).await,
        alice.post("/keys/my/tokens", &fields).await,
        alice.post(&format!("/keys/my/tokens{one}/rotate"), &[("replaces", &one[1..]), ("grace", "1d")]).await,
        alice.post(&format!("/keys/my/tokens{one}/rotate"), &[("replaces", &one[1..]), ("grace", "1d")]).await,
    ];
    pages[0].secret();
    pages[2].secret();
    for end in [
        "",
        "?sort=last_used",
        "?state=safe_to_end",
        "/new",
        &one,
        &format!("{one}/edit"),
        &format!("{one}/rotate"),
        &format!("{one}/revoke"),
    ] {
        pages.push(alice.get(&format!("/keys/my/tokens{end}")).await);
    }
    for page in pages {
        assert!([200, 409].contains(&page.status), "{}", page.text());
        let links =
            ["href=\"", "action=\""].map(|name| page.html.split(name).skip(1).map(str::to_owned).collect::<Vec<_>>());
        for link in links.concat().iter().map(|link| link.split('"').next().expect("an address")) {
            assert!(link.starts_with("/keys/") || link.starts_with('#'), "{link}");
            let answer = alice.get(link.split('#').next().expect("a path")).await;
            assert!([200, 303, 405].contains(&answer.status) || link.starts_with('#'), "{link}: {}", answer.status);
        }
    }
    let revoked = alice.post(&format!("/keys/my/tokens{one}/revoke"), &[]).await;
    assert_eq!(revoked.location(), "/keys/my/tokens?notice=token_revoked");
}
