//! Whoever has forgotten their password gets a link, and nobody learns who has an account.

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

const NEW: &str = "another-password-7d1e";
const CHOOSE: &str = "/lost-password/choose";
const SAID: &str = "If an account has this login or email, a link is on its way.";

async fn ask(site: &Site, who: &str) -> Page {
    let visitor = site.visitor();
    let sent = visitor.post("/lost-password", &[("login", who)]).await;
    assert_eq!((sent.status, sent.location()), (303, "/lost-password?notice=link_asked"), "{who}: {}", sent.text());
    let said = visitor.get(sent.location()).await;
    assert!(said.shows(SAID), "{}", said.text());
    said
}

async fn choose(visitor: &Visitor, password: &str) -> Page {
    visitor.post(CHOOSE, &[("new_password", password), ("new_password_confirmation", password)]).await
}

#[rstest]
#[tokio::test]
async fn a_link_leads_to_a_new_password(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2027-03-31").await;
    let elsewhere = site.signed_in("alice").await;
    let sign_in = site.visitor().get("/login").await;
    assert!(sign_in.html.contains("href=\"/lost-password\""), "{}", sign_in.html);
    ask(&site, "Alice").await;
    eventually("it arrives", || server.mails().iter().any(|mail| mail.subject.starts_with("Choose"))).await;
    let mails = server.mails();
    let mail = mails.iter().find(|mail| mail.subject == "Choose a new password for 127.0.0.1").expect("the mail");
    assert_eq!(mail.to, [alice.mail.as_str()]);
    let link = mail.link(CHOOSE);
    // The secret is in the mail and nowhere else.
    let secret = link.rsplit('=').next().expect("a token");
    assert!(!site.database.written().contains(secret));
    let visitor = site.visitor();
    let followed = visitor.get(path_of(&site, &link)).await;
    assert_eq!((followed.status, followed.location()), (303, CHOOSE), "the token leaves the address bar");
    let form = visitor.get(CHOOSE).await;
    assert!(form.shows("Choose a new password") && form.shows("alice"), "{}", form.text());
    for bad in ["short", "password1234", ""] {
        let refused = choose(&visitor, bad).await;
        assert!(refused.status == 422 && refused.shows("There is a problem"), "{bad}: {}", refused.text());
    }
    let done = choose(&visitor, NEW).await;
    assert_eq!((done.status, done.location()), (303, "/login?notice=password_chosen"), "{}", done.text());
    assert!(visitor.get(done.location()).await.shows("Your password has been set."));
    assert!(!elsewhere.is_signed_in().await, "earlier sessions have ended");
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 422);
    site.visitor().sign_in("alice", NEW).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "keys work on");
    // The link works once, here and elsewhere.
    for visitor in [&visitor, &site.visitor()] {
        visitor.get(path_of(&site, &link)).await;
        for over in [visitor.get(CHOOSE).await, choose(visitor, NEW).await] {
            assert!(over.status == 410 && over.shows("This link does not work"), "{}", over.text());
        }
    }
    eventually("the change is told", || server.mails().iter().any(|mail| mail.subject.ends_with("was changed"))).await;
    let me = site.visitor();
    me.sign_in("alice", NEW).await;
    let activity = me.get("/activity").await;
    assert!(activity.shows("Password changed") && activity.shows("link in a mail"), "{}", activity.text());
}

#[rstest]
#[tokio::test]
async fn whoever_is_asked_for_the_answer_is_the_same(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let (alice, locked) = (site.add_user("alice").await, site.add_user("locked").await);
    site.add_passwordless_user("nobody-signs-in").await;
    site.add_service_account("backup", &alice).await;
    site.set_user(&locked, "status = 'locked'");
    let mut pages = Vec::new();
    for who in [alice.mail.as_str(), "locked", "nobody-signs-in", "backup", "stranger", "stranger@example.org", "<b>"] {
        let page = ask(&site, who).await;
        let without_token = page.html.split("form_token").next().expect("a part").to_owned();
        pages.push(without_token);
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
    until_done(&site).await;
    let mails = server.received(1).await;
    assert_eq!(mails[0].to, [alice.mail]);
    // What nobody gets is not kept: strangers cannot fill the table.
    assert_eq!(site.database.number("SELECT count(*) AS number FROM mails"), 1);
}

#[rstest]
#[tokio::test]
async fn a_newer_link_replaces_an_older_one_and_both_age(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    site.add_user("alice").await;
    ask(&site, "alice").await;
    let first = server.received(1).await[0].link(CHOOSE);
    ask(&site, "alice").await;
    let second = server.received(2).await[1].link(CHOOSE);
    let visitor = site.visitor();
    visitor.get(path_of(&site, &first)).await;
    assert_eq!(visitor.get(CHOOSE).await.status, 410, "a newer one was sent");
    visitor.get(path_of(&site, &second)).await;
    assert_eq!(visitor.get(CHOOSE).await.status, 200);
    site.later(TimeDelta::hours(24));
    assert_eq!(visitor.get(CHOOSE).await.status, 410, "it is older than a day");
    assert_eq!(choose(&visitor, NEW).await.status, 410);
    site.visitor().sign_in("alice", PASSWORD).await;
}

#[rstest]
#[tokio::test]
async fn links_are_bounded_for_a_person_and_for_an_address(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    site.add_user("alice").await;
    for _ in 0..5 {
        ask(&site, "alice").await;
    }
    until_done(&site).await;
    server.received(3).await;
    site.later(TimeDelta::minutes(61));
    ask(&site, "alice").await;
    server.received(4).await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(site.visitor().post("/lost-password", &[("login", "stranger")]).await.status);
        site.later(TimeDelta::minutes(2));
    }
    assert_eq!(statuses, [303; 12]);
    for _ in 0..20 {
        statuses.push(site.visitor().post("/lost-password", &[("login", "stranger")]).await.status);
        site.later(TimeDelta::seconds(30));
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), statuses.len() - 19, "{statuses:?}");
}

#[rstest]
#[tokio::test]
async fn what_is_no_login_or_address_is_said(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _server) = site_with_mail(db).await;
    for (typed, why) in [("", "Enter your login"), ("   ", "Enter your login"), (&"a".repeat(255)[..], "too long")] {
        let refused = site.visitor().post("/lost-password", &[("login", typed)]).await;
        assert!(refused.status == 422 && refused.shows(why), "{typed}: {}", refused.text());
    }
    let visitor = site.visitor();
    for token in ["", "x", &"y".repeat(5000)] {
        assert_eq!(visitor.get(&format!("{CHOOSE}?token={token}")).await.status, 303);
        assert_eq!(visitor.get(CHOOSE).await.status, 410);
    }
}

#[rstest]
#[tokio::test]
async fn whoever_is_locked_meanwhile_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    ask(&site, "alice").await;
    let link = server.received(1).await[0].link(CHOOSE);
    let visitor = site.visitor();
    visitor.get(path_of(&site, &link)).await;
    site.set_user(&alice, "status = 'locked'");
    assert_eq!(choose(&visitor, NEW).await.status, 410);
    site.set_user(&alice, "status = 'active'");
    site.visitor().sign_in("alice", PASSWORD).await;
}

#[rstest]
#[tokio::test]
async fn a_program_has_the_person_choose_their_password(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let boss = site.add_admin("boss").await;
    let key = site.add_key(&boss, latchkey::models::keys::token::TokenAction::Api).await;
    let send = |method: reqwest::Method, path: &str, body: &str| {
        let request = site.request(method, path).header("X-Redmine-API-Key", &key.secret);
        Answer::of(request.header("Content-Type", "application/json").body(body.to_owned()))
    };
    let dora =
        r#"{"login":"dora","firstname":"Dora","lastname":"Doe","mail":"dora@example.org","generate_password":true}"#;
    let added = format!(r#"{{"send_information":true,"user":{dora}}}"#);
    let added = send(reqwest::Method::POST, "/users.json", &added).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let mails = server.received(1).await;
    assert_eq!(
        (mails[0].to.as_slice(), mails[0].subject.as_str()),
        (&["dora@example.org".to_owned()][..], "Your account on 127.0.0.1")
    );
    assert!(mails[0].text.contains("Login: dora"), "{}", mails[0].text);
    let visitor = site.visitor();
    visitor.get(path_of(&site, &mails[0].link(CHOOSE))).await;
    assert_eq!(choose(&visitor, NEW).await.status, 303);
    site.visitor().sign_in("dora", NEW).await;
    // An administrator can have somebody choose anew; without being asked to, nobody is sent a link.
    let id = site.user("dora").id;
    for (body, links) in [
        (r#"{"user":{"generate_password":true}}"#, 1),
        (r#"{"send_information":"1","user":{"firstname":"Dorothea"}}"#, 1),
        (r#"{"send_information":"1","user":{"generate_password":"1"}}"#, 2),
    ] {
        // That a password is changed is told once an hour.
        until_done(&site).await;
        site.later(TimeDelta::minutes(61));
        let changed = send(reqwest::Method::PUT, &format!("/users/{id}.json"), body).await;
        assert_eq!(changed.status, 204, "{}", changed.text);
        until_done(&site).await;
        let told = server.mails().iter().filter(|mail| mail.subject == "Your account on 127.0.0.1").count();
        assert_eq!(told, links, "{body}");
    }
    assert_eq!(site.visitor().try_sign_in("dora", NEW).await.status, 422);
}

/// A mailbox alone is not enough for an account with a second factor.
#[rstest]
#[tokio::test]
async fn a_second_factor_is_still_asked_for(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    site.set_user(&alice, "twofa_scheme = 'totp'");
    ask(&site, "alice").await;
    let link = server.received(1).await[0].link(CHOOSE);
    let visitor = site.visitor();
    visitor.get(path_of(&site, &link)).await;
    assert_eq!(choose(&visitor, NEW).await.location(), "/login?notice=password_chosen");
    assert!(!visitor.is_signed_in().await);
    let refused = visitor.try_sign_in("alice", NEW).await;
    assert!(refused.status == 422 && refused.shows("second factor"), "{}", refused.text());
}
