//! The day that was chosen for an expiry is told as the end of that day, wherever people read it.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use crate::support::*;

const CHOSEN: &str = "2027-03-31";

#[rstest]
#[tokio::test]
async fn the_day_that_was_chosen_is_told_back(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [("name", "By the page"), ("scopes", "account:read"), ("expiry", "date"), ("date", CHOSEN)];
    alice.post("/my/tokens", &fields).await.secret();
    let api = site.add_key(&user, TokenAction::Api).await;
    let wish = serde_json::json!({ "name": "By the API", "scopes": ["account:read"], "expires_on": CHOSEN });
    let request = site.request(reqwest::Method::POST, "/my/tokens.json").header("X-Redmine-API-Key", &api.secret);
    let made = Answer::of(request.json(&wish)).await;
    assert_eq!(made.json()["expires_on"], "2027-04-01T00:00:00Z", "programs read the moment");
    log::note_secret(made.json()["secret"].as_str().expect("a secret"));
    let command_line = CommandLine::on(&site.database);
    let by_command = ["key", "add", "alice", "--action=access", "--name=By the command line", "--scope=account:read"];
    let made = command_line.run(&[&by_command[..], &["--expires", CHOSEN]].concat());
    assert!(made.stderr.contains("; it expires at the end of 2027-03-31 (UTC)\n"), "{}", made.stderr);
    log::note_secret(made.stdout.trim());

    let listed = command_line.run(&["key", "list", "alice"]).done().stdout;
    assert_eq!((listed.matches(CHOSEN).count(), listed.contains("2027-04-01")), (3, false), "{listed}");
    let id = site.database.number("SELECT max(id) AS number FROM tokens");
    let shown = command_line.run(&["key", "show", &id.to_string()]).done().stdout;
    assert!(shown.contains("expires         the end of 2027-03-31 (UTC)\n"), "{shown}");

    let activity = alice.get("/activity").await;
    assert_eq!(activity.text().matches("expires at the end of 2027-03-31 (UTC)").count(), 3, "{}", activity.text());
    let page = alice.get(&format!("/my/tokens/{id}")).await;
    assert!(page.shows("Expiration The end of 31 Mar 2027 (UTC)"), "{}", page.text());
    let form = alice.get(&format!("/my/tokens/{id}/edit")).await;
    assert!(form.shows("Keep current until the end of 31 Mar 2027"), "{}", form.text());
    assert!(page.html.contains("title=\"the end of 31 Mar 2027 (UTC)\""), "{}", page.html);
    for page in [&page, &form, &alice.get("/my/tokens").await, &activity] {
        assert!(!page.html.contains("1 Apr 2027"), "{}", page.html);
    }
    site.later(TimeDelta::days(128));
    let expired = site.signed_in("alice").await.get("/my/tokens").await;
    assert!(expired.shows("Expired") && expired.html.contains("title=\"the end of 31 Mar 2027 (UTC)\""));
    assert!(!expired.html.contains("1 Apr 2027"), "{}", expired.html);
}

/// Any other time is told as it is, to the second where there is room.
#[rstest]
#[tokio::test]
async fn another_time_is_told_as_it_is(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let key = site.add_access_token(&user, "account:read", "2027-03-31T12:00:00Z").await;
    let alice = site.signed_in("alice").await;
    let form = alice.get(&format!("/my/tokens/{}/edit", key.id)).await;
    assert!(form.shows("Keep current until 31 Mar 2027"), "{}", form.text());
    let page = alice.get(&format!("/my/tokens/{}", key.id)).await;
    assert!(page.shows("Expiration 31 Mar 2027, 12:00:00 UTC"), "{}", page.text());
    assert!(page.html.contains("title=\"31 Mar 2027, 12:00:00 UTC\""), "{}", page.html);
    let shown = CommandLine::on(&site.database).run(&["key", "show", &key.id.to_string()]).done().stdout;
    assert!(shown.contains("expires         2027-03-31T12:00:00Z\n"), "{shown}");
}
