//! The settings of mail, and `latchkey mail test`, which says step by step what works.

use super::*;
use crate::support::database::TestDatabase;

fn latchkey(url: &str) -> CommandLine {
    let database = TestDatabase::migrated(Sqlite);
    CommandLine::on(&database).with("LATCHKEY_SMTP_URL", url).with("LATCHKEY_MAIL_FROM", "Keys <keys@example.org>")
}

const TEST: [&str; 3] = ["mail", "test", "alice@example.org"];

#[test]
fn each_step_is_said() {
    let server = MailServer::start();
    let url = format!("smtp://127.0.0.1:{}?tls=off", server.port);
    let said = latchkey(&url).run(&TEST).done().stdout;
    let at = format!("127.0.0.1:{}", server.port);
    assert_eq!(said, format!("connected to {at}\n{at} took the mail for alice@example.org; it should arrive soon\n"));
    assert_eq!(server.mails()[0].to, ["alice@example.org"]);
    assert_eq!(server.mails()[0].hello, "[127.0.0.1]", "servers refuse an IP address without brackets");
}

#[test]
fn tls_and_a_login_work_and_are_required() {
    for (flags, scheme) in [(["starttls", "login"], "smtp"), (["tls", "login"], "smtps")] {
        let server = MailServer::start_with(&flags);
        let at = format!("localhost:{}", server.port);
        let certificate = server.certificate().display().to_string();
        let with =
            |login: &str| latchkey(&format!("{scheme}://{login}@{at}")).with("SSL_CERT_FILE", &certificate).run(&TEST);
        let said = with(MailServer::LOGIN).done().stdout;
        assert!(said.contains("signed in as keys@example.org"), "{said}");
        assert!(said.contains(if scheme == "smtp" { "began TLS (STARTTLS)" } else { "with TLS" }), "{said}");
        let mails = server.mails();
        assert_eq!((mails.len(), mails[0].is_tls, mails[0].login.as_deref()), (1, true, Some("keys@example.org")));
        let refused = with("keys%40example.org:wrong-password").refused(1);
        assert!(refused.contains("refused to let keys@example.org sign in") && refused.contains("535"), "{refused}");
        assert!(!refused.contains("wrong-password"), "{refused}");
        // Nobody has signed this certificate whom the machine trusts.
        let untrusted = latchkey(&format!("{scheme}://{}@{at}", MailServer::LOGIN)).run(&TEST).refused(1);
        assert!(untrusted.contains("certificate"), "{untrusted}");
    }
}

#[test]
fn what_does_not_work_is_said_with_what_to_do() {
    let server = MailServer::start();
    let at = format!("127.0.0.1:{}", server.port);
    let with_login = format!("smtp://{}@{at}?tls=off", MailServer::LOGIN);
    let refused = latchkey(&with_login).run(&TEST).refused(1);
    assert!(refused.contains("offers no way to sign in with a password"), "{refused}");
    let refused = latchkey(&format!("smtp://{at}")).run(&TEST).refused(1);
    assert!(refused.contains("offers no TLS (STARTTLS), which is required; see LATCHKEY_SMTP_URL"), "{refused}");
    let url = format!("smtp://{at}?tls=off");
    server.refuse(Some("550 5.1.1 no such mailbox"));
    let refused = latchkey(&url).run(&TEST).refused(1);
    assert!(
        refused.contains("did not take the mail from keys@example.org") && refused.contains("no such"),
        "{refused}"
    );
    let away = latchkey(&format!("smtp://127.0.0.1:{}?tls=off", crate::support::daemon::free_port()));
    let refused = away.run(&TEST).refused(1);
    assert!(refused.contains("cannot be reached") && refused.contains("refused"), "{refused}");
    let refused = latchkey(&url).run(&["mail", "test", "alice"]).refused(2);
    assert!(refused.contains("alice"), "{refused}");
    let unset = CommandLine::on(&TestDatabase::migrated(Sqlite)).run(&TEST).refused(1);
    assert_eq!(unset, "latchkey: no mail server is set: set LATCHKEY_SMTP_URL and LATCHKEY_MAIL_FROM");
}

#[test]
fn wrong_settings_are_refused_and_never_printed() {
    let database = TestDatabase::migrated(Sqlite);
    let latchkey = CommandLine::on(&database);
    let no_sender =
        latchkey.command(&["serve"]).env("LATCHKEY_SMTP_URL", "smtps://a:hunter2secret@mail.example.org").output();
    let said = String::from_utf8(no_sender.expect("a command").stderr).expect("text");
    assert!(said.contains("need a sender: set LATCHKEY_MAIL_FROM") && !said.contains("hunter2secret"), "{said}");
    for url in
        ["smtps://a:hunter2secret@", "http://a:hunter2secret@mail.example.org", "smtps://a:hunter2secret@h/inbox"]
    {
        let said = latchkey.command(&["serve"]).env("LATCHKEY_SMTP_URL", url).output().expect("a command");
        let (code, said) = (said.status.code(), String::from_utf8(said.stderr).expect("text"));
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("LATCHKEY_SMTP_URL") && !said.contains("hunter2secret"), "{said}");
    }
    let said = latchkey.command(&["serve"]).env("LATCHKEY_MAIL_FROM", "nobody").output().expect("a command");
    let said = String::from_utf8(said.stderr).expect("text");
    assert!(said.contains("LATCHKEY_MAIL_FROM") && said.contains("Keys <keys@example.org>"), "{said}");
}
