//! Another name, note, scopes or expiry for an access token.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn the_form_stands_as_the_token_does_and_what_is_left_stays(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_admin("alice").await;
    let made = add(&site, &user, "Report", "account:read users:read", Expiry::InDays(40)).await;
    let lasting = add(&site, &user, "Lasting", "account:read", Expiry::Never).await;
    let alice = site.signed_in("alice").await;
    let form = alice.get(&made.edit_path()).await;
    assert_eq!((form.value_of("name").as_str(), note(&form)), ("Report", ""));
    for (scope, ticked) in [("account:read", true), ("account:write", false), ("users:read", true)] {
        assert_eq!(choice(&form, scope), Some(ticked), "{scope}");
    }
    assert_eq!(choice(&form, "keep"), Some(true));
    assert!(form.shows("Keep current until 3 Jan 2027 7 days until 1 Dec 2026"), "{}", form.text());
    let other = alice.get(&lasting.edit_path()).await;
    assert!(
        other.shows("Keep current: no expiration 7 days until") && choice(&other, "never").is_none(),
        "{}",
        other.text()
    );

    let before = rows_of_tokens(&site);
    let fields = [("name", "Report"), ("note", ""), ("scopes", "account:read"), ("scopes", "users:read")];
    let saved = alice.post(&made.edit_path(), &[&fields[..], &[("expiry", "keep")]].concat()).await;
    assert_eq!((saved.status, saved.location().to_owned()), (303, format!("{}?notice=token_changed", made.path())));
    assert_eq!(rows_of_tokens(&site), before);
    assert!(!alice.get("/activity").await.shows("changed"), "nothing has changed");
}

#[rstest]
#[tokio::test]
async fn everything_about_it_can_be_changed_and_counts_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::InDays(40)).await;
    let rotated = rotate(&site, &user, made.id, Grace::Week).await;
    assert_eq!((status(&site, &made).await, status(&site, &rotated).await), (200, 200));
    let alice = site.signed_in("alice").await;
    let fields = [("name", "Renamed"), ("note", "why"), ("scopes", "tokens:read"), ("expiry", "7d")];
    let saved = alice.post(&made.edit_path(), &fields).await;
    let page = alice.get(saved.location()).await;
    assert!(page.shows("The access token has been changed.") && page.shows("Renamed"), "{}", page.text());
    assert!(
        page.shows("Permissions Your keys See your keys tokens:read Note why") && page.shows("State Expires in 7 days"),
        "{}",
        page.text()
    );
    assert_eq!((status(&site, &made).await, status(&site, &rotated).await), (403, 403), "whichever secret it is");
    let told = alice.get("/activity").await;
    assert!(told.shows("Access token “Renamed” changed"), "{}", told.text());
    let fields = [("name", "Renamed"), ("scopes", "account:write"), ("expiry", "never")];
    assert_eq!(alice.post(&made.edit_path(), &fields).await.status, 303);
    assert_eq!((status(&site, &made).await, status(&site, &rotated).await), (200, 200));
    let token = &all_of(&site, &user)[0];
    assert_eq!((token.note.as_str(), token.expires_on), ("", None));
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_is_kept(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Report", "account:read", Expiry::InDays(40)).await;
    let alice = site.signed_in("alice").await;
    let before = rows_of_tokens(&site);
    let fields =
        [("name", ""), ("note", "typed"), ("expiry", "date"), ("date", "2026-11-01"), ("scopes", "tokens:write")];
    for (leave_out, told) in [
        ("", &["Name cannot be blank", "Expiration must be in the future"][..]),
        ("scopes", &["Name cannot be blank", "Choose at least one scope"]),
        ("date", &["Name cannot be blank", "Expiration needs a date"]),
    ] {
        let sent: Vec<_> = fields.into_iter().filter(|(name, _)| *name != leave_out).collect();
        let refused = alice.post(&made.edit_path(), &sent).await;
        assert_eq!(refused.status, 422, "without {leave_out}");
        assert!(refused.html.contains("<title>Error: Edit Report · Latchkey</title>"), "the name that it has");
        assert!(told.iter().all(|text| refused.shows(text)), "without {leave_out}: {}", refused.text());
        assert_eq!((refused.value_of("name").as_str(), note(&refused)), ("", "typed"), "without {leave_out}");
        assert_eq!(choice(&refused, "date"), Some(true), "without {leave_out}");
        assert_eq!(choice(&refused, "tokens:write"), Some(leave_out != "scopes"), "without {leave_out}");
        assert_eq!(choice(&refused, "account:read"), Some(false), "without {leave_out}");
    }
    assert_eq!(rows_of_tokens(&site), before);
}

/// Somebody who is no administrator any more keeps the token, and can take away what only administrators may give.
#[rstest]
#[tokio::test]
async fn scopes_of_an_administrator_can_be_taken_away_and_not_given_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_admin("alice").await;
    let made = add(&site, &user, "Report", "account:read users:read", Expiry::Never).await;
    site.set_user(&user, "admin = false");
    let alice = site.signed_in("alice").await;
    let form = alice.get(&made.edit_path()).await;
    assert_eq!((choice(&form, "users:read"), choice(&form, "users:write")), (Some(true), None));
    assert_eq!(alice.post(&made.edit_path(), &[("name", "Report"), ("scopes", "account:read")]).await.status, 303);
    assert_eq!(choice(&alice.get(&made.edit_path()).await, "users:read"), None);
    let refused = alice.post(&made.edit_path(), &[("name", "Report"), ("scopes", "users:read")]).await;
    assert!(refused.status == 422 && refused.shows("Only administrators can use the scopes of users and services"));
    assert_eq!(all_of(&site, &user)[0].scopes.to_string(), "account:read");
}
