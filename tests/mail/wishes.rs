//! *Mail*: what a person chooses to be told.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn what_somebody_does_without_is_not_sent(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let me = site.signed_in("alice").await;
    let account = me.get("/my/account").await;
    assert!(account.html.contains("href=\"/my/mail\""), "{}", account.html);
    let page = me.get("/my/mail").await;
    assert!(page.shows(&alice.mail) && page.shows("Your password is changed"), "{}", page.text());
    assert!(!page.shows("what an administrator should look at") || page.html.matches("name=\"mail\"").count() == 4);
    assert_eq!(page.html.matches("checked").count(), 4, "everything is sent until somebody says otherwise");
    let saved = me.post("/my/mail", &[("mail", "key_expiring"), ("time_zone", "Europe/Berlin")]).await;
    assert_eq!((saved.status, saved.location()), (303, "/my/mail?notice=mail_saved"), "{}", saved.text());
    let page = me.get(saved.location()).await;
    assert!(page.shows("Your choice of mails has been saved."));
    assert_eq!(page.html.matches("checked").count(), 1);
    assert_eq!(page.value_of("time_zone"), "Europe/Berlin");
    let key = site.add_access_token(&alice, "account:read", "2027-03-31").await;
    let suspend = site.request(reqwest::Method::POST, &format!("/my/tokens/{}/suspend.json", key.id));
    assert!(Answer::of(suspend.basic_auth("alice", Some(PASSWORD))).await.status < 300);
    let rotate = site.request(reqwest::Method::POST, &format!("/my/tokens/{}/rotate.json", key.id));
    Answer::of(rotate.basic_auth("alice", Some(PASSWORD))).await;
    eventually("they arrive", || server.mails().iter().any(|mail| mail.subject.ends_with("was created"))).await;
    let mails = server.mails();
    assert!(!mails.iter().any(|mail| mail.subject.contains("suspended")), "{mails:?}");
    let created = mails.iter().find(|mail| mail.subject.ends_with("was created")).expect("the mail");
    assert!(created.text.contains("When: 24 Nov 2026, 10:30 (Europe/Berlin)"), "{}", created.text);
}

#[rstest]
#[tokio::test]
async fn an_unknown_time_zone_is_refused_and_nothing_is_lost(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _server) = site_with_mail(db).await;
    site.add_user("alice").await;
    let me = site.signed_in("alice").await;
    for zone in ["Berlin", "UTC+1", "Europe/Berlin\u{0}", "../etc/passwd"] {
        let refused = me.post("/my/mail", &[("mail", "key_expiring"), ("time_zone", zone)]).await;
        assert!(refused.status == 422 && refused.shows("Time zone is not known"), "{zone}: {}", refused.text());
        assert_eq!(refused.html.matches("checked").count(), 1, "what was chosen is kept");
    }
    assert_eq!(me.get("/my/mail").await.html.matches("checked").count(), 4);
    // Kinds that nobody can switch off, or that are made up, change nothing.
    let saved = me.post("/my/mail", &[("mail", "password_changed"), ("mail", "nonsense"), ("time_zone", "")]).await;
    assert_eq!(saved.status, 303);
    assert_eq!(me.get("/my/mail").await.html.matches("checked").count(), 0);
}

#[rstest]
#[tokio::test]
async fn only_administrators_choose_about_the_weekly_mail(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _server) = site_with_mail(db).await;
    site.add_user("alice").await;
    site.add_admin("boss").await;
    let (me, boss) = (site.signed_in("alice").await, site.signed_in("boss").await);
    assert!(boss.get("/my/mail").await.html.contains("value=\"weekly\""));
    assert!(!me.get("/my/mail").await.html.contains("value=\"weekly\""));
    assert_eq!(me.get("/admin/mails").await.status, 403);
    eventually("what tells of the sign-ins is sent", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE done_on IS NULL") == 0
    })
    .await;
    assert!(boss.get("/admin/mails").await.shows("No mail waits."));
}
