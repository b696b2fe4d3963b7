//! "The file of services may stand beside a file of groups and service accounts, under the rules of the services' file:
//! checked first, taken over, closed when it leaves, never deleted."

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::commands::services_file::Kept;

fn backup(rest: &str) -> String {
    format!("[service_accounts.backup]\n{rest}\n")
}

impl Kept {
    /// The service accounts, as administrators see them.
    fn accounts(&self) -> Value {
        serde_json::from_str(&self.run(&["user", "list", "--kind=service", "--json"])).expect("JSON")
    }

    fn owners(&self, login: &str) -> String {
        self.run(&["user", "owners", login])
    }
}

#[rstest]
#[tokio::test]
async fn an_account_of_the_file_is_made_changed_closed_and_opened_again(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.latchkey.add_user("bob", PASSWORD);
    let text = backup("name = \"Nightly backup\"\nowners = [\"ALICE\", \"carol\"]");
    let carol = "backup no accounts have these logins carol";
    assert_eq!(kept.serve(&text), ["backup service account added", carol]);
    assert_eq!(kept.serve(&text), [carol], "only what was changed is told");
    let made = kept.accounts()[0].clone();
    assert_eq!(
        (&made["login"], &made["lastname"], &made["kind"]),
        (&json!("backup"), &json!("Nightly backup"), &json!("service"))
    );
    assert_eq!(kept.owners("backup"), "backup is owned by alice\n");

    let add = ["key", "add", "backup", "--action=access", "--name=cron", "--scope=account:read"];
    let secret = kept.run(&add).trim().to_owned();
    log::note_secret(&secret);
    let answers = async |text: &str| {
        let flag = kept.write(text);
        let process = Process::serve(&kept.latchkey, &[&flag]);
        process.get_with_key("/users/current.json", &secret).await.status
    };
    assert_eq!(answers(&text).await, 200);

    // Both may own it now, and it has another name.
    let text = backup("name = \"Backup\"\nowners = [\"alice\", \"bob\"]");
    assert_eq!(kept.serve(&text), ["backup service account changed"]);
    assert_eq!(kept.owners("backup"), "backup is owned by alice, bob\n");
    let text = backup("name = \"Backup\"\nowners = [\"bob\"]");
    assert_eq!(kept.serve(&text), ["backup service account changed"]);
    assert_eq!(kept.owners("backup"), "backup is owned by bob\n");

    // The file does not say who is locked: an administrator can stop it at once.
    kept.run(&["user", "lock", "backup"]);
    assert_eq!(kept.serve(&text), [""; 0]);
    assert_eq!(answers(&text).await, 401);
    kept.run(&["user", "unlock", "backup"]);

    assert_eq!(kept.serve(""), ["backup service account closed"]);
    assert_eq!((&kept.accounts()[0]["status"], answers("").await), (&json!(3), 401));
    for arguments in [
        &["user", "unlock", "backup"][..],
        &["user", "change", "backup", "--lastname=Other"],
        &["user", "owners", "backup", "--owner=alice"],
    ] {
        let line = kept.latchkey.run(arguments).refused(1);
        assert!(line.contains("backup is no longer in the file that LATCHKEY_SERVICES names: put it back"), "{line}");
    }
    assert_eq!(kept.serve(&text), ["backup service account open again"]);
    assert_eq!((&kept.accounts()[0]["id"], answers(&text).await), (&made["id"], 200));
    assert_eq!(kept.serve_with(&[]), ["backup LATCHKEY_SERVICES is not set"]);

    let told = kept.run(&["audit", "--user=backup"]);
    for what in ["it is closed, as it is no longer in the services file", "it is open again", "owned by alice, bob"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    kept.serve("");
    kept.run(&["user", "delete", "backup", "--yes"]);
    assert_eq!(kept.accounts(), json!([]));
}

#[rstest]
fn an_account_that_administrators_keep_is_taken_over_and_then_changed_in_the_file_only(
    #[values(Sqlite, Postgres)] db: Db,
) {
    let kept = Kept::new(db);
    kept.latchkey.add_user("bob", PASSWORD);
    kept.run(&["user", "add-service", "Backup", "--owner=alice"]);
    // What follows in the file can name it.
    let text =
        "[services.wiki]\nhost = \"h\"\nwriters = [\"group:Machines\"]\n[groups.Machines]\nmembers = [\"backup\"]\n";
    let text = format!("{text}{}", backup("owners = [\"bob\"]"));
    let told = ["backup service account taken over", "Machines group added", "wiki service added"];
    assert_eq!(kept.serve(&text), told);
    assert_eq!(kept.owners("backup"), "backup is owned by bob\n");
    assert!(kept.run(&["group", "show", "Machines"]).contains("backup"));
    for arguments in [
        &["user", "change", "backup", "--login=other"][..],
        &["user", "change", "backup", "--lastname=Other"],
        &["user", "owners", "backup", "--owner=alice"],
        &["user", "delete", "backup", "--yes"],
    ] {
        let line = kept.latchkey.run(arguments).refused(1);
        let told = "The service account backup is defined in the file that LATCHKEY_SERVICES names: change it there";
        assert!(line.contains(told), "{line}");
    }
    assert_eq!(kept.serve(&text), [""; 0], "nothing was changed");
}

#[rstest]
fn what_cannot_be_stops_the_start_and_changes_nothing(#[values(Sqlite, Postgres)] db: Db) {
    let kept = Kept::new(db);
    kept.run(&["user", "add-service", "robot", "--owner=alice"]);
    let before = kept.accounts();
    for (text, told) in [
        (
            "service_accounts = 1".to_owned(),
            "line 1: service_accounts must be tables such as [service_accounts.backup]",
        ),
        ("[service_accounts.\"a b\"]".to_owned(), "line 1: service account a b: Login can only have letters, digits"),
        (backup(""), "line 1: service account backup: A service account needs at least one owner"),
        (backup("owners = []"), "line 2: service account backup: A service account needs at least one owner"),
        (backup("owners = \"alice\""), "line 2: service account backup: Owners must be an array of logins, such as"),
        (backup("name = 1"), "line 2: service account backup: Name must be a string in quotes"),
        (backup("name = \" \"\nowners = [\"alice\"]"), "line 2: service account backup: Name cannot be blank"),
        (backup("admin = true"), "line 2: service account backup: unknown setting \"admin\": use name, owners"),
        (backup("owners = [\"group:a\"]"), "line 2: service account backup: group:a cannot own it, as it is a group"),
        (
            format!("{}[service_accounts.Backup]\nowners = [\"alice\"]", backup("owners = [\"alice\"]")),
            "line 3: service account Backup: backup has the same login, as case does not count",
        ),
        (
            format!("{}[service_accounts.Alice]\nowners = [\"alice\"]", backup("owners = [\"alice\"]")),
            "line 3: service account Alice: a person has this login: choose another",
        ),
        (
            backup("\nowners = [\"alice\", \"robot\"]"),
            "line 3: service account backup: robot is a service account: only people can own one",
        ),
    ] {
        let line = kept.refused(&text);
        assert!(line.contains(&format!("FILE, {told}")) && line.ends_with("; nothing is changed"), "{text}: {line}");
    }
    assert_eq!(kept.accounts(), before);
}

/// Every way in which administrators change accounts refuses what the file says, and says where that is changed.
#[rstest]
#[tokio::test]
async fn its_page_and_the_api_say_where_it_is_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, backup) = with_backup(db).await;
    let root = site.signed_in("root").await;
    let page = format!("/admin/users/{}", backup.id);
    let key = site.add_access_token(&site.user("root"), "users:write", "30d").await;
    let put = async |user: Value| {
        let sent = site.request(reqwest::Method::PUT, &format!("/users/{}.json", backup.id)).bearer_auth(&key.secret);
        Answer::of(sent.json(&json!({ "user": user }))).await
    };
    for (kept_in, advice, told) in [
        ("file", "defined in the file that LATCHKEY_SERVICES names.", "change it there and restart Latchkey"),
        ("left_file", "This service account is closed:", "put it back there, or delete it"),
    ] {
        site.database.execute(&format!("UPDATE users SET kept_in = '{kept_in}' WHERE id = {}", backup.id));
        let shown = root.get(&page).await;
        assert!(shown.shows(advice), "{}", shown.text());
        for link in ["edit", "owners"] {
            assert!(!shown.html.contains(&format!("{page}/{link}\"")), "{link}");
        }
        assert_eq!(shown.html.contains(&format!("{page}/delete\"")), kept_in == "left_file");
        let before = site.database.written();
        for user in [json!({"lastname": "Other"}), json!({"login": "other"}), json!({"owners": "root"})] {
            let refused = put(user.clone()).await;
            assert_eq!(refused.status, 422, "{user}: {}", refused.text);
            assert!(refused.text.contains(told), "{user}: {}", refused.text);
        }
        // Forms that were opened before.
        let refused = root.post(&format!("{page}/owners"), &[("owners", "root")]).await;
        assert!(refused.status == 422 && refused.shows(told), "{}", refused.text());
        assert_eq!(site.database.written(), before);
    }
    site.database.execute(&format!("UPDATE users SET kept_in = 'file' WHERE id = {}", backup.id));
    let delete = site.request(reqwest::Method::DELETE, &format!("/users/{}.json", backup.id)).bearer_auth(&key.secret);
    let refused = Answer::of(delete).await;
    assert!(refused.status == 422 && refused.text.contains("change it there"), "{}", refused.text);
    assert_eq!(put(json!({"lastname": backup.lastname, "status": 3})).await.status, 204, "it can be locked");
}
