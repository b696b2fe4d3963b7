//! *Activity*: "the user's own sign-ins, refused sign-ins (one row per address and hour with its count …), key creations,
//! resets and first uses, password changes, each with address and agent".

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

/// The rows of the page, latest first: what, when, address and agent.
fn rows(page: &Page) -> Vec<String> {
    let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>")).map_or("", |it| it.0);
    let rows = body.split("<tr").skip(1);
    rows.map(|row| Page { status: 0, headers: page.headers.clone(), html: format!("<tr{row}") }.text()).collect()
}

async fn activity(visitor: &Visitor) -> Vec<String> {
    let page = visitor.get("/activity").await;
    assert_eq!(page.status, 200);
    rows(&page)
}

#[rstest]
#[tokio::test]
async fn everything_that_happens_to_an_account_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.visitor_at("127.0.0.9");
    let minute = || site.later(TimeDelta::minutes(1));
    alice.sign_in("alice", PASSWORD).await;
    minute();
    let first = alice.make_key("/my/api_key", "").await;
    minute();
    let used = site.get("/users/current.json").header("User-Agent", "curl/8.0").header("X-Redmine-API-Key", &first);
    assert_eq!(Answer::of(used).await.status, 200);
    minute();
    let replaces = alice.get("/my/api_key").await.value_of("replaces");
    let second = alice.make_key("/my/api_key", &replaces).await;
    minute();
    let atom = alice.make_key("/my/atom_key", "").await;
    minute();
    let read = site.get(&format!("/activity.atom?key={atom}")).header("User-Agent", "Reader 2");
    assert_eq!(Answer::of(read).await.status, 200);
    minute();
    alice.try_sign_in("alice", "a-wrong-password").await;
    site.flush().await;
    minute();
    let new = "a-brand-new-password";
    log::note_secret(new);
    let fields = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
    assert_eq!(alice.post("/my/password", &fields).await.status, 303);
    let hint = |secret: &str| format!("····{}", &secret[45..]);
    let told = [
        "Password changed by session less than a minute ago 127.0.0.9 Test Browser/1.0".to_owned(),
        "Wrong password 1 minute ago 127.0.0.9 Test Browser/1.0".to_owned(),
        format!("Atom access key first used {} 2 minutes ago 127.0.0.1 Reader 2", hint(&atom)),
        format!("Atom access key created {} by session 3 minutes ago 127.0.0.9 Test Browser/1.0", hint(&atom)),
        format!("API access key reset {} by session 4 minutes ago 127.0.0.9 Test Browser/1.0", hint(&second)),
        format!("API access key first used {} 5 minutes ago 127.0.0.1 curl/8.0", hint(&first)),
        format!("API access key created {} by session 6 minutes ago 127.0.0.9 Test Browser/1.0", hint(&first)),
        "Signed in 7 minutes ago 127.0.0.9 Test Browser/1.0".to_owned(),
    ];
    assert_eq!(activity(&alice).await, told);
}

/// What is done at the machine itself, by whoever looks after it.
#[rstest]
#[tokio::test]
async fn what_the_command_line_does_is_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let command_line = CommandLine::on(&site.database);
    let hint = command_line.add_key("alice")[45..].to_owned();
    let id = site.database.number("SELECT max(id) AS number FROM tokens").to_string();
    command_line.run(&["key", "revoke", &id]).done();
    command_line.run(&["user", "lock", "alice"]).done();
    command_line.run(&["user", "unlock", "alice"]).done();
    let new = "a-brand-new-password";
    log::note_secret(new);
    command_line.run_with_input(&["user", "password", "alice", "--password-stdin"], new).done();
    let alice = site.visitor();
    alice.sign_in("alice", new).await;
    let mut told = activity(&alice).await;
    // The command line has the clock of the machine, the site one of its own.
    told.iter_mut().for_each(|row| *row = row.split(" less than a minute ago ").next().unwrap_or_default().to_owned());
    for row in [
        format!("API access key created ····{hint}"),
        format!("API access key revoked ····{hint}"),
        "Account locked".to_owned(),
        "Account unlocked".to_owned(),
        "Password changed".to_owned(),
    ] {
        let found = told.iter().filter(|told| told.starts_with(&row)).count();
        assert_eq!(found, 1, "{row} in {told:?}");
    }
    assert_eq!(alice.get("/activity").await.html.matches(">command line</td>").count(), 5);
}

/// "refused sign-ins (one row per address and hour with its count, written behind, never in the request's path)"
#[rstest]
#[tokio::test]
async fn refused_sign_ins_are_counted_by_address_and_hour(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let wrong = async |address: &str, times: usize| {
        for _ in 0..times {
            assert_eq!(site.visitor_at(address).try_sign_in("Alice", "a-wrong-password").await.status, 422);
        }
    };
    // 09:30: within the hour they are one row for an address, however often they are written.
    wrong("127.0.0.5", 2).await;
    site.flush().await;
    site.later(TimeDelta::minutes(10));
    wrong("127.0.0.5", 1).await;
    wrong("127.0.0.6", 2).await;
    let basic = site.get("/users/current.json").basic_auth("alice", Some("a-wrong-password"));
    assert_eq!(Answer::of(basic).await.status, 401);
    site.flush().await;
    // 10:00: another hour.
    site.later(TimeDelta::minutes(20));
    wrong("127.0.0.5", 1).await;
    site.flush().await;
    // Nobody's: an unknown login, and one that was not tried.
    assert_eq!(site.visitor().try_sign_in("nobody", "a-wrong-password").await.status, 422);
    site.flush().await;
    let alice = site.signed_in("alice").await;
    let mut told = activity(&alice).await;
    assert!(told[0].starts_with("Signed in"), "{told:?}");
    assert!(told[1].starts_with("Wrong password less than a minute ago 127.0.0.5"), "{told:?}");
    told[2..].sort();
    let earlier: Vec<_> = told[2..].iter().map(|row| row.trim_end_matches(" Test Browser/1.0")).collect();
    let expected = [
        "Wrong password 20 minutes ago 127.0.0.1",
        "Wrong password ×2 20 minutes ago 127.0.0.6",
        "Wrong password ×3 20 minutes ago 127.0.0.5",
    ];
    assert_eq!(earlier, expected);
    assert!(
        alice.get("/activity").await.html.contains("<tr role=\"row\" class=\"warning\">"),
        "they look like warnings"
    );
}

/// "written behind, never in the request's path": here, while nobody can write.
#[rstest]
#[tokio::test]
async fn a_refused_sign_in_waits_for_no_write(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let held = site.database.hold("LOCK TABLE events IN EXCLUSIVE MODE");
    assert_eq!(site.visitor().try_sign_in("alice", "a-wrong-password").await.status, 422);
    let basic = site.get("/users/current.json").basic_auth("alice", Some("a-wrong-password"));
    assert_eq!(Answer::of(basic).await.status, 401);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM events"), 0);
    drop(held);
    site.flush().await;
    site.flush().await;
    let alice = site.signed_in("alice").await;
    let told = activity(&alice).await;
    assert!(told.iter().any(|row| row.starts_with("Wrong password ×2 ")), "{told:?}");
}

/// Whoever is refused for guessing too often adds nothing to the page.
#[rstest]
#[tokio::test]
async fn what_was_not_tried_is_not_told(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for number in 0..15 {
        let status = site.visitor().try_sign_in("alice", "a-wrong-password").await.status;
        assert_eq!(status, if number < 10 { 422 } else { 429 });
    }
    site.flush().await;
    let told = activity(&alice).await;
    assert!(told.iter().any(|row| row.starts_with("Wrong password ×10 ")), "{told:?}");
    assert_eq!(told.len(), 2, "{told:?}");
}

#[rstest]
#[tokio::test]
async fn nobody_sees_what_happened_to_others(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_admin("bob").await;
    let alice = site.signed_in("alice").await;
    alice.make_key("/my/api_key", "").await;
    let bob = site.signed_in("bob").await;
    let told = activity(&bob).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("Signed in"), "{told:?}");
    for query in ["?user=alice", "?user_id=1", "?login=alice"] {
        assert_eq!(rows(&bob.get(&format!("/activity{query}")).await), told, "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn where_nothing_has_happened_it_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.database.execute("DELETE FROM events");
    let page = alice.get("/activity").await;
    assert!(page.shows("Nothing has happened yet.") && !page.html.contains("<table"), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn fifty_rows_are_a_page_and_the_rest_is_older(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let row = |number: i64| {
        let at = (site.clock.now() + TimeDelta::seconds(number)).format("%Y-%m-%d %H:%M:%S%.6f");
        format!("({}, 'signed_in', '192.0.2.1', 'number {number}', '{at}', '{at}')", user.id)
    };
    let rows_of_more: Vec<String> = (0..119).map(row).collect();
    let columns = "user_id, action, address, agent, created_on, updated_on";
    site.database.execute(&format!("INSERT INTO events ({columns}) VALUES {}", rows_of_more.join(", ")));
    site.later(TimeDelta::minutes(2));
    let mut seen = Vec::new();
    for (path, count, links) in [
        ("/activity", 50, &["/activity?page=2"][..]),
        ("/activity?page=2", 50, &["/activity?page=1", "/activity?page=3"]),
        ("/activity?page=3", 20, &["/activity?page=2"]),
        ("/activity?page=4", 0, &["/activity?page=3"]),
    ] {
        let page = alice.get(path).await;
        let rows = rows(&page);
        assert_eq!(rows.len(), count, "{path}");
        let linked: Vec<_> = page
            .html
            .split("href=\"")
            .filter_map(|it| it.split('"').next())
            .filter(|it| it.contains("page="))
            .collect();
        assert_eq!(linked, links, "{path}");
        assert_eq!(page.shows("Newer"), path.contains("page="), "{path}");
        seen.extend(rows);
    }
    assert!(seen[0].ends_with("number 118"), "the latest first: {}", seen[0]);
    assert!(seen[118].ends_with("number 0") || seen[119].ends_with("number 0"), "the earliest last");
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 120, "each once");
}

/// Whatever stands in the address.
#[rstest]
#[tokio::test]
async fn a_page_number_that_is_none_shows_the_first_page(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let first = activity(&alice).await;
    for page in ["0", "-1", "x", "", "1.5", "99999999999999999999", "1%00", "%ff", "1'--"] {
        let answer = alice.get(&format!("/activity?page={page}")).await;
        assert_eq!((answer.status, rows(&answer)), (200, first.clone()), "{page}");
    }
    let far = alice.get("/activity?page=9223372036854775807").await;
    assert_eq!((far.status, rows(&far).len()), (200, 0));
}
