//! *Groups*, for administrators: who is in them, and which services admit them.

use latchkey::models::groups::group::Group;
use latchkey::models::people::search::{Criterion, GroupTest, PeopleSearch};
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;

/// A site with the administrator `root`, who is signed in, and alice, bob and carol.
async fn with_admin(db: Db) -> (Site, Visitor) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    for login in ["alice", "bob", "carol"] {
        site.add_user(login).await;
    }
    let root = site.signed_in("root").await;
    (site, root)
}

fn wiki(writers: &str) -> ServiceSettings {
    ServiceSettings { writers: Admitted::of_text(writers), ..ServiceSettings::new("Team wiki", "wiki.example.org") }
}

/// The logins of those who are in any group, in order.
fn members(site: &Site) -> Vec<String> {
    let found = site.app.database.read_now(|connection| {
        let ids = Group::all(connection)?.into_iter().map(|group| group.id).collect();
        PeopleSearch { criteria: vec![Criterion::Groups(GroupTest::AnyOf(ids))], order: Vec::new() }
            .find(connection, 0, 100)
    });
    found.expect("a query").users.into_iter().map(|user| user.login).collect()
}

/// What the first lines of somebody's activity say.
async fn activity(site: &Site, login: &str) -> String {
    site.signed_in(login).await.get("/activity").await.text()
}

#[rstest]
#[tokio::test]
async fn groups_are_for_administrators(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let group = site.add_group("Writers", &["alice"]).await;
    let alice = site.signed_in("alice").await;
    assert!(root.get("/my/account").await.html.contains("<a href=\"/admin/groups\">Groups</a>"));
    assert!(!alice.get("/my/account").await.html.contains("/admin/groups"));
    let of_one = ["", "/edit", "/remove", "/delete"].map(|end| format!("/admin/groups/{}{end}", group.id));
    for path in [&["/admin/groups".to_owned(), "/admin/groups/new".to_owned()][..], &of_one].concat() {
        assert_eq!(alice.get(&path).await.status, 403, "{path}");
        assert!(site.visitor().get(&path).await.location().starts_with("/login?back_url="), "{path}");
        if path != "/admin/groups" {
            let form = [("name", "x"), ("logins", "bob"), ("chosen", "alice")];
            assert_eq!(alice.post(&path, &form).await.status, 403, "{path}");
        }
    }
    for path in ["", "/edit", "/remove", "/delete"].map(|end| format!("/admin/groups/4711{end}")) {
        assert_eq!(root.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(members(&site), ["alice"]);
}

#[rstest]
#[tokio::test]
async fn a_group_is_added_filled_renamed_and_deleted(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let none = root.get("/admin/groups").await;
    assert!(none.shows("A group lets several people use a service at once.") && none.shows("Add your first group"));
    let wrong = root.post("/admin/groups/new", &[("name", "a, b"), ("logins", "alice\r\nnobody")]).await;
    assert_eq!(wrong.status, 422);
    for told in ["There is a problem", "Name cannot have a comma", "No account has the login nobody"] {
        assert!(wrong.shows(told), "{told}: {}", wrong.text());
    }
    assert!(
        wrong.html.contains("value=\"a, b\"") && wrong.html.contains(">\nalice\r\nnobody</textarea>"),
        "{}",
        wrong.html
    );
    let added = root.post("/admin/groups/new", &[("name", " Writers "), ("logins", "alice, BOB")]).await;
    let page = root.get(added.location()).await;
    for shown in
        ["The group has been added.", "Members 2 members", "None. Name group:Writers in the settings of a service."]
    {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
    let path = added.location().split('?').next().expect("a path").to_owned();
    assert_eq!(members(&site), ["alice", "bob"]);

    let refused = root.post(&path, &[("logins", "carol writers")]).await;
    assert_eq!(refused.status, 422);
    let told = "“writers” is a group, and a group cannot be a member of a group: name its members";
    assert!(refused.shows(told) && refused.shows("Test Person bob"), "{}", refused.text());
    let more = root.post(&path, &[("logins", "carol\r\nalice")]).await;
    assert!(root.get(more.location()).await.shows("They are members now."));
    assert_eq!(members(&site), ["alice", "bob", "carol"]);

    let service = site.add_service("wiki", wiki("group:writers, root")).await;
    let list = root.get("/admin/groups").await;
    assert!(list.shows("1 group") && list.shows("Writers Admitted by Team wiki 3 members"), "{}", list.text());
    let of_service = root.get(&format!("/admin/services/{}", service.id)).await;
    assert!(of_service.shows("Write access group:Writers, root"), "{}", of_service.text());
    assert!(of_service.html.contains(">\ngroup:Writers\nroot</textarea>"), "{}", of_service.html);

    let renamed = root.post(&format!("{path}/edit"), &[("name", "QA team")]).await;
    let page = root.get(renamed.location()).await;
    for shown in ["The group has been renamed.", "Services that admit it Team wiki : read and write access"] {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
    let person = root.get(&format!("/admin/users/{}", site.user("alice").id)).await;
    assert!(person.shows("Group QA team"), "{}", person.text());

    let asked = root.get(&format!("{path}/remove?logins=alice&logins=bob&logins=root&logins=nobody")).await;
    for shown in [
        "Take 2 members out of QA team?",
        "What these services admit the group to is gone for them at once, unless",
        "Team wiki : read and write access",
        "Test Person alice (alice)",
    ] {
        assert!(asked.shows(shown), "{shown}: {}", asked.text());
    }
    assert!(root.get(&format!("{path}/remove")).await.shows("You chose no member."));
    let removed = root.post(&format!("{path}/remove"), &[("chosen", &asked.value_of("chosen"))]).await;
    assert!(root.get(removed.location()).await.shows("They are no longer members."));
    assert_eq!(members(&site), ["carol"]);
    // Sent again, it finds nobody to take out.
    assert_eq!(root.post(&format!("{path}/remove"), &[("chosen", "alice bob")]).await.status, 303);

    let asked = root.get(&format!("{path}/delete")).await;
    assert!(asked.shows("Its members lose what these services admit it to, at once,"), "{}", asked.text());
    // A service that begins to admit it meanwhile is not passed over.
    site.add_service("files", ServiceSettings { host: "files.example.org".into(), ..wiki("group:QA team") }).await;
    let refused = root.post(&format!("{path}/delete"), &[("told", &asked.value_of("told"))]).await;
    assert_eq!(refused.status, 409);
    assert!(refused.shows("Nothing was deleted A service has begun to admit this group"), "{}", refused.text());
    let deleted = root.post(&format!("{path}/delete"), &[("told", &refused.value_of("told"))]).await;
    assert_eq!(deleted.location(), "/admin/groups?notice=group_deleted");
    assert!(root.get(deleted.location()).await.shows("The group has been deleted."));
    assert_eq!(root.get(&path).await.status, 404);

    let told = activity(&site, "alice").await;
    for event in ["Added to a group by root", "Taken out of a group by root", "QA team; by session"] {
        assert!(told.contains(event), "{event}: {told}");
    }
    let told = activity(&site, "root").await;
    for event in [
        "Group added",
        "Group changed",
        "Writers: now QA team",
        "Group deleted",
        "QA team, which files and wiki admitted",
    ] {
        assert!(told.contains(event), "{event}: {told}");
    }
}

/// "search and paging as the people's list has"
#[rstest]
#[tokio::test]
async fn long_lists_are_searched_and_go_on_over_several_pages(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root) = with_admin(db).await;
    let group = site.add_group("Team 1", &["alice"]).await;
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM numbers WHERE n < 60)
         INSERT INTO groups (name, folded, created_on, updated_on)
         SELECT 'Team ' || n, 'team ' || n, created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM groups) AS first;
         WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 60)
         INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
         SELECT 'm' || n, 'Max', 'Member', 'm' || n || '@example.net', created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM users WHERE login = 'alice') AS alice",
    );
    site.database.execute(&format!(
        "INSERT INTO group_members (group_id, user_id) SELECT {}, id FROM users WHERE lastname = 'Member'",
        group.id
    ));
    let first = root.get("/admin/groups").await;
    for shown in ["60 groups, 1 to 50 shown", "Team 2 No service admits it No member", "Page 1 of 2"] {
        assert!(first.shows(shown), "{shown}: {}", first.text());
    }
    let second = root.get("/admin/groups?page=2").await;
    assert!(second.shows("Team 60") && !second.shows("Team 50 "), "{}", second.text());
    let found = root.get("/admin/groups?name=team+5").await;
    assert!(found.shows("15 groups") && found.html.contains("value=\"team 5\""), "{}", found.text());
    assert!(root.get("/admin/groups?name=%3Cnothing").await.shows("No name matches."));
    let too_long = root.get(&format!("/admin/groups?name={}", "a+".repeat(11))).await;
    assert_eq!(too_long.status, 422);
    assert!(too_long.shows("The search has too many words"), "{}", too_long.text());

    let path = format!("/admin/groups/{}", group.id);
    let page = root.get(&path).await;
    for shown in ["61 members, 1 to 50 shown", "Page 1 of 2", "Max Member m2 · m2@example.net"] {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
    assert!(root.get(&format!("{path}?page=2")).await.shows("m60 · m60@example.net"));
    let found = root.get(&format!("{path}?name=alice")).await;
    assert!(found.shows("1 member") && found.shows("Test Person alice"), "{}", found.text());
    assert!(root.get(&format!("{path}?name=nobody")).await.shows("No name, login or email matches."));
    let too_long = root.get(&format!("{path}?name={}", "a+".repeat(11))).await;
    assert_eq!(too_long.status, 422);
    assert!(too_long.shows("The search has too many words"), "{}", too_long.text());
}
