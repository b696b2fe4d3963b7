//! "A new mail address counts once its link was opened; until then both stand on the page, and the old one gets all mail."

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;
use serde_json::json;

use super::*;

const NEW: &str = "alice.new@example.net";
const CONFIRM: &str = "/new-address";

/// Somebody saves another mail address on *My account*.
async fn ask(me: &Visitor, address: &str) -> Page {
    me.post("/my/account", &[("firstname", "Alice"), ("lastname", "Archer"), ("mail", address)]).await
}

/// Changes an account by the API.
async fn put(site: &Site, path: &str, key: &Key, user: serde_json::Value) -> u16 {
    let request = site.request(reqwest::Method::PUT, path).header("X-Redmine-API-Key", &key.secret);
    Answer::of(request.json(&json!({ "user": user }))).await.status
}

/// The links to confirm an address that were sent to `address`, oldest first.
fn links(server: &MailServer, address: &str) -> Vec<String> {
    let mails = server.mails();
    let theirs = to(&mails, address).into_iter().filter(|mail| mail.subject.starts_with("Confirm your email address"));
    theirs.map(|mail| mail.link(CONFIRM)).collect()
}

/// The link of that number which is sent to `address`, as soon as it arrives.
async fn link(server: &MailServer, address: &str, number: usize) -> String {
    eventually("a link arrives", || links(server, address).len() >= number).await;
    links(server, address).swap_remove(number - 1)
}

/// Opens a link in a browser where nobody is signed in, and gives the page that it leads to.
async fn follow(site: &Site, link: &str) -> (Visitor, Page) {
    let browser = site.visitor();
    let followed = browser.get(path_of(site, link)).await;
    assert_eq!((followed.status, followed.location()), (303, CONFIRM), "the token leaves the address bar");
    let page = browser.get(CONFIRM).await;
    (browser, page)
}

#[rstest]
#[tokio::test]
async fn a_new_address_counts_once_its_link_was_opened(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let me = site.signed_in("alice").await;
    let saved = ask(&me, NEW).await;
    assert_eq!((saved.status, saved.location()), (303, "/my/account?notice=account_saved"), "{}", saved.text());
    let page = me.get("/my/account").await;
    assert!(page.shows(&format!("You asked for mail to go to {NEW}. Open the link that was sent there.")));
    assert!(page.shows(&format!("Until then, mail goes to {}.", alice.mail)), "{}", page.text());
    assert_eq!((page.value_of("mail"), page.value_of("firstname")), (alice.mail.clone(), "Alice".to_owned()));
    let account = async || site.get_with_key("/my/account.json", &key).await.json()["user"].clone();
    assert_eq!(
        (account().await["mail"].as_str(), account().await["new_mail"].as_str()),
        (Some(&*alice.mail), Some(NEW))
    );

    let link = link(&server, NEW, 1).await;
    until_done(&site).await;
    let secret = link.rsplit('=').next().expect("a token");
    assert!(!site.database.written().contains(secret));
    let mails = server.mails();
    let asked = to(&mails, &alice.mail).into_iter().find(|mail| mail.subject.starts_with("Another email address"));
    let asked = asked.expect("a mail to the address that counts");
    assert!(asked.text.contains(&format!("New address: {NEW}")) && !asked.text.contains(CONFIRM), "{}", asked.text);
    me.post("/my/atom_key", &[("replaces", "")]).await;
    until_done(&site).await;
    let mails = server.mails();
    let told_of_key = |address: &str| to(&mails, address).iter().any(|mail| mail.subject.contains("Atom access key"));
    assert!(told_of_key(&alice.mail) && !told_of_key(NEW), "the old address gets all mail");

    let (browser, page) = follow(&site, &link).await;
    assert!(page.shows("Mail about the account alice will go to alice.new@example.net"), "{}", page.text());
    assert_eq!(account().await["mail"], alice.mail, "the form has to be sent: programs open links, too");
    let done = browser.post(CONFIRM, &[]).await;
    assert_eq!((done.status, done.location()), (303, "/login?notice=address_confirmed"), "{}", done.text());
    assert!(browser.get(done.location()).await.shows("Your email address has been changed."));
    assert_eq!(account().await["mail"], NEW);
    assert!(account().await["new_mail"].is_null());
    let page = me.get("/my/account").await;
    assert!(page.value_of("mail") == NEW && !page.shows("Confirm your new email address"), "{}", page.text());
    until_done(&site).await;
    let mails = server.mails();
    for address in [&*alice.mail, NEW] {
        let told =
            to(&mails, address).into_iter().find(|mail| mail.subject == "Your email address on 127.0.0.1 was changed");
        let told = told.unwrap_or_else(|| panic!("{address} is not told"));
        assert!(told.text.contains(&format!("from {} to {NEW}", alice.mail)), "{}", told.text);
    }
    for browser in [&browser, &follow(&site, &link).await.0] {
        for over in [browser.get(CONFIRM).await, browser.post(CONFIRM, &[]).await] {
            assert!(over.status == 410 && over.shows("This link does not work"), "{}", over.text());
        }
    }
}

/// Who is signed in comes back to *My account*. The API asks for a link as the page does.
#[rstest]
#[tokio::test]
async fn a_program_asks_for_a_link_too(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    assert_eq!(put(&site, "/my/account.json", &key, json!({ "mail": NEW, "firstname": "Alicia" })).await, 204);
    let account = site.get_with_key("/my/account.json", &key).await.json()["user"].clone();
    let said = ["firstname", "mail", "new_mail"].map(|name| account[name].as_str().unwrap_or_default().to_owned());
    assert_eq!(said, ["Alicia".to_owned(), alice.mail.clone(), NEW.to_owned()]);
    let me = site.signed_in("alice").await;
    me.get(path_of(&site, &link(&server, NEW, 1).await)).await;
    assert_eq!(me.post(CONFIRM, &[]).await.location(), "/my/account?notice=address_confirmed");
}

/// The link proves that somebody reads the address that is asked for now, and no other.
#[rstest]
#[tokio::test]
async fn only_the_address_that_was_asked_for_last_gets_a_link(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    site.add_user("alice").await;
    let me = site.signed_in("alice").await;
    ask(&me, "first@example.net").await;
    let first = link(&server, "first@example.net", 1).await;
    until_done(&site).await;
    server.refuse(Some("451 4.7.1 later"));
    ask(&me, "second@example.net").await;
    eventually("it was tried", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE kind = 'new_address' AND answer IS NOT NULL")
            > 0
    })
    .await;
    ask(&me, "third@example.net").await;
    server.refuse(None);
    // What is told of one kind is told once an hour.
    site.later(TimeDelta::hours(2));
    let third = link(&server, "third@example.net", 1).await;
    until_done(&site).await;
    assert_eq!(links(&server, "second@example.net"), Vec::<String>::new(), "it was not asked for any more");
    let (_, over) = follow(&site, &first).await;
    assert_eq!(over.status, 410);
    let (browser, _) = follow(&site, &third).await;
    assert_eq!(browser.post(CONFIRM, &[]).await.status, 303);
    assert_eq!(me.get("/my/account").await.value_of("mail"), "third@example.net");
}

#[rstest]
#[tokio::test]
async fn a_link_is_sent_again_within_bounds_and_what_was_asked_for_can_be_forgotten(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let me = site.signed_in("alice").await;
    let send = async || me.post("/my/new-address/send", &[]).await.location().to_owned();
    assert_eq!(send().await, "/my/account?notice=address_gone");
    ask(&me, NEW).await;
    assert_eq!(send().await, "/my/account?notice=address_link_sent");
    assert_eq!(send().await, "/my/account?notice=address_link_sent");
    assert_eq!(send().await, "/my/account?notice=address_links_too_many");
    assert!(me.get("/my/account?notice=address_links_too_many").await.shows("three were sent within an hour"));
    let refused = ask(&me, "other@example.net").await;
    assert_eq!(refused.status, 422);
    assert!(refused.shows("Email cannot be changed again yet"), "{}", refused.text());
    assert!(refused.shows(NEW), "what was asked for before still waits: {}", refused.text());
    link(&server, NEW, 3).await;
    let sent = links(&server, NEW);
    assert_eq!(sent.len(), 3);
    assert_eq!(follow(&site, &sent[1]).await.1.status, 410, "a newer one was sent");
    let (browser, page) = follow(&site, &sent[2]).await;
    assert_eq!(page.status, 200);
    site.later(TimeDelta::hours(24));
    assert_eq!(browser.get(CONFIRM).await.status, 410, "it is older than a day");
    assert_eq!(send().await, "/my/account?notice=address_link_sent");
    let (browser, _) = follow(&site, &link(&server, NEW, 4).await).await;
    let forgotten = me.post("/my/new-address/forget", &[]).await;
    assert_eq!(forgotten.location(), "/my/account?notice=address_forgotten");
    assert_eq!(browser.post(CONFIRM, &[]).await.status, 410);
    let page = me.get("/my/account").await;
    assert!(page.value_of("mail") == alice.mail && !page.shows(NEW), "{}", page.text());
    assert_eq!(me.post("/my/new-address/forget", &[]).await.location(), "/my/account?notice=address_gone");
}

/// Whoever gets an account back by a new password, or has it locked, does not leave a stranger's link behind.
#[rstest]
#[case::a_new_password(&["user", "password", "alice", "--password-stdin"])]
#[case::locked_and_unlocked(&["user", "lock", "alice"])]
#[tokio::test]
async fn what_ends_sessions_ends_the_link(#[case] command: &[&str], #[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let me = site.signed_in("alice").await;
    ask(&me, NEW).await;
    until_done(&site).await;
    server.refuse(Some("451 4.7.1 later"));
    me.post("/my/new-address/send", &[]).await;
    CommandLine::on(&site.database).run_with_input(command, "another-password-7d1e").done();
    if command[1] == "lock" {
        CommandLine::on(&site.database).run(&["user", "unlock", "alice"]).done();
    }
    server.refuse(None);
    site.later(TimeDelta::hours(2));
    // The command line has a clock of its own, by which what it tells is not due yet.
    eventually("the link is done with", || {
        site.database.number("SELECT count(*) AS number FROM mails WHERE kind = 'new_address' AND done_on IS NULL") == 0
    })
    .await;
    let sent = links(&server, NEW);
    assert_eq!(sent.len(), 1, "what waited is not sent");
    assert_eq!(follow(&site, &sent[0]).await.1.status, 410);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM new_addresses"), 0);
    let mail = format!("SELECT count(*) AS number FROM users WHERE mail = '{}'", alice.mail);
    assert_eq!(site.database.number(&mail), 1);
}

/// An administrator's word counts at once, and ends what somebody has asked for.
#[rstest]
#[tokio::test]
async fn what_an_administrator_sets_counts_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let (alice, root) = (site.add_user("alice").await, site.add_admin("root").await);
    let key = site.add_key(&root, TokenAction::Api).await;
    let me = site.signed_in("alice").await;
    ask(&me, NEW).await;
    let first = link(&server, NEW, 1).await;
    let set = async |id: i64, mail: &str| put(&site, &format!("/users/{id}.json"), &key, json!({ "mail": mail })).await;
    assert_eq!(set(alice.id, "set@example.net").await, 204);
    assert_eq!(me.get("/my/account").await.value_of("mail"), "set@example.net");
    assert_eq!(follow(&site, &first).await.1.status, 410);

    // Somebody else has the address by the time that the link is followed.
    ask(&me, "wanted@example.net").await;
    let wanted = link(&server, "wanted@example.net", 1).await;
    assert_eq!(set(root.id, "wanted@example.net").await, 204);
    let (browser, _) = follow(&site, &wanted).await;
    let refused = browser.post(CONFIRM, &[]).await;
    assert!(refused.status == 422 && refused.shows("Email has already been taken"), "{}", refused.text());
    assert_eq!(me.get("/my/account").await.value_of("mail"), "set@example.net");
}
