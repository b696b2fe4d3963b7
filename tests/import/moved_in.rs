//! What a person who moved in finds: their account, their keys, their password.

use rstest::rstest;

use super::*;
use crate::support::redmine::{From, From::*, Version};

#[rstest]
#[tokio::test]
async fn everybody_moves_in_from_every_kind_of_database(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let redmine = Redmine::new(from);
    everybody(&redmine);
    let database = TestDatabase::empty(db);
    let said = import(&database, &redmine, &[]).done().stdout;
    assert!(
        said.contains("people: 4 found, 4 added, 0 changed, 0 unchanged, 0 deleted in Latchkey; 2 passwords imported"),
        "{said}"
    );
    assert!(said.contains("keys: 4 found, 4 added, 0 replaced, 0 used since, 0 unchanged, 0 left out"), "{said}");
    let left = "left behind: 1 AnonymousUser in users, 1 GroupAnonymous in users, 1 GroupNonMember in users, 1 recovery in tokens, 2 session in tokens";
    assert!(said.contains(left), "{said}");
    for (table, count) in [("users", 4), ("tokens", 4), ("imported_users", 4), ("imported_tokens", 4)] {
        assert_eq!(database.number(&format!("SELECT count(*) AS number FROM {table}")), count, "{table}");
    }

    let process = Process::serve(&command_line(&database), &[]);
    let by_key = async |seed: &str| process.get_with_key("/users/current.json", &key(seed)).await;
    let alice = by_key("alice api").await.json();
    assert_eq!(alice["user"]["login"], "alice");
    assert_eq!(alice["user"]["admin"], true);
    assert_eq!(alice["user"]["mail"], "alice@example.org");
    assert_eq!(alice["user"]["created_on"], "2020-02-03T04:05:06Z");
    let bob = by_key("bob api").await.json();
    assert_eq!((&bob["user"]["login"], &bob["user"]["admin"]), (&"Bob".into(), &false.into()));
    assert_eq!(by_key("locked api").await.status, 401);
    assert_eq!(by_key("alice feeds").await.status, 401, "a feeds key opens no API");
    assert_eq!(process.get_with_key(&format!("/activity.atom?key={}", key("alice feeds")), "").await.status, 200);
    assert_eq!(by_key("alice session").await.status, 401);
    assert_eq!(by_key("bob recovery").await.status, 401);
    process.visitor().sign_in("alice", PASSWORD).await;
    process.visitor().sign_in("bob", "bobs-old-password").await;
    assert_eq!(process.visitor().try_sign_in("alice", "bobs-old-password").await.status, 422);
    // Locked in Redmine, locked here; and let in again, the key works.
    command_line(&database).run(&["user", "unlock", "locked"]).done();
    assert_eq!(by_key("locked api").await.status, 200);
}

/// "Versions 3.4 to 7.0 of the schema: a column that is missing is taken as its default."
#[rstest]
#[tokio::test]
async fn every_version_of_redmine_moves_in(
    #[values(SqliteFile, Postgresql, Mariadb)] from: From,
    #[values(Sqlite, Postgres)] db: Db,
) {
    for version in Version::ALL {
        let redmine = Redmine::of_version(from, version);
        everybody(&redmine);
        let database = TestDatabase::empty(db);
        let said = import(&database, &redmine, &[]).done().stdout;
        assert!(said.contains("people: 4 found, 4 added") && said.contains("keys: 4 found, 4 added"), "{said}");
        assert_eq!(database.number("SELECT count(*) AS number FROM tokens"), 4, "{version:?}");
        assert_eq!(time(&database, "created_on", "users", "login = 'alice'"), "2020-02-03 04:05:06", "{version:?}");
        let last_use = time(&database, "updated_on", "tokens", &format!("hint = '{}'", &key("alice api")[36..]));
        assert_eq!(last_use, "2022-01-02 03:04:05", "{version:?}");
        let process = Process::serve(&command_line(&database), &[]);
        let alice = process.get_with_key("/users/current.json", &key("alice api")).await.json();
        assert_eq!(alice["user"]["admin"], true, "{version:?}");
        process.visitor().sign_in("alice", PASSWORD).await;
    }
}

/// A Redmine that somebody has kept since before its tokens had a second time.
#[rstest]
fn a_column_that_is_missing_is_taken_as_its_default() {
    let redmine = Redmine::of_version(SqliteFile, Version::V3_4);
    everybody(&redmine);
    redmine.execute("ALTER TABLE tokens DROP COLUMN updated_on;\nALTER TABLE users DROP COLUMN passwd_changed_on");
    let database = TestDatabase::empty(Sqlite);
    let said = import(&database, &redmine, &[]).done().stdout;
    assert!(said.contains("people: 4 found, 4 added") && said.contains("keys: 4 found, 4 added"), "{said}");
    assert_eq!(database.number("SELECT count(*) AS number FROM tokens WHERE updated_on IS NULL"), 4);
}

/// "A person who moved in sees on *My account* the keys they had, with the creation they had in Redmine, and the last
/// use where Redmine recorded one"; where it did not, "until its first use here the key reads 'No use recorded since
/// 24 Nov 2026', never 'Never used'".
#[rstest]
#[tokio::test]
async fn my_account_tells_what_redmine_knew_of_the_keys(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    // The import has the time of the machine, not that of the site.
    site.database.execute("UPDATE tokens SET recorded_since = '2026-11-24 09:00:00'");
    let alice = site.visitor();
    alice.sign_in("alice", PASSWORD).await;
    let account = alice.get("/my/account").await;
    assert!(
        account.shows("API access key Last used: almost 5 years ago Too early to say: the last known use was on"),
        "{}",
        account.text()
    );
    assert!(account.html.contains("2022-01-02T03:04:05Z") && account.html.contains("2021-03-04T05:06:07Z"));
    assert!(
        account.shows("Atom access key No use recorded since 24 Nov 2026 Too early to say: recorded for 30 minutes.")
    );
    assert!(!account.shows("Never used"));
    assert!(account.shows(&format!("····{}", &key("alice api")[36..])));
    let asked = alice.get("/my/atom_key").await;
    assert!(asked.shows("No use recorded since 24 Nov 2026") && !asked.shows("nothing seems to depend on it"));

    let list = CommandLine::on(&site.database).run(&["key", "list", "Bob"]).done().stdout;
    assert!(list.contains("none since 2026-11-24") && !list.contains("never"), "{list}");

    assert_eq!(Answer::of(site.get(&format!("/activity.atom?key={}", key("alice feeds")))).await.status, 200);
    assert!(alice.get("/my/account").await.shows("Atom access key Last used: less than a minute ago"));
    // A key that is made here is known from its first day.
    let id = alice.get("/my/atom_key").await.value_of("replaces");
    alice.make_key("/my/atom_key", &id).await;
    assert!(alice.get("/my/account").await.shows("Atom access key Never used"));
}

/// "People with an `auth_source_id` have no password here; those with a `twofa_scheme` cannot sign in by password until
/// an admin clears it […]; their keys work; the report says so."
#[rstest]
#[tokio::test]
async fn those_whose_password_alone_must_not_do_need_an_admin(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    redmine.execute("UPDATE users SET twofa_scheme = 'totp' WHERE id = 1");
    redmine.execute("UPDATE users SET auth_source_id = 3 WHERE id = 5");
    let site = Site::start(db).await;
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("user 1 (alice): has a second factor (totp); keys work"), "{said}");
    assert!(
        said.contains("user 5 (Bob): the password is stored elsewhere (auth_source_id); needs a new password"),
        "{said}"
    );
    let current = async |seed: &str| {
        let request = site.get("/users/current.json").header("X-Redmine-API-Key", key(seed));
        Answer::of(request).await
    };
    assert_eq!(current("alice api").await.json()["user"]["twofa_scheme"], "totp");
    assert_eq!(current("bob api").await.status, 200);
    assert_eq!(site.visitor().try_sign_in("Bob", "bobs-old-password").await.status, 422);
    let refused = site.visitor().try_sign_in("alice", PASSWORD).await;
    assert!(refused.status == 422 && refused.shows("second factor"), "{}", refused.text());

    let latchkey = command_line(&site.database);
    assert!(latchkey.run(&["user", "twofa", "alice"]).refused(2).contains("--clear"));
    assert_eq!(
        latchkey.run(&["user", "twofa", "alice", "--clear"]).done().stdout,
        "alice can sign in with only the password\n"
    );
    assert_eq!(latchkey.run(&["user", "twofa", "Bob", "--clear"]).done().stdout, "Bob has no second factor\n");
    let alice = site.visitor();
    alice.sign_in("alice", PASSWORD).await;
    assert!(alice.get("/activity").await.shows("Second factor cleared"));
}
