//! "Whole mails are held by snapshots", one of each kind. After a change of their words,
//! `INSTA_UPDATE=always bin/test --quick mail::letters` writes them anew.

use latchkey::models::mails::kind::MailKind;
use rstest::rstest;

use super::*;

const KEY: &str = r#""key":{"id":7,"title":"Access token “deploy”","hint":"wxyz","has_page":true}"#;
const CLIENT: &str = r#""at":"2026-11-24T08:15:00Z","address":"192.0.2.1","agent":"curl/8.5.0""#;

/// Facts such as a mail of this kind has.
fn facts(kind: MailKind) -> String {
    let fields = match kind {
        MailKind::KeyMade => format!(r#"{KEY},{CLIENT},"detail":"may do account:read, never expires""#),
        MailKind::KeyReset | MailKind::KeyRotated | MailKind::KeyLeaked | MailKind::KeySuspended => {
            format!("{KEY},{CLIENT}")
        }
        MailKind::KeyWidened => format!(r#"{KEY},{CLIENT},"by":"boss","account":{{"id":9,"login":"backup"}}"#),
        MailKind::KeyToEnd => format!(r#"{KEY},"detail":"on 1 Dec 2026""#),
        MailKind::KeyExpiring => format!(r#"{KEY},"expires_on":"2026-11-27T09:30:00Z""#),
        MailKind::KeyMissed => format!(r#"{KEY},{CLIENT},"expires_on":"2026-11-20T00:00:00Z""#),
        MailKind::MailChanged => format!(r#"{CLIENT},"detail":"from a@example.org to b@example.org""#),
        MailKind::NewAddressAsked => format!(r#"{CLIENT},"detail":"new@example.net""#),
        MailKind::Weekly => {
            r#""lines":[["2 keys are safe to end","/admin/keys?unused=1"],["1 mail could not be sent","/admin/mails"]]"#
                .to_owned()
        }
        MailKind::PasswordChanged | MailKind::SecondFactorChanged | MailKind::Locked | MailKind::NewSignIn => {
            CLIENT.to_owned()
        }
        MailKind::Recovery | MailKind::AccountMade | MailKind::NewAddress | MailKind::Unknown => String::new(),
    };
    format!("{{{fields}}}")
}

/// What a person reads, without what differs each time: the port and the secret of a link.
fn read(site: &Site, mail: &smtp::ReceivedMail) -> String {
    let html = mail.html.as_deref().expect("HTML");
    let body = html.split_once("<main>").and_then(|(_, rest)| rest.split_once("</main>")).expect("a body").0;
    let head = format!("To: {}\nSubject: {}", mail.to.join(", "), mail.subject);
    let whole = format!("{head}\n\n{}\n\n{body}", mail.text).replace("\r\n", "\n");
    let whole = whole.replace(site.url.trim_start_matches("http://"), "keys.example.org");
    let mut parts = whole.split("token=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
        assert!(part.len() - rest.len() > 40, "no secret: {part}");
        format!("{text}token=SECRET{rest}")
    })
}

#[rstest]
#[tokio::test]
async fn each_kind_reads_as_it_was_written(#[values(Sqlite, Postgres)] db: Db) {
    let (site, server) = site_with_mail(db).await;
    let alice = site.add_user("alice").await;
    let kinds: Vec<MailKind> = MailKind::ALL.into_iter().filter(|kind| *kind != MailKind::Unknown).collect();
    let (id, now) = (alice.id, site.clock.now());
    let rows = kinds.iter().map(|kind| {
        let (recipient, user_id, address) = match kind {
            MailKind::Recovery => ("asked:alice".to_owned(), "NULL".to_owned(), "'alice'"),
            MailKind::NewAddress => (format!("user:{id}:new@example.net"), id.to_string(), "'new@example.net'"),
            _ => (format!("user:{id}"), id.to_string(), "NULL"),
        };
        let (kind, facts) = (kind.as_str(), facts(*kind));
        format!("('{recipient}', {user_id}, {address}, '{kind}', '{facts}', '{now}', '{now}')")
    });
    let rows: Vec<String> = rows.collect();
    site.database.execute(&format!(
        "INSERT INTO new_addresses (user_id, address, created_on) VALUES ({id}, 'new@example.net', '{now}');
         INSERT INTO mails (recipient, user_id, address, kind, facts, created_on, next_try_on) VALUES {}",
        rows.join(", ")
    ));
    let mails = server.received(kinds.len()).await;
    for (kind, mail) in kinds.iter().zip(&mails) {
        insta::assert_snapshot!(kind.as_str(), read(&site, mail));
    }
}
