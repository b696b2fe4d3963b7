//! Passwords of Redmine's: wrapped, as slow to refuse as any, and replaced at the first sign-in.

use rstest::rstest;

use super::*;
use crate::support::redmine::{From::*, hashed_password};

/// "no such hash may stand in our database: wrap it in Argon2id, with our usual parameters […], and replace the wrap by
/// a plain Argon2id hash at the next sign-in. Every refused sign-in costs the same work, whatever the hash."
#[rstest]
#[tokio::test]
async fn a_wrapped_password_is_hashed_once_when_wrong_and_replaced_when_right(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(false, true)] by_basic: bool,
) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    import(&site.database, &redmine, &[]).done();
    site.add_user("native").await;
    let stored = || site.user("alice").password_hash.expect("a hash");
    let wrapped = stored();
    assert!(wrapped.contains(":$argon2id$v=19$m=19456,t=2,p=1$"), "{wrapped}");
    let contents = String::from_utf8_lossy(&site.database.contents()).into_owned();
    let sha1 = hashed_password(PASSWORD, crate::support::redmine::SALT);
    assert!(!contents.contains(&sha1), "the hash of Redmine stands in the database");

    let attempt = async |login: &str, password: &str| {
        let before = site.app.passwords.hash_calls();
        let status = if by_basic {
            Answer::of(site.get("/users/current.json").basic_auth(login, Some(password))).await.status
        } else {
            site.visitor().try_sign_in(login, password).await.status
        };
        (status, site.app.passwords.hash_calls() - before)
    };
    let (right, wrong) = if by_basic { (200, 401) } else { (303, 422) };
    for (login, password) in [
        ("alice", "a-wrong-password"),
        ("alice", sha1.as_str()),
        ("native", "a-wrong-password"),
        ("nobody", "a-wrong-password"),
        ("locked", "a-wrong-password"),
    ] {
        assert_eq!(attempt(login, password).await, (wrong, 1), "{login}");
    }
    // Whom the right password does not let in, costs no more.
    let alice = site.user("alice");
    for (set, back) in [("status = 'locked'", "status = 'active'"), ("twofa_scheme = 'totp'", "twofa_scheme = NULL")] {
        site.set_user(&alice, set);
        assert_eq!(attempt("alice", PASSWORD).await, (wrong, 1), "{set}");
        site.set_user(&alice, back);
        site.later(chrono::TimeDelta::seconds(61));
    }
    assert_eq!(stored(), wrapped, "what is refused changes nothing");

    assert_eq!(attempt("alice", PASSWORD).await, (right, 2));
    let plain = stored();
    assert!(plain.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{plain}");
    assert_eq!(site.user("alice").passwd_changed_on, alice.passwd_changed_on, "it is the same password");
    assert_eq!(attempt("alice", PASSWORD).await, (right, 0), "it is remembered");
    site.later(chrono::TimeDelta::seconds(61));
    assert_eq!(attempt("alice", PASSWORD).await, (right, 1));
    assert_eq!(attempt("alice", "a-wrong-password").await, (wrong, 1));
    assert_eq!(stored(), plain);
}

/// "`--passwords=skip` moves people in who then need a new password"
#[rstest]
#[tokio::test]
async fn passwords_that_are_skipped_can_be_moved_later(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let site = Site::start(db).await;
    let said = import(&site.database, &redmine, &["--passwords=skip"]).done();
    assert!(said.stdout.contains("4 added") && said.stdout.contains("; 0 passwords imported"), "{}", said.stdout);
    assert!(!said.stderr.contains("to hash once more"), "{}", said.stderr);
    assert_eq!(site.user("alice").password_hash, None);
    assert_eq!(site.visitor().try_sign_in("alice", PASSWORD).await.status, 422);
    let latchkey = command_line(&site.database);
    latchkey.run_with_input(&["user", "password", "bob", "--password-stdin"], "bobs-new-password").done();
    log::note_secret("bobs-new-password");

    let said = import(&site.database, &redmine, &["--passwords=skip"]).done().stdout;
    assert!(said.contains("0 changed, 4 unchanged") && !said.contains("password was changed"), "{said}");
    let said = import(&site.database, &redmine, &[]).done();
    assert!(said.stderr.contains("1 password to hash once more: about "), "{}", said.stderr);
    assert!(said.stdout.contains("; 1 passwords imported"), "{}", said.stdout);
    assert!(said.stdout.contains("user 5 (Bob): password was changed in Latchkey; kept"), "{}", said.stdout);
    site.visitor().sign_in("alice", PASSWORD).await;
    site.visitor().sign_in("bob", "bobs-new-password").await;
    // And skipping leaves alone what was moved.
    import(&site.database, &redmine, &["--passwords=skip"]).done();
    site.visitor().sign_in("alice", PASSWORD).await;
}

/// A hash tells only whether a guess is right, so the common ones are guessed. The password works all the same.
#[rstest]
#[tokio::test]
async fn passwords_that_are_too_simple_are_named(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    let simple = [("carol", "sunshine"), ("dave", "dave"), ("erin", "Person"), ("frank", "Test")];
    for (id, (login, password)) in (1..).zip(simple) {
        redmine.add_user(&RedmineUser { password: Some(password), ..RedmineUser::new(id, login) });
    }
    redmine.add_user(&RedmineUser { password: Some(PASSWORD), ..RedmineUser::new(5, "alice") });
    let site = Site::start(db).await;
    let skipped = import(&site.database, &redmine, &["--passwords=skip", "--dry-run"]).done().stdout;
    assert!(!skipped.contains("too simple"), "{skipped}");
    let dry = import(&site.database, &redmine, &["--dry-run"]).done().stdout;
    for said in [dry, import(&site.database, &redmine, &[]).done().stdout] {
        assert!(said.contains("Passwords that are too simple (4):"), "{said}");
        for (id, (login, _)) in (1..).zip(simple) {
            let line = format!("user {id} ({login}): the password is too simple; imported: ask them to change it");
            assert!(said.contains(&line), "{said}");
        }
    }
    site.visitor().sign_in("carol", "sunshine").await;
    assert!(!import(&site.database, &redmine, &[]).done().stdout.contains("too simple"));
}

/// Old rows have no salt; some have what no password can match, which is told and lets nobody in.
#[rstest]
#[tokio::test]
async fn unsalted_and_unusable_hashes_do_no_harm(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let unsalted = hashed_password(PASSWORD, "");
    redmine.execute(&format!("UPDATE users SET hashed_password = '{unsalted}', salt = NULL WHERE id = 1"));
    redmine.execute("UPDATE users SET hashed_password = 'X' WHERE id = 5");
    let site = Site::start(db).await;
    let said = import(&site.database, &redmine, &[]).done().stdout;
    assert!(said.contains("user 5 (Bob): hashed_password is not a valid hash; needs a new"), "{said}");
    site.visitor().sign_in("alice", PASSWORD).await;
    assert_eq!(site.visitor().try_sign_in("bob", "X").await.status, 422);
}
