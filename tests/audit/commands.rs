//! `latchkey audit`

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn the_log_is_printed_oldest_first(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    fill(&site, 1200);
    let latchkey = CommandLine::on(&site.database);
    let lines = |arguments: &[&str]| -> Vec<String> {
        let printed = latchkey.run(&[&["audit"], arguments].concat()).done().stdout;
        printed.lines().map(str::to_owned).collect()
    };
    let line = "2026-01-01T00:20:00Z locked about person0 by doer3 from 192.0.2.0, key 0: =1200";
    let latest = lines(&[]);
    assert_eq!((latest.len(), latest[99].as_str()), (100, line));
    let all = lines(&["--limit", "0"]);
    assert_eq!((all.len(), &all[1100..]), (1200, &latest[..]));
    assert_eq!(lines(&["--limit", "2", "--user", "person7", "--actor=doer1", "--until=2026-01-01"]).len(), 2);
    assert_eq!(lines(&["--action=locked", "--limit=0", "--address=192.0.2.0", "--key=10"]).len(), 24);
    assert_eq!(lines(&["--since=2026-01-02"]), [""; 0]);
    let documents = lines(&["--json", "--user=id:1042", "--limit=1"]);
    let document: Value = serde_json::from_str(&documents[0]).expect("JSON");
    assert_eq!((&document["user"], &document["actor_id"]), (&Value::from("person42"), &Value::from(2001)));
    // What commands do is told, too.
    latchkey.add_user("alice", PASSWORD);
    latchkey.run(&["user", "delete", "alice", "--yes"]).done();
    let told = lines(&["--user=alice"]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains(" account_created about alice by command line, with system user "), "{told:?}");
    assert!(told[1].contains(" account_deleted about alice by command line, with system user "), "{told:?}");
}

#[rstest]
#[tokio::test]
async fn a_search_that_cannot_be_is_misuse(#[values(Sqlite)] db: Db) {
    let site = Site::start(db).await;
    let latchkey = CommandLine::on(&site.database);
    for (flags, told) in [
        (&["--user=two words"][..], "--user must be a login, or an id such as id:12"),
        (&["--action=walked"], "--action must be one of signed_in,"),
        (&["--since=2026-02-02", "--until=2026-02-01"], "--until must be later than the beginning of the search"),
        (&["--limit=10001"], "10001 is not in 0..=10000"),
        (&["--follow", "--until=2026-02-01"], "cannot be used with"),
    ] {
        let line = latchkey.run(&[&["audit"], flags].concat()).refused(2);
        assert!(line.contains(told), "{line}");
    }
}

/// Entries come as they are written, by whichever process.
#[rstest]
#[tokio::test]
async fn the_log_can_be_followed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    fill(&site, 3);
    let latchkey = CommandLine::on(&site.database);
    let mut command = latchkey.command(&["audit", "--follow", "--json", "--limit=2", "--actor=command line"]);
    let mut unfiltered = latchkey.command(&["audit", "--follow", "--limit=2"]);
    let mut children = [&mut command, &mut unfiltered].map(|it| it.stdout(Stdio::piped()).spawn().expect("the binary"));
    let [filtered, all] =
        children.each_mut().map(|child| BufReader::new(child.stdout.take().expect("its output")).lines());
    let [mut filtered, mut all] = [filtered, all].map(|lines| lines.map(|line| line.expect("a line")));
    assert!(all.next().expect("a line").ends_with(": =2"));
    assert!(all.next().expect("a line").ends_with(": =3"));
    fill(&site, 1);
    latchkey.add_user("alice", PASSWORD);
    assert!(all.next().expect("a line").ends_with(": =1"));
    assert!(all.next().expect("a line").contains(" account_created about alice by command line"));
    let document: Value = serde_json::from_str(&filtered.next().expect("a line")).expect("JSON");
    assert_eq!((&document["action"], &document["user"]), (&Value::from("account_created"), &Value::from("alice")));
    for child in &mut children {
        child.kill().expect("it still followed");
        child.wait().expect("its end");
    }
}
