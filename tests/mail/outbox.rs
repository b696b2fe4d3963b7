//! No mail is lost, and none is sent twice, whatever the mail server does.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use rstest::rstest;

use super::*;
use crate::support::database::TestDatabase;

async fn counted(site: &Site, kind: &str, outcome: &str) -> String {
    let metrics = site.metrics().await;
    let name = format!("latchkey_mails_total{{kind=\"{kind}\",outcome=\"{outcome}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("0").to_owned()
}

async fn until_counted(site: &Site, (kind, outcome): (&str, &str), number: &str) {
    for _ in 0..600 {
        if counted(site, kind, outcome).await == number {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{kind} {outcome}: {}", counted(site, kind, outcome).await);
}

/// A shell in which `serve` sends mail to `server`.
fn sending(database: &TestDatabase, server: &MailServer) -> CommandLine {
    CommandLine::on(database)
        .with("LATCHKEY_SECRET_KEY", &"k".repeat(64))
        .with("LATCHKEY_SMTP_URL", &format!("smtp://127.0.0.1:{}?tls=off", server.port))
        .with("LATCHKEY_MAIL_FROM", "keys@example.org")
}

#[rstest]
#[tokio::test]
async fn what_the_server_wants_later_is_tried_again_later(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    server.will(&["451 4.3.0 come back later", "451 4.3.0 and later still"]);
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    until_counted(&site, ("key_made", "failed"), "1").await;
    site.later(TimeDelta::seconds(61));
    until_counted(&site, ("key_made", "failed"), "2").await;
    // The pauses grow.
    site.later(TimeDelta::seconds(61));
    site.later(TimeDelta::seconds(60));
    server.received(1).await;
    until_counted(&site, ("key_made", "sent"), "1").await;
}

#[rstest]
#[tokio::test]
async fn what_the_server_will_never_take_is_shown_to_administrators(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let (alice, _) = (site.add_user("alice").await, site.add_admin("boss").await);
    server.refuse(Some("550 5.1.1 no such mailbox"));
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    until_counted(&site, ("key_made", "given_up"), "1").await;
    server.refuse(None);
    let boss = site.signed_in("boss").await;
    let mails = boss.get("/admin/mails").await;
    assert!(mails.shows("alice") && mails.shows(&alice.mail) && mails.shows("no such mailbox"), "{}", mails.text());
    let id = site.database.number("SELECT min(id) AS number FROM mails WHERE outcome = 'given_up'");
    let tried = boss.post(&format!("/admin/mails/{id}/retry"), &[]).await;
    assert_eq!((tried.status, tried.location()), (303, "/admin/mails?notice=mail_tried_again"));
    eventually("it arrives", || to(&server.mails(), &alice.mail).len() == 1).await;
    let again = boss.post(&format!("/admin/mails/{id}/retry"), &[]).await;
    assert_eq!(again.location(), "/admin/mails?notice=mail_gone");
    assert!(boss.get(again.location()).await.shows("This mail is no longer here"));
}

#[rstest]
#[tokio::test]
async fn after_two_days_a_mail_is_given_up(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    server.refuse(Some("450 4.2.1 mailbox busy"));
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    until_counted(&site, ("key_made", "failed"), "1").await;
    site.later(TimeDelta::hours(47));
    until_counted(&site, ("key_made", "failed"), "2").await;
    site.later(TimeDelta::hours(5));
    until_counted(&site, ("key_made", "given_up"), "1").await;
}

#[rstest]
#[case("close", 1)]
// The one case in which a mail can come twice: it is the same to whoever looks at its Message-ID.
#[case("close-after", 2)]
#[tokio::test]
async fn a_connection_that_breaks_loses_no_mail(
    #[case] fault: &str,
    #[case] times: usize,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    server.will(&[fault]);
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    until_counted(&site, ("key_made", "failed"), "1").await;
    site.later(TimeDelta::seconds(61));
    let mails = server.received(times).await;
    assert!(mails.iter().all(|mail| mail.message_id == mails[0].message_id), "{mails:?}");
}

#[rstest]
#[tokio::test]
async fn a_server_that_is_away_holds_nobody_up(#[values(Sqlite, Postgres)] db: Db) {
    let mut server = MailServer::start();
    server.stop();
    let from = "--mail-from=keys@example.org";
    let site = Site::start_with(db, &[&server.flag(), from]).await;
    let alice = site.add_user("alice").await;
    let key = site.add_access_token(&alice, "account:read", "2027-03-31").await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let told = "SELECT count(*) AS number FROM mails WHERE answer LIKE '%cannot be reached%'";
    eventually("administrators can see why it waits", || site.database.number(told) == 1).await;
    server.run();
    server.received(1).await;
    until_counted(&site, ("key_made", "sent"), "1").await;
}

#[rstest]
#[tokio::test]
async fn a_server_that_is_away_for_two_days_is_waited_for_no_longer(#[values(Sqlite, Postgres)] db: Db) {
    let mut server = MailServer::start();
    server.stop();
    let site = Site::start_with(db, &[&server.flag(), "--mail-from=keys@example.org"]).await;
    let (alice, _) = (site.add_user("alice").await, site.add_admin("boss").await);
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    site.later(TimeDelta::hours(49));
    let given_up = "SELECT count(*) AS number FROM mails WHERE outcome = 'given_up'";
    eventually("it is given up", || site.database.number(given_up) == 1).await;
    let boss = site.signed_in("boss").await;
    let mails = boss.get("/admin/mails").await;
    assert!(mails.shows(&alice.mail) && mails.shows("cannot be reached"), "{}", mails.text());
    let id = site.database.number("SELECT min(id) AS number FROM mails WHERE outcome = 'given_up'");
    server.run();
    let tried = boss.post(&format!("/admin/mails/{id}/retry"), &[]).await;
    assert_eq!(tried.location(), "/admin/mails?notice=mail_tried_again");
    eventually("it arrives", || to(&server.mails(), &alice.mail).len() == 1).await;
}

#[rstest]
#[tokio::test]
async fn what_comes_up_within_an_hour_is_put_together(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    site.add_access_token(&alice, "account:read", "2027-03-31").await;
    server.received(1).await;
    for _ in 0..14 {
        site.add_access_token(&alice, "account:read", "2027-03-31").await;
    }
    // A mail of another kind does not wait for that hour, and comes after they were looked at.
    let bob = site.add_user("bob").await;
    site.add_access_token(&bob, "account:read", "2027-03-31").await;
    server.received(2).await;
    site.later(TimeDelta::minutes(61));
    let mails = server.received(3).await;
    let mail = &mails[2];
    assert_eq!(mail.subject, "14 keys were created");
    assert_eq!(mail.text.matches("Key: Access token “deploy”").count(), 10, "{}", mail.text);
    assert!(mail.text.contains("and 4 more"), "{}", mail.text);
    assert!(site.database.number("SELECT count(*) AS number FROM mails") < 15, "a flood does not fill the table");
}

#[rstest]
#[tokio::test]
async fn several_processes_send_each_mail_once(#[values(Sqlite, Postgres)] db: Db) {
    let server = MailServer::start();
    let database = TestDatabase::migrated(db);
    let latchkey = sending(&database, &server);
    let _processes = [Process::serve(&latchkey, &[]), Process::serve(&latchkey, &[])];
    for number in 0..20 {
        let login = format!("user{number}");
        latchkey.add_user(&login, PASSWORD);
    }
    // What a command does is told, too.
    let plain = CommandLine::on(&database);
    for number in 0..20 {
        plain.add_key(&format!("user{number}"));
    }
    eventually("all arrive", || server.mails().len() >= 20).await;
    eventually("all are done", || database.number("SELECT count(*) AS number FROM mails WHERE done_on IS NULL") == 0)
        .await;
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for mail in server.mails() {
        *times.entry(format!("{} {}", mail.to[0], mail.subject)).or_default() += 1;
    }
    assert_eq!(times.len(), 20, "{times:?}");
    assert!(times.values().all(|times| *times == 1), "{times:?}");
}

#[rstest]
#[tokio::test]
async fn a_process_that_is_killed_while_it_sends_loses_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let server = MailServer::start();
    let database = TestDatabase::migrated(db);
    let latchkey = sending(&database, &server);
    latchkey.add_user("alice", PASSWORD);
    server.will(&["hang"]);
    let process = Process::serve(&latchkey, &[]);
    latchkey.add_key("alice");
    let taken = "SELECT count(*) AS number FROM mails WHERE message_id IS NOT NULL AND done_on IS NULL";
    eventually("it is taken", || database.number(taken) == 1 && server.has_done_so()).await;
    process.kill();
    // Ten minutes later another process may take it.
    database.execute("UPDATE mails SET next_try_on = created_on");
    let _process = Process::serve(&latchkey, &[]);
    server.received(1).await;
}
