//! `latchkey demo`: the README's first command.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rstest::rstest;

use crate::support::command_line::binary;
use crate::support::database::TestDatabase;
use crate::support::*;

/// `latchkey demo` that runs, and what it said first.
struct Demo {
    child: Child,
    greeting: String,
}

impl Demo {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut greeting = String::new();
        for line in lines {
            greeting += &(line.expect("a line") + "\n");
            if greeting.contains("Ctrl-C") {
                break;
            }
        }
        let demo = Self { child, greeting };
        log::note_secret(demo.secret());
        demo
    }

    fn after(&self, word: &str) -> &str {
        self.greeting.split_once(word).map(|(_, rest)| rest).expect(word)
    }

    fn url(&self) -> &str {
        self.after("Latchkey is at ").lines().next().expect("an address").trim_end_matches('/')
    }

    fn password(&self) -> &str {
        self.after("password ").split_whitespace().next().expect("a password")
    }

    /// That of Alice's key.
    fn secret(&self) -> &str {
        self.after("X-Redmine-API-Key: ").split('\'').next().expect("a secret")
    }

    /// Presses Ctrl-C, and waits for its end.
    fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("Ctrl-C");
        assert_eq!(self.child.wait().expect("its end").code(), Some(0));
    }
}

#[tokio::test]
async fn the_demo_says_where_to_go_and_its_curl_line_works() {
    let temp = tempfile::tempdir().expect("a folder");
    let demo = Demo::start(binary().args(["demo", "--bind=127.0.0.1:0"]).env("TMPDIR", temp.path()));
    let (url, password) = (demo.url(), demo.password());

    let alice = Visitor::new(url);
    alice.sign_in("alice", password).await;
    let account = alice.get("/my/account").await;
    assert!(account.shows("API access key Last used: 5 minutes ago"), "{}", account.text());
    assert!(account.shows("Atom access key Last used: 4 months ago"), "{}", account.text());
    let curl = demo.greeting.lines().find(|line| line.contains("curl")).expect("a curl line");
    let answer = Command::new("sh").args(["-c", &format!("{curl} -s")]).output().expect("curl");
    assert!(String::from_utf8_lossy(&answer.stdout).contains("\"login\":\"alice\""), "{answer:?}");
    assert!(alice.get("/my/account").await.shows("API access key Last used: less than a minute ago"));

    let tokens = alice.get("/my/tokens").await;
    for shown in [
        "Editor plug-in",
        "Nightly report",
        "Last used 4 minutes ago",
        "Expires in 3 days",
        "Expired 5 days ago",
        "1 token is safe to end",
        "Last used 4 months ago Safe to end",
    ] {
        assert!(tokens.shows(shown), "{shown} is not in {}", tokens.text());
    }
    let rotated = tokens.html.split("<a href=\"").find(|link| link.contains("Backup on the NAS")).expect("a link");
    let rotated = alice.get(rotated.split('"').next().expect("an address")).await;
    for shown in
        ["2 active secrets The new secret was used last.", "Last used: 20 minutes ago", "Last used: about 2 hours ago"]
    {
        assert!(rotated.shows(shown), "{shown} is not in {}", rotated.text());
    }

    let accounts = alice.get("/my/service-accounts").await;
    assert!(accounts.shows("Nightly backup backup 1 access token last used about 5 hours ago"), "{}", accounts.text());

    let services = alice.get("/admin/services").await;
    for shown in [
        "Shared files files · apps.example.org/files Read access: alice, carol Write access: nobody 1 key of 1 person",
        "Team wiki wiki · wiki.example.org Read access: anybody, even without a key Write access: alice, bob 1 key of 1 person",
    ] {
        assert!(services.shows(shown), "{shown} is not in {}", services.text());
    }
    assert!(tokens.shows("Wiki bot"), "{}", tokens.text());

    for (login, shows) in [
        ("bob", ["API access key Never used", "Missing an Atom access key"]),
        ("carol", ["API access key Last used: about 2 years ago", "Atom access key Never used"]),
        ("dave", ["Missing an API access key", "Missing an Atom access key"]),
    ] {
        let visitor = Visitor::new(url);
        visitor.sign_in(login, password).await;
        let account = visitor.get("/my/account").await;
        assert!(shows.iter().all(|text| account.shows(text)), "{login}: {}", account.text());
    }
    assert_eq!(Visitor::new(url).try_sign_in("erin", password).await.status, 422, "erin is locked");

    demo.end();
    assert_eq!(std::fs::read_dir(temp.path()).expect("the folder").count(), 0, "everything is thrown away");
}

/// Whoever reads the README knows the usual password.
#[rstest]
#[case(&["--bind=0.0.0.0:0"])]
#[case(&["--bind=127.0.0.1:0", "--url=https://keys.example.org"])]
#[tokio::test]
async fn a_demo_that_others_can_reach_has_a_password_of_its_own(#[case] flags: &[&str]) {
    let passwords = [(); 2].map(|()| {
        let demo = Demo::start(binary().arg("demo").args(flags));
        let password = demo.password().to_owned();
        log::note_secret(&password);
        demo.end();
        password
    });
    assert!(passwords.iter().all(|password| password.len() == 16 && password != "open-sesame"), "{passwords:?}");
    assert_ne!(passwords[0], passwords[1]);
}

#[rstest]
#[tokio::test]
async fn the_demo_fills_a_database_that_is_named_if_it_is_empty(#[values(Sqlite, Postgres)] db: Db) {
    let database = TestDatabase::empty(db);
    let command_line = CommandLine::on(&database);
    let arguments = ["demo", "--bind=127.0.0.1:0", "--fill-database"];
    let demo = Demo::start(&mut command_line.command(&arguments));
    let alice = Visitor::new(demo.url());
    alice.sign_in("alice", demo.password()).await;
    assert!(alice.get("/my/account").await.shows("API access key Last used: 5 minutes ago"));
    demo.end();

    let people = database.dump("users");
    assert_eq!(people.lines().count(), 6, "it stays: {people}");
    let refused = command_line.run(&arguments).refused(1);
    assert!(refused.contains("is not empty; set DATABASE_URL to a new one"), "{refused}");
    assert_eq!(database.dump("users"), people);
}
