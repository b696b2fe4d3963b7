//! `/admin/groups.json`: what administrators' programs do about groups, and what services that admit groups come to.

use latchkey::models::keys::token::TokenAction;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::*;

const LIST: &str = "/admin/groups.json";

/// A site with the administrator root, and her key.
async fn with_root(db: Db) -> (Site, Key) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let root = site.add_admin("root").await;
    let key = site.add_key(&root, TokenAction::Api).await;
    (site, key)
}

async fn send(site: &Site, by: &Key, method: Method, address: &str, body: Value) -> Answer {
    let request = site.request(method, address).header("X-Redmine-API-Key", &by.secret);
    Answer::of(if body.is_null() { request } else { request.json(&body) }).await.noted()
}

async fn get(site: &Site, by: &Key, address: &str) -> Value {
    let answer = send(site, by, Method::GET, address, Value::Null).await;
    assert_eq!(answer.status, 200, "{address}: {}", answer.text);
    answer.json()
}

/// Does something that must be right, and gives what the answer says.
async fn done(site: &Site, by: &Key, method: Method, address: &str, body: Value) -> Value {
    let answer = send(site, by, method, address, body).await;
    assert!([200, 201].contains(&answer.status), "{address}: {}", answer.text);
    answer.json()
}

/// What is wrong with a request.
async fn errors(site: &Site, by: &Key, method: Method, address: &str, body: Value) -> Vec<String> {
    let answer = send(site, by, method, address, body).await;
    assert_eq!(answer.status, 422, "{address}: {}", answer.text);
    assert_eq!(answer.header("Content-Type"), Some("application/problem+json"));
    serde_json::from_value(answer.json()["errors"].clone()).expect("errors")
}

/// The address of a group, and of its members.
fn addresses(group: &Value) -> [String; 2] {
    ["", "/members"].map(|end| format!("/admin/groups/{}{end}.json", group["id"]))
}

/// What was done, about whom, by whom, and with what details, from the oldest on.
async fn audited(site: &Site, key: &Key) -> Vec<String> {
    let all = get(site, key, "/admin/audit.json?limit=100").await;
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let told = |entry: &Value| ["action", "user", "actor", "detail"].map(|field| text(&entry[field])).join(" | ");
    let entries = all["entries"].as_array().expect("entries").iter().rev();
    entries.map(told).filter(|told| told.contains("group")).collect()
}

#[rstest]
#[tokio::test]
async fn a_group_is_added_filled_renamed_listed_and_deleted(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    for login in ["alice", "bob", "user10", "user2"] {
        site.add_passwordless_user(login).await;
    }
    let none = json!({"groups": [], "total_count": 0, "offset": 0, "limit": 50});
    assert_eq!(get(&site, &key, LIST).await, none);
    let body = json!({"name": " QA team ", "members": ["ALICE", "user10", "alice", "user2"]});
    let answer = send(&site, &key, Method::POST, LIST, body).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let group = answer.json();
    let [address, members] = addresses(&group);
    assert_eq!(answer.header("Location"), Some(&*format!("{}{address}", site.url)));
    let expected = json!({
        "id": group["id"], "name": "QA team", "members": 3, "services": [], "kept_in": "database",
        "created_on": "2026-11-24T09:30:00Z", "updated_on": "2026-11-24T09:30:00Z",
    });
    assert_eq!(group, expected);
    let logins = async |query: &str| {
        let list = get(&site, &key, &format!("{members}{query}")).await;
        let logins = list["members"].as_array().expect("members").iter();
        (
            logins.map(|member| member["login"].as_str().expect("a login").to_owned()).collect::<Vec<_>>(),
            list["total_count"].clone(),
        )
    };
    assert_eq!(logins("").await, (["alice", "user2", "user10"].map(str::to_owned).to_vec(), json!(3)));
    assert_eq!(logins("?offset=1&limit=1").await, (vec!["user2".to_owned()], json!(3)));

    site.later(chrono::TimeDelta::hours(1));
    let changes = json!({"add": ["bob", "alice"], "remove": ["user2", "root"]});
    let changed = done(&site, &key, Method::PATCH, &members, changes).await;
    assert_eq!((&changed["members"], &changed["updated_on"]), (&json!(3), &json!("2026-11-24T10:30:00Z")));
    assert_eq!(logins("").await.0, ["alice", "bob", "user10"]);
    site.later(chrono::TimeDelta::hours(1));
    let same = done(&site, &key, Method::PATCH, &members, json!({"add": ["bob"], "remove": ["root"]})).await;
    assert_eq!(same, changed, "nothing was left to do");
    let renamed = done(&site, &key, Method::PATCH, &address, json!({"name": "qa TEAM"})).await;
    assert_eq!(renamed["name"], "qa TEAM", "in another case it is still its own");
    assert_eq!(get(&site, &key, &address).await, renamed);
    assert_eq!(done(&site, &key, Method::PATCH, &address, json!({})).await, renamed);

    for name in ["Team 10", "Team 2", "Größe"] {
        done(&site, &key, Method::POST, LIST, json!({"name": name})).await;
    }
    let names = async |query: &str| {
        let list = get(&site, &key, &format!("{LIST}{query}")).await;
        let names = list["groups"].as_array().expect("groups").iter();
        names.map(|group| group["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    for (query, expected) in [
        ("", vec!["Größe", "qa TEAM", "Team 2", "Team 10"]),
        ("?name=team", vec!["qa TEAM", "Team 2", "Team 10"]),
        ("?name=GR%C3%96SSE", vec![]),
        ("?name=GR%C3%96", vec!["Größe"]),
        ("?name=10%20team", vec!["Team 10"]),
        ("?offset=1&limit=2", vec!["qa TEAM", "Team 2"]),
    ] {
        assert_eq!(names(query).await, expected, "{query}");
    }
    // Whoever is deleted is no member any more.
    let bob = site.user("bob").id;
    assert_eq!(send(&site, &key, Method::DELETE, &format!("/users/{bob}.json"), Value::Null).await.status, 204);
    assert_eq!(logins("").await.0, ["alice", "user10"]);
    assert_eq!(send(&site, &key, Method::DELETE, &address, Value::Null).await.status, 204);
    for (method, path) in [(Method::GET, &address), (Method::DELETE, &address), (Method::GET, &members)] {
        assert_eq!(send(&site, &key, method, path, Value::Null).await.status, 404);
    }
    assert_eq!(site.database.number("SELECT count(*) AS number FROM group_members"), 0);
    let again = done(&site, &key, Method::POST, LIST, json!({"name": "QA team"})).await;
    assert!(again["id"].as_i64() > group["id"].as_i64(), "ids are never given twice");

    let told = audited(&site, &key).await;
    let expected = [
        "group_added | - | root | QA team",
        "added_to_group | alice | root | QA team",
        "added_to_group | user10 | root | QA team",
        "added_to_group | user2 | root | QA team",
        "added_to_group | bob | root | QA team",
        "taken_out_of_group | user2 | root | QA team",
        "group_changed | - | root | QA team: now qa TEAM",
        "group_added | - | root | Team 10",
        "group_added | - | root | Team 2",
        "group_added | - | root | Größe",
        "group_deleted | - | root | qa TEAM",
        "group_added | - | root | QA team",
    ];
    assert_eq!(told, expected);
}

/// "one clear sentence, the right status, nothing half done"
#[rstest]
#[tokio::test]
async fn what_is_wrong_with_a_group_is_told_and_nothing_is_done(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    site.add_passwordless_user("alice").await;
    // There may be a login like the name of a group, and a member is then the person.
    site.add_passwordless_user("both").await;
    for name in ["Writers", "both"] {
        site.add_group(name, &[]).await;
    }
    let writers = site.database.number("SELECT id AS number FROM groups WHERE folded = 'writers'");
    let [one, members] = addresses(&json!({"id": writers}));
    let before = site.database.written();
    let too_many: Vec<String> = (0..101).map(|number| format!("p{number}")).collect();
    let no_group = "is a group, and a group cannot be a member of a group: name its members";
    for (method, address, body, expected) in [
        (Method::POST, LIST, json!({}), vec!["Name cannot be blank".to_owned()]),
        (Method::POST, LIST, json!({"name": "WRITERS"}), vec!["Name has already been taken".into()]),
        (Method::POST, LIST, json!({"name": "a, b"}), vec!["Name cannot have a comma".into()]),
        (
            Method::POST,
            LIST,
            json!({"name": "x".repeat(256)}),
            vec!["Name is too long (maximum is 255 characters)".into()],
        ),
        (Method::POST, LIST, json!({"name": 1}), vec!["Name must be a string".into()]),
        (
            Method::POST,
            LIST,
            json!({"name": "New", "members": ["alice", "carol", "dave\u{0}"]}),
            vec!["No account has one of the logins carol, dave\u{0}".into()],
        ),
        (
            Method::POST,
            LIST,
            json!({"name": "", "members": ["carol"]}),
            vec!["Name cannot be blank".into(), "No account has the login carol".into()],
        ),
        (
            Method::POST,
            LIST,
            json!({"name": "New", "member": []}),
            vec!["Unknown field \"member\": use name, members".into()],
        ),
        (Method::PATCH, &one, json!({"name": "Both"}), vec!["Name has already been taken".into()]),
        (Method::PATCH, &members, json!({"add": "alice"}), vec!["add must be an array of strings".into()]),
        (Method::PATCH, &members, json!({"add": ["alice", "writers"]}), vec![format!("“writers” {no_group}")]),
        (Method::PATCH, &members, json!({"add": ["group:Writers"]}), vec![format!("“Writers” {no_group}")]),
        (
            Method::PATCH,
            &members,
            json!({"add": ["alice"], "remove": ["Alice"]}),
            vec!["alice cannot be added and taken out at once".into()],
        ),
        (
            Method::PATCH,
            &members,
            json!({"remove": too_many}),
            vec!["101 members are too many at once: send at most 100".into()],
        ),
        (Method::GET, &format!("{LIST}?limit=501"), Value::Null, vec!["limit must be a number from 1 to 500.".into()]),
        (
            Method::GET,
            &format!("{members}?offset=-1"),
            Value::Null,
            vec!["offset must be a number from 0 to 1000000000.".into()],
        ),
        (
            Method::GET,
            &format!("{LIST}?nam=a"),
            Value::Null,
            vec!["Unknown parameter nam: there are name, offset, limit.".into()],
        ),
        (
            Method::DELETE,
            &format!("{one}?confirm=Readers"),
            Value::Null,
            vec!["confirm is not the name of this group".into()],
        ),
    ] {
        assert_eq!(
            errors(&site, &key, method.clone(), address, body.clone()).await,
            expected,
            "{method} {address} {body}"
        );
    }
    assert_eq!(site.database.written(), before);
    assert_eq!(done(&site, &key, Method::PATCH, &members, json!({"add": ["BOTH"]})).await["members"], 1);
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 998)
         INSERT INTO groups (name, folded, created_on, updated_on)
         SELECT 'g' || n, 'g' || n, created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM groups WHERE folded = 'writers') AS writers",
    );
    let told = errors(&site, &key, Method::POST, LIST, json!({"name": "One more"})).await;
    assert_eq!(told, ["Name cannot be added: there are 1000 groups, the most there may be"]);
}

/// Who is in a group decides who may use services, so it takes what it takes to decide that.
#[rstest]
#[tokio::test]
async fn groups_are_changed_by_whoever_may_say_who_uses_services(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let group = get(&site, &key, &addresses(&json!({"id": site.add_group("Writers", &[]).await.id}))[0]).await;
    let [one, members] = addresses(&group);
    let own = site.add_key(&alice, TokenAction::Api).await;
    let of_people = site.add_access_token(&site.user("root"), "users:write", "1d").await;
    let reading = site.add_access_token(&site.user("root"), "services:read", "1d").await;
    let writing = site.add_access_token(&site.user("root"), "services:write", "1d").await;
    for (method, path) in [
        (Method::GET, LIST),
        (Method::GET, &*one),
        (Method::GET, &*members),
        (Method::PATCH, &*members),
        (Method::PATCH, &*one),
        (Method::POST, LIST),
        (Method::DELETE, &*one),
    ] {
        let is_read = method == Method::GET;
        for (by, is_let_in) in [(&own, false), (&of_people, false), (&reading, is_read), (&writing, true)] {
            let body = if is_read || method == Method::DELETE {
                Value::Null
            } else {
                json!({"name": "a,b", "add": ["nobody"]})
            };
            let status = if method == Method::DELETE && is_let_in {
                204
            } else if is_let_in && !is_read {
                422
            } else {
                200
            };
            let answer = send(&site, by, method.clone(), path, body).await;
            assert_eq!(answer.status, if is_let_in { status } else { 403 }, "{method} {path}: {}", answer.text);
        }
    }
}

/// What a proxy is answered about a request that reads, and one that writes.
async fn access(site: &Site, secret: &str) -> [u16; 2] {
    let ask = async |method: &str| {
        let question = site.get("/auth/nginx").header("Host", "h").header("X-Original-URI", "/");
        Answer::of(question.header("X-Original-Method", method).bearer_auth(secret)).await.status
    };
    [ask("GET").await, ask("PUT").await]
}

/// "Taken out of a group: what it gave is gone at the next question."
#[rstest]
#[tokio::test]
async fn a_service_admits_the_members_of_a_group_as_long_as_they_are(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    let own = site.add_key(&alice, TokenAction::Api).await;
    for name in ["QA team", "Readers"] {
        site.add_group(name, &[]).await;
    }
    let groups = get(&site, &key, LIST).await;
    let [qa, readers] = [0, 1].map(|at| addresses(&groups["groups"][at]));
    let wiki = json!({"name": "wiki", "host": "h", "writers": ["root", "group:qa TEAM"], "readers": ["group:Readers"]});
    let wiki = done(&site, &key, Method::POST, "/admin/services.json", wiki).await;
    assert_eq!((&wiki["readers"], &wiki["writers"]), (&json!(["group:Readers"]), &json!(["group:QA team", "root"])));
    let service = format!("/admin/services/{}.json", wiki["id"]);
    let make = async || {
        let body = json!({"name": "bot", "scopes": ["service:wiki:write"]});
        send(&site, &own, Method::POST, "/my/tokens.json", body).await
    };
    assert_eq!(make().await.status, 422, "no scope is offered to her");
    done(&site, &key, Method::PATCH, &qa[1], json!({"add": ["alice"]})).await;
    let made = make().await;
    assert_eq!(made.status, 201, "{}", made.text);
    let secret = made.json()["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(access(&site, &secret).await, [200, 200]);
    for (address, method, body, expected) in [
        (&qa[1], Method::PATCH, json!({"remove": ["alice"]}), [403, 403]),
        (&readers[1], Method::PATCH, json!({"add": ["alice"]}), [200, 403]),
        (&qa[1], Method::PATCH, json!({"add": ["alice"]}), [200, 200]),
        (&qa[0], Method::PATCH, json!({"name": "Testers"}), [200, 200]),
        (&service, Method::PATCH, json!({"writers": []}), [200, 403]),
        (&service, Method::PATCH, json!({"writers": ["group:Testers"], "readers": []}), [200, 200]),
        (&service, Method::PATCH, json!({"title": "Wiki"}), [200, 200]),
        (&service, Method::PATCH, json!({"writers": ["alice"], "readers": ["group:Readers"]}), [200, 200]),
        (&readers[1], Method::PATCH, json!({"remove": ["alice"]}), [200, 200]),
        (&service, Method::PATCH, json!({"writers": ["group:Testers"]}), [200, 200]),
    ] {
        done(&site, &key, method, address, body.clone()).await;
        assert_eq!(access(&site, &secret).await, expected, "{body}");
    }
    // A service account is a member like a person.
    let bot = site.add_service_account("bot", &alice).await;
    done(&site, &key, Method::PATCH, &qa[1], json!({"add": ["bot"]})).await;
    let of_bot = site.add_access_token(&bot, "service:wiki:read", "1d").await;
    assert_eq!(access(&site, &of_bot.secret).await, [200, 403]);
    done(&site, &key, Method::PATCH, &qa[1], json!({"remove": ["bot"]})).await;
    assert_eq!(access(&site, &of_bot.secret).await, [403, 403]);
    let shown = get(&site, &key, &qa[0]).await;
    assert_eq!(shown["services"], json!([{"name": "wiki", "access": "write"}]));

    // Nobody deletes in silence what a service admits.
    let told = errors(&site, &key, Method::DELETE, &qa[0], Value::Null).await;
    assert_eq!(told, ["The group Testers is admitted by wiki: confirm by its name that its members may lose this"]);
    assert_eq!(access(&site, &secret).await, [200, 200]);
    let confirmed = send(&site, &key, Method::DELETE, &format!("{}?confirm=testers", qa[0]), Value::Null).await;
    assert_eq!(confirmed.status, 204, "{}", confirmed.text);
    assert_eq!(access(&site, &secret).await, [403, 403]);
    assert_eq!(get(&site, &key, &service).await["writers"], json!([]));

    for (writers, expected) in [
        (json!(["group:Nobodies"]), "No group has the name Nobodies"),
        (json!(["group:x", "group:y,z", "carol"]), "No group has one of the names x, y,z"),
        (json!(["Readers"]), "No account has the login Readers"),
    ] {
        let told = errors(&site, &key, Method::PATCH, &service, json!({"writers": writers})).await;
        assert!(told.contains(&expected.to_owned()), "{told:?}");
    }
    let told = errors(&site, &key, Method::PATCH, &service, json!({"writers": ["readers"]})).await;
    assert_eq!(told, ["No account has the login readers", "The group is written group:Readers"]);
    let last = audited(&site, &key).await;
    assert!(last.contains(&"group_deleted | - | root | Testers, which wiki admitted".to_owned()), "{last:?}");
}

/// "admission of 10,000 members costs what that of ten does": who asks is looked for, not all who are members.
#[rstest]
#[tokio::test]
async fn a_question_about_a_large_group_looks_for_one_member(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    let alice = site.add_user("alice").await;
    site.add_group("Everybody", &["alice"]).await;
    site.database.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10000)
         INSERT INTO users (login, firstname, lastname, mail, created_on, updated_on)
         SELECT 'm' || n, 'F', 'L', 'm' || n || '@example.org', created_on, updated_on
         FROM numbers, (SELECT created_on, updated_on FROM users WHERE login = 'alice') AS alice;
         INSERT INTO group_members (group_id, user_id)
         SELECT groups.id, users.id FROM groups, users WHERE users.login LIKE 'm%'",
    );
    let wiki = json!({"name": "wiki", "host": "h", "writers": ["group:Everybody"]});
    done(&site, &key, Method::POST, "/admin/services.json", wiki).await;
    let token = site.add_access_token(&alice, "service:wiki:write", "1d").await;
    assert_eq!(access(&site, &token.secret).await, [200, 200]);
    // The same as the question asks, for one person and one service.
    let asked = format!(
        "SELECT max(access) FROM group_members
         JOIN service_group_admissions ON service_group_admissions.group_id = group_members.group_id
         WHERE group_members.user_id = {} AND service_group_admissions.service_id = 1",
        alice.id
    );
    if db == Postgres {
        site.database.execute("ANALYZE");
    }
    let plan = site.database.plan(&asked);
    let whole = if db == Sqlite { "SCAN group_members" } else { "Seq Scan on group_members" };
    assert!(!plan.contains(whole) && plan.contains("group_members"), "{plan}");
    let one = get(&site, &key, "/admin/groups/1.json").await;
    assert_eq!(one["members"], 10_001);
}

/// "`group_id=` and `include=groups` then answer as Redmine does, and `GET /groups.json` and `/groups/ID.json`"
#[rstest]
#[tokio::test]
async fn redmines_clients_read_groups_as_there(#[values(Sqlite, Postgres)] db: Db) {
    let (site, key) = with_root(db).await;
    let alice = site.add_passwordless_user("alice").await;
    let bob = site.add_passwordless_user("bob").await;
    site.set_user(&bob, "status = 'locked'");
    let managers = site.add_group("Managers", &["alice", "bob"]).await.id;
    let readers = site.add_group("Readers & co", &["alice"]).await.id;
    let by_name = json!([{"id": managers, "name": "Managers"}, {"id": readers, "name": "Readers & co"}]);
    assert_eq!(get(&site, &key, "/groups.json").await, json!({"groups": by_name}));
    let one = |more: Value| {
        let mut group = json!({"id": managers, "name": "Managers"});
        group.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({"group": group})
    };
    let users = json!([{"id": alice.id, "name": "Test Person alice"}, {"id": bob.id, "name": "Test Person bob"}]);
    for (include, more) in [
        ("", json!({})),
        ("?include=users", json!({"users": users})),
        ("?include=memberships,users", json!({"users": users, "memberships": []})),
    ] {
        assert_eq!(get(&site, &key, &format!("/groups/{managers}.json{include}")).await, one(more), "{include}");
    }
    let of_alice = get(&site, &key, &format!("/users/{}.json?include=groups", alice.id)).await;
    assert_eq!(of_alice["user"]["groups"], by_name);
    let xml = async |path: &str| {
        let answer = send(&site, &key, Method::GET, path, Value::Null).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.text.split_once("?>").expect("a declaration").1.trim().to_owned()
    };
    let element = |id: i64, name: &str| format!("<group><id>{id}</id><name>{name}</name></group>");
    let all = format!(
        "<groups type=\"array\">{}{}</groups>",
        element(managers, "Managers"),
        element(readers, "Readers &amp; co")
    );
    assert_eq!(xml("/groups.xml").await, all);
    let group = format!(
        "<group><id>{managers}</id><name>Managers</name><users type=\"array\"><user id=\"{}\" name=\"Test Person alice\"/>\
         <user id=\"{}\" name=\"Test Person bob\"/></users></group>",
        alice.id, bob.id
    );
    assert_eq!(xml(&format!("/groups/{managers}.xml?include=users")).await, group);
    let of_alice = xml(&format!("/users/{}.xml?include=groups", alice.id)).await;
    let listed = format!("<groups type=\"array\"><group id=\"{managers}\" name=\"Managers\"/><group id=\"{readers}\"");
    assert!(of_alice.contains(&listed), "{of_alice}");

    let logins = async |query: &str| {
        let list = get(&site, &key, &format!("/users.json?{query}")).await;
        let logins = list["users"].as_array().expect("people").iter().map(|user| user["login"].clone());
        Value::Array(logins.collect())
    };
    for (query, expected) in [
        (format!("group_id={managers}"), json!(["alice"])),
        (format!("group_id={managers}&status="), json!(["alice", "bob"])),
        (format!("group_id={readers}&status=*&name=b"), json!([])),
        ("group_id=4711".to_owned(), json!([])),
        ("group_id=".to_owned(), json!(["alice", "root"])),
        (format!("is_member_of_group={managers}|{readers}&status=*"), json!(["alice", "bob"])),
        (format!("is_member_of_group=!{readers}&status=*"), json!(["bob", "root"])),
        ("is_member_of_group=!*".to_owned(), json!(["root"])),
        ("is_member_of_group=*&status=*".to_owned(), json!(["alice", "bob"])),
        (
            format!("f[]=is_member_of_group&op[is_member_of_group]==&v[is_member_of_group][]={managers}"),
            json!(["alice", "bob"]),
        ),
    ] {
        assert_eq!(logins(&query).await, expected, "{query}");
    }
    let many = (0..101).map(|id| id.to_string()).collect::<Vec<_>>().join("|");
    for (query, told) in [
        ("group_id=x".to_owned(), "group_id is invalid: groups have numbers"),
        (format!("is_member_of_group={many}"), "is_member_of_group names too many groups (maximum is 100)"),
        ("is_member_of_group=~7".to_owned(), "is_member_of_group does not take the operator \"~\""),
    ] {
        let answer = send(&site, &key, Method::GET, &format!("/users.json?{query}"), Value::Null).await;
        assert_eq!((answer.status, &answer.json()["errors"]), (422, &json!([told])));
    }
    let own = site.add_key(&alice, TokenAction::Api).await;
    for path in ["/groups.json".to_owned(), format!("/groups/{managers}.xml")] {
        assert_eq!(send(&site, &own, Method::GET, &path, Value::Null).await.status, 403, "{path}");
    }
    assert_eq!(send(&site, &key, Method::GET, "/groups/4711.json", Value::Null).await.status, 404);
}
