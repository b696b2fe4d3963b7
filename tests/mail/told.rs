//! What people are told, and how a mail reads.

use chrono::TimeDelta;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

#[rstest]
#[tokio::test]
async fn a_mail_reads_well_as_text_and_as_html(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2027-03-31").await;
    let mails = server.received(1).await;
    let mail = &mails[0];
    assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("Keys <keys@example.org>", &[alice.mail.clone()][..]));
    assert_eq!(mail.subject, "Access token “deploy” was created");
    assert_eq!(mail.headers["Auto-Submitted"], "auto-generated");
    assert_eq!(mail.headers["Date"], "Tue, 24 Nov 2026 09:30:00 +0000");
    assert!(mail.message_id.ends_with("@example.org>"), "{}", mail.message_id);
    let host = site.url.trim_start_matches("http://");
    let (id, hint) = (key.id, &key.secret[key.secret.len() - 4..]);
    let text = format!(
        "Hello {first},\n\nA key was created for your account:\n\n  Key: Access token “deploy” ····{hint}\n  Details: \
         may do account:read, expires at the end of 2027-03-31 (UTC)\n  \
         When: 24 Nov 2026, 09:30 UTC\n\nLook at the key:\nhttp://{host}/my/tokens/{id}\n\nIf you do not know of this, \
         revoke the key and change your password.\n\n-- \nLatchkey on {host}\nYou get this mail because it is about the \
         account alice. Mails that protect an account cannot be switched off.",
        first = alice.firstname
    );
    assert_eq!(mail.text.replace("\r\n", "\n"), text);
    let html = mail.html.as_ref().expect("HTML");
    for part in ["Access token “deploy”", "24 Nov 2026, 09:30 UTC", &format!("href=\"http://{host}/my/tokens/{id}\"")]
    {
        assert!(html.contains(part), "{html}");
    }
    // It loads nothing from elsewhere, so that nobody learns when it is read.
    for tag in ["<img", "<link", "<script", "<iframe", "url("] {
        assert!(!html.contains(tag), "{html}");
    }
    assert!(!mail.text.contains(&key.secret) && !html.contains(&key.secret), "no secret is in a mail");
}

#[rstest]
#[tokio::test]
async fn everything_that_concerns_an_account_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let (alice, _) = (site.add_user("alice").await, site.add_admin("boss").await);
    let (me, boss) = (site.signed_in("alice").await, site.signed_in("boss").await);
    let mut told: Vec<String> = Vec::new();
    let mut expect = |subject: String| told.push(subject);
    let host = "127.0.0.1";
    expect(format!("New sign-in to your account on {host}"));
    let key = site.add_access_token(&alice, "account:read", "2027-03-31").await;
    expect("Access token “deploy” was created".to_owned());
    let address = format!("/my/tokens/{}.json", key.id);
    let api = |method: Method, path: &str| site.request(method, path).basic_auth("alice", Some(PASSWORD));
    // A new name gives nothing more.
    let narrower =
        api(Method::PATCH, &address).body(r#"{"name":"deploy 2"}"#).header("Content-Type", "application/json");
    assert_eq!(Answer::of(narrower).await.status, 200);
    let wider = r#"{"scopes":["account:read","account:write"]}"#;
    let wider = api(Method::PATCH, &address).body(wider).header("Content-Type", "application/json");
    assert_eq!(Answer::of(wider).await.status, 200);
    expect("Access token “deploy 2” may do more now".to_owned());
    let rotated = api(Method::POST, &format!("/my/tokens/{}/rotate.json", key.id));
    assert_eq!(Answer::of(rotated).await.status, 200);
    expect("Access token “deploy 2” was rotated".to_owned());
    let suspended = api(Method::POST, &format!("/my/tokens/{}/suspend.json", key.id));
    assert!(Answer::of(suspended).await.status < 300);
    expect("Access token “deploy 2” was suspended".to_owned());
    let leaked = site.add_key(&alice, latchkey::models::keys::token::TokenAction::Api).await;
    assert_eq!(site.visitor().post("/revoke", &[("secret", &leaked.secret)]).await.status, 303);
    expect("API access key was reported as leaked and revoked".to_owned());
    let fields = [
        ("password", PASSWORD),
        ("new_password", "another-password-7d1e"),
        ("new_password_confirmation", "another-password-7d1e"),
    ];
    assert_eq!(me.post("/my/password", &fields).await.status, 303);
    expect(format!("Your password on {host} was changed"));
    let fields = [("firstname", "Alice"), ("lastname", "Tester"), ("mail", "alice@new.example")];
    assert_eq!(me.post("/my/account", &fields).await.status, 303);
    expect(format!("Another email address is asked for on {host}"));
    expect(format!("Confirm your email address for {host}"));
    eventually("the link arrives", || !to(&server.mails(), "alice@new.example").is_empty()).await;
    me.get(path_of(&site, &to(&server.mails(), "alice@new.example")[0].link("/new-address"))).await;
    assert_eq!(me.post("/new-address", &[]).await.status, 303);
    expect(format!("Your email address on {host} was changed"));
    // What can be switched off is not sent to somebody whose account is locked.
    eventually("what happened so far is sent", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE done_on IS NULL") == 0
    })
    .await;
    let lock = boss.post(&format!("/admin/users/{}/lock", alice.id), &[]).await;
    assert_eq!(lock.status, 303, "{}", lock.text());
    expect(format!("Your account on {host} was locked"));
    for subject in &told {
        let arrived = || {
            let mails = server.mails();
            let mine = [to(&mails, &alice.mail), to(&mails, "alice@new.example")].concat();
            mine.iter().any(|mail| mail.subject == *subject)
        };
        eventually(subject, arrived).await;
    }
    let mails = server.mails();
    let changed = format!("Your email address on {host} was changed");
    let at = |address: &str| to(&mails, address).iter().any(|mail| mail.subject == changed);
    assert!(at(&alice.mail) && at("alice@new.example"), "both addresses are told");
    let locked = to(&mails, "alice@new.example");
    let locked = locked.iter().find(|mail| mail.subject.ends_with("was locked")).expect("the mail");
    assert!(locked.text.contains("By: boss"), "{}", locked.text);
    assert!(!mails.iter().any(|mail| mail.subject.contains("deploy 2” was created")), "a name alone is not told");
}

#[rstest]
#[tokio::test]
async fn a_sign_in_is_told_once_for_each_place(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    site.add_user("alice").await;
    let with = |agent: &'static str| {
        let visitor = site.visitor();
        async move {
            visitor.get("/login").await;
            let fields = [("username", "alice"), ("password", PASSWORD)];
            let sent = visitor.request(Method::POST, "/login").form(&fields).header("User-Agent", agent);
            let sent = sent.header("Sec-Fetch-Site", "same-origin");
            assert_eq!(page(sent).await.status, 303);
        }
    };
    with("Mozilla/5.0 Firefox/120.0").await;
    let mails = server.received(1).await;
    assert!(mails[0].text.contains("With: Mozilla/5.0 Firefox/120.0"), "{}", mails[0].text);
    assert!(mails[0].text.contains("From: 127.0.0.1"), "{}", mails[0].text);
    site.later(TimeDelta::hours(2));
    // The next version of the same program is no other place.
    with("Mozilla/5.0 Firefox/121.0").await;
    with("Mozilla/5.0 Chrome/121.0").await;
    let mails = server.received(2).await;
    assert!(mails[1].text.contains("Chrome"), "{}", mails[1].text);
    site.later(TimeDelta::days(91));
    with("Mozilla/5.0 Firefox/122.0").await;
    server.received(3).await;
}

#[rstest]
#[tokio::test]
async fn owners_are_told_of_the_keys_of_their_service_accounts(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let backup = site.add_service_account("backup", &alice).await;
    let key = site.add_access_token(&backup, "account:read", "2027-03-31").await;
    let mails = server.received(1).await;
    assert_eq!(mails[0].to, [alice.mail]);
    assert_eq!(mails[0].subject, "Access token “deploy” of backup was created");
    assert!(mails[0].text.contains("Service account: backup"), "{}", mails[0].text);
    mails[0].link(&format!("/my/service-accounts/{}/tokens/{}", backup.id, key.id));
}

#[rstest]
#[tokio::test]
async fn an_expired_key_that_is_still_used_is_told_once_a_week(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2026-11-25").await;
    server.received(1).await;
    site.later(TimeDelta::days(2));
    for hours in [1, 2, 24] {
        assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401);
        site.flush().await;
        site.later(TimeDelta::hours(hours));
    }
    let mails = server.received(2).await;
    assert_eq!(mails[1].subject, "Access token “deploy” has expired, and something still uses it");
    assert!(mails[1].text.contains("From: 127.0.0.1"), "{}", mails[1].text);
    site.later(TimeDelta::days(7));
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 401);
    site.flush().await;
    server.received(3).await;
}

#[rstest]
#[tokio::test]
async fn administrators_are_told_once_a_week_what_to_look_at(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let boss = site.add_admin("boss").await;
    let alice = site.add_user("alice").await;
    site.later(TimeDelta::days(8));
    site.flush().await;
    site.add_access_token(&alice, "account:read", "2026-12-15").await;
    server.received(1).await;
    assert!(to(&server.mails(), &boss.mail).is_empty(), "there was nothing to look at");
    site.later(TimeDelta::days(8));
    site.flush().await;
    let mails = server.received(2).await;
    let told = to(&mails, &boss.mail);
    assert_eq!(told[0].subject, "Keys to look at on 127.0.0.1");
    assert!(told[0].text.contains("1 key expires within 7 days."), "{}", told[0].text);
    assert!(told[0].text.contains("/admin/keys"), "{}", told[0].text);
    let boss = site.signed_in("boss").await;
    let links = told[0].text.split_whitespace().filter_map(|word| word.strip_prefix(&site.url));
    for path in links.filter(|path| path.starts_with("/admin/")) {
        let page = boss.get(path).await;
        assert!(page.status == 200 && page.shows("deploy"), "{path}: {}", page.text());
    }
    site.flush().await;
    // What boss has signed in from is told as well.
    server.received(3).await;
}

#[rstest]
#[tokio::test]
async fn without_a_mail_server_nothing_is_queued_or_promised(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    assert_eq!(site.database.number("SELECT count(*) AS number FROM mails"), 0);
    let sign_in = site.visitor().get("/login").await;
    assert!(!sign_in.shows("Forgotten your password?"), "{}", sign_in.text());
    let me = site.signed_in("alice").await;
    assert!(!me.get("/my/account").await.shows("which mails"));
    for path in ["/my/mail", "/lost-password"] {
        assert_eq!(me.get(path).await.status, 404, "{path}");
    }
    assert_eq!(site.visitor().post("/lost-password", &[("login", "alice")]).await.status, 404);
}
