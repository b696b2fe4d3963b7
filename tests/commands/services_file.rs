//! "They can also stand in a TOML file that `serve` reads, for those who keep configuration in git." It is a long file because
//! each rule of the file is tried on one set of servers.

use std::path::PathBuf;

use rstest::rstest;
use serde_json::{Value, json};

use crate::support::database::TestDatabase;
use crate::support::*;

/// The fields of the log that say what a line is about.
const KINDS: [&str; 6] = ["service", "services", "group", "groups", "account", "accounts"];

/// A database, a file of services beside it, and somebody who starts and stops servers with both.
pub(crate) struct Kept {
    pub database: TestDatabase,
    pub latchkey: CommandLine,
    file: PathBuf,
}

impl Kept {
    pub fn new(db: Db) -> Self {
        let database = TestDatabase::migrated(db);
        let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
        latchkey.add_user("alice", PASSWORD);
        let file = database.folder().join("services.toml");
        Self { database, latchkey, file }
    }

    pub fn write(&self, text: &str) -> String {
        std::fs::write(&self.file, text).expect("a file");
        format!("--services={}", self.file.display())
    }

    /// Serves once with a file that says `text`, and gives what it logged about services.
    pub fn serve(&self, text: &str) -> Vec<String> {
        let flag = self.write(text);
        self.serve_with(&[&flag])
    }

    pub fn serve_with(&self, flags: &[&str]) -> Vec<String> {
        let process = Process::serve(&self.latchkey, flags);
        process.terminate();
        let entries = process.log();
        let entries = entries.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = entries.filter(|entry| KINDS.iter().any(|name| entry[name].is_string()));
        told.map(|entry| {
            let of = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let message = of("message").split([':', ';', ',']).next().expect("a message").to_owned();
            let what = of("service") + &of("services") + &of("group") + &of("account") + &of("accounts");
            format!("{what} {message} {}", of("logins") + &of("groups")).trim().to_owned()
        })
        .collect()
    }

    /// The one line of a server that does not start.
    pub fn refused(&self, text: &str) -> String {
        let flag = self.write(text);
        let line = self.latchkey.run(&["serve", "--bind=127.0.0.1:0", &flag]).refused(1);
        line.replace(&self.file.display().to_string(), "FILE")
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        self.latchkey.run(arguments).done().stdout
    }

    /// Every service as it is kept.
    fn services(&self) -> Value {
        serde_json::from_str(&self.run(&["service", "list", "--json"])).expect("JSON")
    }

    fn service(&self, name: &str) -> Value {
        let all = self.services();
        let found = all.as_array().expect("services").iter().find(|service| service["name"] == name);
        found.cloned().unwrap_or_default()
    }

    /// A key of alice's that may write on the wiki.
    fn add_key(&self) {
        let scope = "--scope=service:wiki:write";
        let secret = self.run(&["key", "add", "alice", "--action=access", "--name=bot", scope, "--scope=account:read"]);
        log::note_secret(secret.trim());
    }

    fn scopes(&self) -> Value {
        let keys: Value = serde_json::from_str(&self.run(&["key", "list", "--json"])).expect("JSON");
        keys[0]["scopes"].clone()
    }
}

const WIKI: &str = "[services.wiki]\nhost = \"wiki.example.org\"\nwriters = [\"alice\"]\n";

#[rstest]
fn services_of_the_file_are_there_when_it_serves(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    let text = r#"# All that can be said.
        [services.wiki]
        title = "Team wiki"
        host = "Wiki.example.org"
        path = "/docs/"
        reading_methods = ["GET", "REPORT"]
        anonymous_reads = true
        classic_keys = true
        key_parameter = true
        requests_per_minute = 1_000
        readers = "everyone"
        writers = ["ALICE"]
        [services]
        files.host = "files.example.org"
    "#;
    assert_eq!(kept.serve(text), ["wiki service added", "files service added"]);
    let wiki = kept.service("wiki");
    for (member, expected) in [
        ("title", json!("Team wiki")),
        ("host", json!("wiki.example.org")),
        ("path", json!("/docs")),
        ("reading_methods", json!(["GET", "REPORT"])),
        ("anonymous_reads", json!(true)),
        ("classic_keys", json!(true)),
        ("key_parameter", json!(true)),
        ("requests_per_minute", json!(1000)),
        ("readers", json!("everyone")),
        ("writers", json!(["alice"])),
        ("kept_in", json!("file")),
    ] {
        assert_eq!(wiki[member], expected, "{member}");
    }
    let files = kept.service("files");
    assert_eq!((&files["title"], &files["readers"], &files["path"]), (&json!("files"), &json!([]), &json!("/")));
    assert_eq!(kept.serve(text), [""; 0], "only what was changed is told");
    assert_eq!(kept.service("wiki"), wiki, "nothing was changed");
    let changed = text.replace("1_000", "60").replace("[\"ALICE\"]", "[]");
    assert_eq!(kept.serve(&changed), ["wiki service changed"]);
    assert_eq!(kept.service("wiki")["requests_per_minute"], 60);
}

/// As `docs/operations.md` has it.
#[rstest]
fn the_file_of_the_documentation_is_taken_as_it_stands(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.latchkey.add_user("bob", PASSWORD);
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md")).expect("a file");
    let (_, after) = document.split_once("\n    [services.wiki]\n").expect("the file");
    let block = after.lines().take_while(|line| line.is_empty() || line.starts_with("    ")).collect::<Vec<_>>();
    let text = format!("[services.wiki]\n{}\n", block.join("\n"));
    let told = ["backup service account added", "QA team group added", "wiki service added", "files service added"];
    assert_eq!(kept.serve(&text), told);
    assert_eq!(kept.service("wiki")["writers"], json!(["alice", "bob"]));
    assert_eq!(kept.service("files")["readers"], json!(["group:QA team", "alice"]));
    assert_eq!(kept.service("files")["reading_methods"], json!(["GET", "HEAD", "OPTIONS", "PROPFIND"]));
}

#[rstest]
fn what_stands_in_the_file_is_changed_there_only(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.serve(WIKI);
    for arguments in [&["service", "change", "wiki", "--readers=everyone"][..], &["service", "remove", "wiki"]] {
        let line = kept.latchkey.run(arguments).refused(1);
        let told = "The service wiki is defined in the file that LATCHKEY_SERVICES names: change it there and restart Latchkey";
        assert!(line.contains(told), "{line}");
    }
    assert_eq!(kept.service("wiki")["readers"], json!([]));
}

/// "Nothing is lost by a typo."
#[rstest]
fn a_service_that_leaves_the_file_is_closed_and_opens_again_with_its_scopes(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.serve(WIKI);
    kept.add_key();
    let id = kept.service("wiki")["id"].clone();
    assert_eq!(kept.serve(""), ["wiki service closed"]);
    assert_eq!(kept.service("wiki")["kept_in"], "left_file");
    assert_eq!(kept.serve(""), [""; 0]);
    let line = kept.latchkey.run(&["service", "change", "wiki", "--readers=everyone"]).refused(1);
    assert!(
        line.contains("is no longer in the file that LATCHKEY_SERVICES names: put it back there, or remove it"),
        "{line}"
    );
    assert_eq!(kept.scopes(), json!(["account:read", "service:wiki:write"]));
    // A closed service offers nothing.
    let token = ["key", "add", "alice", "--action=access", "--name=late", "--scope=service:wiki:write"];
    assert!(kept.latchkey.run(&token).refused(1).contains("No service offers the scope service:wiki:write to alice"));
    // A name that was mistyped takes the place meanwhile, and gives it back.
    let mistyped = WIKI.replace("wiki]", "wkii]");
    assert_eq!(kept.serve(&mistyped), ["wkii service added"]);
    assert_eq!(kept.service("wiki")["path"], json!(null));
    assert_eq!(kept.serve(WIKI), ["wiki service open again", "wkii service closed"]);
    let wiki = kept.service("wiki");
    assert_eq!(
        (&wiki["id"], &wiki["path"], &wiki["kept_in"], &wiki["keys"]),
        (&id, &json!("/"), &json!("file"), &json!(1))
    );
    assert_eq!(kept.scopes(), json!(["account:read", "service:wiki:write"]));
    // For good.
    kept.serve("");
    kept.run(&["service", "remove", "wiki"]);
    kept.run(&["service", "remove", "wkii"]);
    assert_eq!((kept.services(), kept.scopes()), (json!([]), json!(["account:read"])));
    kept.serve(WIKI);
    assert_eq!(kept.scopes(), json!(["account:read"]), "a later one of the same name starts with none");
}

#[rstest]
fn a_service_that_administrators_keep_is_taken_over_with_the_scopes_of_keys(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.run(&["service", "add", "wiki", "--host=elsewhere.example.org", "--writers=alice"]);
    kept.add_key();
    let id = kept.service("wiki")["id"].clone();
    assert_eq!(kept.serve(WIKI), ["wiki service taken over"]);
    let wiki = kept.service("wiki");
    assert_eq!((&wiki["id"], &wiki["host"], &wiki["kept_in"]), (&id, &json!("wiki.example.org"), &json!("file")));
    assert_eq!(kept.scopes(), json!(["account:read", "service:wiki:write"]));
}

#[rstest]
fn two_services_of_the_file_can_change_places(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    let both = |a: &str, b: &str| format!("[services.a]\nhost = \"{a}\"\n[services.b]\nhost = \"{b}\"\n");
    kept.serve(&both("one", "two"));
    assert_eq!(kept.serve(&both("two", "one")), ["a service changed", "b service changed"]);
    assert_eq!((&kept.service("a")["host"], &kept.service("b")["host"]), (&json!("two"), &json!("one")));
}

/// "They may come later; the next start reads them."
#[rstest]
fn logins_that_nobody_has_are_told_and_admitted_when_somebody_has_them(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    let text = "[services.wiki]\nhost = \"h\"\nreaders = [\"alice\", \"bob\"]\nwriters = [\"carol\", \"b c\"]\n";
    let told = "wiki no accounts have these logins bob, carol, b c";
    assert_eq!(kept.serve(text), ["wiki service added", told]);
    assert_eq!(kept.serve(text), [told]);
    assert_eq!((&kept.service("wiki")["readers"], &kept.service("wiki")["writers"]), (&json!(["alice"]), &json!([])));
    kept.latchkey.add_user("bob", PASSWORD);
    assert_eq!(kept.serve(text), ["wiki service changed", "wiki no accounts have these logins carol, b c"]);
    assert_eq!(kept.service("wiki")["readers"], json!(["alice", "bob"]));
}

#[rstest]
fn a_file_that_is_wrong_stops_the_start_and_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.serve(WIKI);
    let before = kept.services();
    kept.run(&["service", "add", "files", "--host=files.example.org"]);
    for (text, told) in [
        ("[services.wiki\n", "FILE, line 1: this is not valid TOML: "),
        (
            "\n[service.wiki]\n",
            "FILE, line 2: unknown table \"service\": use tables such as [services.wiki], [groups.Writers] or [service_accounts.backup]",
        ),
        ("groups = 1", "FILE, line 1: groups must be tables such as [groups.Writers]"),
        ("[groups.\"a, b\"]", "FILE, line 1: group a, b: Name cannot have a comma"),
        ("[groups.\" a\"]", "FILE, line 1: group  a: Name cannot begin or end with a blank"),
        ("[groups.a]\nmembers = \"alice\"", "FILE, line 2: group a: Members must be an array of logins"),
        ("[groups.a]\nmember = []", "FILE, line 2: group a: unknown setting \"member\": use members"),
        ("[groups.a]\n[groups.A]", "FILE, line 2: group A: a has the same name, as case does not count"),
        (
            "[groups.a]\nmembers = [\"group:b\"]",
            "FILE, line 2: group a: group:b cannot be a member, as it is a group: name its members",
        ),
        ("services = 1", "FILE, line 1: services must be tables such as [services.wiki]"),
        ("[services]\nwiki = 1", "FILE, line 2: \"wiki\" must be a table such as [services.wiki]"),
        ("[services.Wiki]\nhost = \"h\"", "FILE, line 1: service Wiki: Name can only have lowercase letters"),
        ("[services.wiki]\npath = \"/a\"", "FILE, line 1: service wiki: Host cannot be blank"),
        (
            "[services.wiki]\nhost = \"h\"\nreader = \"x\"",
            "FILE, line 3: service wiki: unknown setting \"reader\": use title, host, path,",
        ),
        ("[services.wiki]\nhost = \"h\"\n\npath = \"a\"", "FILE, line 4: service wiki: Path must begin with a slash"),
        ("[services.wiki]\nhost = \"h:80\"", "FILE, line 2: service wiki: Host must not have a port"),
        ("[services.wiki]\nhost = 1", "FILE, line 2: service wiki: Host must be a string in quotes"),
        (
            "[services.wiki]\nhost = \"h\"\nclassic_keys = \"no\"",
            "FILE, line 3: service wiki: Classic keys must be true or false",
        ),
        (
            "[services.wiki]\nhost = \"h\"\nreaders = \"alice\"",
            "FILE, line 3: service wiki: Readers must be \"everyone\" or an array of logins and groups",
        ),
        (
            "[services.wiki]\nhost = \"h\"\nrequests_per_minute = 0",
            "FILE, line 3: service wiki: Requests per minute must be a whole number from 1",
        ),
        ("[services.wiki]\nhost = \"h\"\nhost = \"h\"", "FILE, line 3: this is not valid TOML: duplicate key"),
        (
            "[services.a]\nhost = \"h\"\n[services.b]\nhost = \"H\"\npath = \"/\"",
            "FILE, line 5: service b: Path is already used by the service a on this host",
        ),
        (
            "[services.a]\nhost = \"files.example.org\"",
            "FILE, line 1: service a: files has the same host and path and is not from the file",
        ),
    ] {
        let line = kept.refused(text);
        assert!(line.contains(told) && line.ends_with("; nothing is changed"), "{text}: {line}");
    }
    kept.run(&["service", "remove", "files"]);
    assert_eq!(kept.services(), before);
    let missing = kept.latchkey.run(&["serve", "--bind=127.0.0.1:0", "--services=/nowhere/services.toml"]).refused(1);
    assert!(missing.contains("cannot read /nowhere/services.toml: No such file"), "{missing}");
    assert!(missing.contains("LATCHKEY_SERVICES names it"), "{missing}");
}

/// It is read before the database is touched: a new one is not even made.
#[test]
fn a_file_that_is_wrong_makes_no_database() {
    let database = TestDatabase::empty(Sqlite);
    let file = database.folder().join("services.toml");
    std::fs::write(&file, "[services.wiki]\n").expect("a file");
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SERVICES", &file.display().to_string());
    let line = latchkey.run(&["serve", "--bind=127.0.0.1:0"]).refused(1);
    assert!(line.contains("Host cannot be blank"), "{line}");
    assert!(!database.url.file().expect("a path").exists());
}

#[rstest]
fn a_server_without_a_file_leaves_them_as_they_are_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.serve(WIKI);
    let before = kept.services();
    assert_eq!(kept.serve_with(&[]), ["wiki LATCHKEY_SERVICES is not set"]);
    assert_eq!(kept.services(), before);
}

/// "Two processes starting at once with the same file must work."
#[rstest]
fn several_that_start_at_once_with_the_same_file_all_serve(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    let service = |n: i32| format!("[services.s{n}]\nhost = \"h{n}\"\nreaders = [\"alice\", \"a{n}\"]\n");
    let account = |n: i32| format!("[service_accounts.a{n}]\nowners = [\"alice\"]\n");
    let text: String = (0..20).map(|n| service(n) + &account(n)).collect();
    let flag = kept.write(&text);
    let processes: Vec<Process> = std::thread::scope(|scope| {
        let start = || Process::serve(&kept.latchkey, &[flag.as_str()]);
        let started: Vec<_> = (0..3).map(|_| scope.spawn(start)).collect();
        started.into_iter().map(|started| started.join().expect("a server")).collect()
    });
    let added = processes.into_iter().map(|process| {
        process.terminate();
        let log = process.log();
        log.matches("service added").count() + log.matches("service account added").count()
    });
    assert_eq!(added.sum::<usize>(), 40, "each is added once");
    assert_eq!(kept.services().as_array().expect("services").len(), 20);
    assert_eq!(kept.database.number("SELECT count(*) AS number FROM service_admissions"), 40);
    assert_eq!(kept.database.number("SELECT count(*) AS number FROM account_owners"), 20);
}

/// "A group of the file stands under the rules of services: checked first, taken over, closed when it leaves, never deleted."
#[rstest]
fn a_group_of_the_file_is_filled_emptied_and_taken_over_as_services_are(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.latchkey.add_user("bob", PASSWORD);
    let show =
        |name: &str| -> Value { serde_json::from_str(&kept.run(&["group", "show", name, "--json"])).expect("JSON") };
    let writers = |members: &str| format!("[groups.Writers]\nmembers = {members}\n");
    let wiki = "[services.wiki]\nhost = \"h\"\nwriters = [\"group:writers\", \"group:Nobodies\"]\n";
    let nobodies = "wiki no groups have these names Nobodies";
    // What comes after it in the file finds it, and so does what stands before it.
    let text = format!("{wiki}{}", writers("[\"ALICE\", \"carol\"]"));
    let carol = "Writers no accounts have these logins carol";
    assert_eq!(kept.serve(&text), ["Writers group added", carol, "wiki service added", nobodies]);
    assert_eq!(kept.serve(&text), [carol, nobodies], "only what was changed is told");
    let shown = show("Writers");
    assert_eq!((&shown["logins"], &shown["kept_in"]), (&json!(["alice"]), &json!("file")));
    assert_eq!(kept.service("wiki")["writers"], json!(["group:Writers"]));
    for arguments in [
        &["group", "members", "Writers", "--add=bob"][..],
        &["group", "rename", "Writers", "Authors"],
        &["group", "delete", "Writers", "--yes"],
    ] {
        let line = kept.latchkey.run(arguments).refused(1);
        let told = "The group Writers is defined in the file that LATCHKEY_SERVICES names: change it there and restart";
        assert!(line.contains(told), "{line}");
    }
    kept.add_key();
    let text = format!("{wiki}{}", writers("[\"alice\", \"bob\"]"));
    assert_eq!(kept.serve(&text), ["Writers group changed", nobodies]);
    assert_eq!(show("Writers")["logins"], json!(["alice", "bob"]));

    assert_eq!(kept.serve(wiki), ["Writers group closed", nobodies]);
    let shown = show("Writers");
    assert_eq!((&shown["logins"], &shown["kept_in"]), (&json!([]), &json!("left_file")));
    assert_eq!(kept.service("wiki")["writers"], json!(["group:Writers"]), "it is still named");
    let line = kept.latchkey.run(&["group", "members", "Writers", "--add=bob"]).refused(1);
    assert!(
        line.contains("is no longer in the file that LATCHKEY_SERVICES names: put it back there, or delete it"),
        "{line}"
    );
    assert_eq!(kept.serve(&text), ["Writers group open again", nobodies]);
    assert_eq!(show("Writers")["id"], shown["id"]);
    assert_eq!(show("Writers")["logins"], json!(["alice", "bob"]));
    assert_eq!(kept.serve_with(&[]).len(), 2, "a process without a file warns of both");

    // One that administrators keep, under a name in another case.
    kept.run(&["group", "add", "readers", "--members=bob"]);
    let both = format!("{text}[groups.Readers]\nmembers = [\"alice\"]\n");
    assert_eq!(kept.serve(&both), ["Readers group taken over", nobodies]);
    let shown = show("Readers");
    assert_eq!((&shown["name"], &shown["logins"]), (&json!("Readers"), &json!(["alice"])));
    let told = kept.run(&["audit", "--action=group_changed"]);
    for what in ["Writers: it is closed, as it is no longer", "Readers: its members now come from the services file"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    kept.serve("");
    kept.run(&["group", "delete", "Writers", "--yes"]);
    assert_eq!(kept.run(&["group", "list"]).lines().count(), 2, "Readers stays, closed");
}
