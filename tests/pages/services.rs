//! *Services*, for administrators: what asks whether keys are good for it, and whom it admits.

use latchkey::models::people::user::User;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::service::Service;
use latchkey::models::services::settings::ServiceSettings;
use reqwest::Method;
use rstest::rstest;

use super::*;

/// A site with the administrator `root`, who is signed in, and alice.
async fn with_admin(db: Db) -> (Site, Visitor, User) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let root = site.signed_in("root").await;
    (site, root, alice)
}

fn wiki() -> ServiceSettings {
    ServiceSettings::new("Team wiki", "wiki.example.org")
}

fn admitting(readers: &[&str], writers: &[&str]) -> ServiceSettings {
    let people = |logins: &[&str]| Admitted::people(logins.iter().copied());
    ServiceSettings { readers: people(readers), writers: people(writers), ..wiki() }
}

fn path_of(service: &Service, end: &str) -> String {
    format!("/admin/services/{}{end}", service.id)
}

fn settings_of(site: &Site, service: &Service) -> ServiceSettings {
    let found = site.app.database.read_now(|connection| {
        let now = Service::find(connection, service.id)?.expect("a service");
        ServiceSettings::of(connection, &now)
    });
    found.expect("a query")
}

/// The rows of the list, as they read.
fn rows(page: &Page) -> Vec<String> {
    let body = page.html.split_once("<tbody").and_then(|(_, rest)| rest.split_once("</tbody>")).map_or("", |it| it.0);
    let rows = body.split("<tr").skip(1);
    rows.map(|row| Page { status: 0, headers: page.headers.clone(), html: format!("<tr{row}") }.text()).collect()
}

/// What stands in a field of several lines.
fn area<'a>(page: &'a Page, id: &str) -> &'a str {
    let (_, rest) = page.html.split_once(&format!("<textarea id=\"{id}\"")).expect("a field");
    let (text, _) = rest.split_once("</textarea>").expect("its end");
    text.split_once('>').expect("its text").1.trim_start_matches('\n')
}

/// The fields of a form that is right, as a browser sends them.
const FORM: [(&str, &str); 6] = [
    ("title", "Team wiki"),
    ("host", "wiki.example.org"),
    ("path", "/"),
    ("reading_methods", "GET HEAD"),
    ("may_read", "everyone"),
    ("may_write", "people"),
];

fn form<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let others = FORM.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    others.chain(more.iter().copied()).collect()
}

#[rstest]
#[tokio::test]
async fn others_see_no_link_and_are_refused(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_admin(db).await;
    let service = site.add_service("wiki", ServiceSettings { readers: Admitted::Everyone, ..wiki() }).await;
    let alice = site.signed_in("alice").await;
    assert!(root.get("/my/account").await.html.contains("<a href=\"/admin/services\">Services</a>"));
    assert!(!alice.get("/my/account").await.html.contains("/admin/services"));
    let of_one = ["", "/remove", "/proxy", "/try"].map(|end| path_of(&service, end));
    let paths = [&["/admin/services".to_owned(), "/admin/services/new".to_owned()][..], &of_one].concat();
    for path in &paths {
        assert_eq!(alice.get(path).await.status, 403, "{path}");
        assert!(site.visitor().get(path).await.location().starts_with("/login?back_url="), "{path}");
    }
    for path in paths[1..].iter().filter(|path| !path.ends_with("/proxy")) {
        assert_eq!(alice.post(path, &form(&[("name", "x")])).await.status, 403, "{path}");
    }
    assert_eq!(settings_of(&site, &service).title, "Team wiki");
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 1);
    for path in ["", "/remove", "/proxy", "/try"].map(|end| format!("/admin/services/4711{end}")) {
        assert_eq!(root.get(&path).await.status, 404, "{path}");
    }
}

#[rstest]
#[tokio::test]
async fn the_list_tells_what_a_service_is_while_there_is_none(#[values(Sqlite, Postgres)] db: Db) {
    let (_site, root, _) = with_admin(db).await;
    let page = root.get("/admin/services").await;
    for shown in [
        "Protect any app behind your reverse proxy with Latchkey keys.",
        "Its page then has the settings of nginx, Caddy, Traefik and Envoy to copy.",
        "Add your first service",
    ] {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
}

#[rstest]
#[tokio::test]
async fn the_list_tells_who_may_do_what_and_when_it_was_used(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, alice) = with_admin(db).await;
    let files = ServiceSettings { path: "/files".into(), anonymous_reads: true, ..ServiceSettings::new("Files", "h") };
    site.add_service("files", files).await;
    let service = site.add_service("wiki", admitting(&[], &["alice", "root"])).await;
    for scopes in ["service:wiki:read", "service:wiki:read service:wiki:write"] {
        let key = site.add_access_token(&alice, scopes, "30d").await;
        site.database.execute(&format!(
            "INSERT INTO service_uses VALUES ({}, {}, '2026-11-24 09:{}:00', '', '')",
            key.id,
            service.id,
            10 + key.id % 2
        ));
    }
    site.database.execute(
        "UPDATE service_uses SET last_used_on = '2026-11-24 09:25:00' WHERE last_used_on > '2026-11-24 09:10:30'",
    );
    let page = root.get("/admin/services").await;
    assert!(page.shows("2 services"), "{}", page.text());
    let expected = [
        "Files files · h/files Read access: anybody, even without a key Write access: nobody No key never used",
        "Team wiki wiki · wiki.example.org Read access: everyone with write access Write access: alice, root 2 keys of 1 person last used \
         5 minutes ago",
    ];
    assert_eq!(rows(&page), expected);
    let page = root.get(&path_of(&service, "")).await;
    assert!(
        page.shows("Last used: 5 minutes ago 2 keys of 1 person with its scopes service:wiki:read"),
        "{}",
        page.text()
    );
}

#[rstest]
#[tokio::test]
async fn a_service_is_added_and_changed_by_the_form(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_admin(db).await;
    let blank = root.get("/admin/services/new").await;
    assert_eq!((blank.value_of("path"), blank.value_of("reading_methods")), ("/".into(), "GET HEAD OPTIONS".into()));
    let fields = form(&[("name", " wiki "), ("writers", "alice\r\n root ,"), ("requests_per_minute", "60")]);
    let added = root.post("/admin/services/new", &fields).await;
    assert_eq!(added.status, 303, "{}", added.text());
    let shown = root.get(added.location()).await;
    assert!(shown.shows("The service has been added."), "{}", shown.text());
    let service = site.app.database.read_now(|connection| Service::find_by_name(connection, "wiki"));
    let service = service.expect("a query").expect("a service");
    let expected = ServiceSettings {
        reading_methods: vec!["GET".into(), "HEAD".into()],
        readers: Admitted::Everyone,
        writers: Admitted::people(["alice", "root"]),
        requests_per_minute: Some(60),
        ..wiki()
    };
    assert_eq!(settings_of(&site, &service), expected);
    assert_eq!((shown.value_of("host"), area(&shown, "writers")), ("wiki.example.org".into(), "alice\nroot"));

    let seen = shown.value_of("seen");
    let more = [
        ("may_read", "people"),
        ("readers", "ALICE"),
        ("anonymous_reads", "1"),
        ("classic_keys", "1"),
        ("key_parameter", "1"),
        ("seen", &seen),
    ];
    let saved = root.post(&path_of(&service, ""), &form(&more)).await;
    assert_eq!(saved.location(), path_of(&service, "?notice=service_changed"));
    assert!(root.get(saved.location()).await.shows("The service has been saved."));
    let now = settings_of(&site, &service);
    assert_eq!((&now.readers, &now.writers), (&Admitted::people(["alice"]), &Admitted::nobody()));
    assert!(now.anonymous_reads && now.classic_keys && now.key_parameter && now.requests_per_minute.is_none());
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_told_and_what_was_typed_stays(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_admin(db).await;
    let service = site.add_service("wiki", wiki()).await;
    let wrong = [
        ("title", ""),
        ("host", "https://wiki.example.org"),
        ("path", "docs"),
        ("reading_methods", "GET ;"),
        ("may_read", "people"),
        ("readers", "alice carol <b>"),
        ("may_write", "everyone"),
        ("writers", "bob"),
        ("requests_per_minute", "many"),
        ("classic_keys", "1"),
    ];
    let told = [
        "There is a problem",
        "Title cannot be blank",
        "Host must not have a scheme",
        "Path must begin with a slash, such as /wiki",
        "Reading methods must be methods such as GET, HEAD and OPTIONS",
        "No account has one of the logins carol, <b>",
        "Requests per minute must be a whole number from 1 to 1000000, or none",
    ];
    let seen = root.get(&path_of(&service, "")).await.value_of("seen");
    for (path, more) in [("/admin/services/new".to_owned(), ("name", "A b")), (path_of(&service, ""), ("seen", &*seen))]
    {
        let page = root.post(&path, &form(&[&wrong[..], &[more]].concat())).await;
        assert_eq!(page.status, 422, "{}", page.text());
        for told in told {
            assert!(page.shows(told), "{told}: {}", page.text());
        }
        for (name, value) in [("host", "https://wiki.example.org"), ("path", "docs"), ("requests_per_minute", "many")] {
            assert_eq!(page.value_of(name), value);
        }
        assert_eq!((area(&page, "readers"), area(&page, "writers")), ("alice carol &#60;b&#62;", "bob"));
        assert!(page.html.contains("id=\"may_write\" name=\"may_write\" type=\"radio\" value=\"everyone\" checked"));
        assert!(page.html.contains("id=\"classic_keys\" name=\"classic_keys\" type=\"checkbox\" value=\"1\" checked"));
        assert!(page.html.contains("<a href=\"#readers\">No account has"), "it leads to the field");
    }
    let page = root.post("/admin/services/new", &form(&[("name", "wiki")])).await;
    assert!(page.shows("Name has already been taken"), "{}", page.text());
    assert!(page.shows("Path is already used by the service wiki on this host"), "{}", page.text());
    assert!(field(&page, "name").contains("aria-invalid=\"true\""));
    assert_eq!(settings_of(&site, &service), wiki());
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 1);
}

/// A form that is out of date must not admit again whom another administrator has just shut out.
#[rstest]
#[tokio::test]
async fn a_form_that_is_out_of_date_saves_nothing_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_admin(db).await;
    let service = site.add_service("wiki", admitting(&["alice"], &[])).await;
    let path = path_of(&service, "");
    let early = root.get(&path).await.value_of("seen");
    site.later(chrono::TimeDelta::minutes(1));
    let shut = form(&[("may_read", "people"), ("readers", ""), ("seen", &early)]);
    assert_eq!(root.post(&path, &shut).await.status, 303);
    let late = form(&[("title", "Docs"), ("may_read", "people"), ("readers", "alice"), ("seen", &early)]);
    let page = root.post(&path, &late).await;
    assert_eq!(page.status, 409, "{}", page.text());
    assert!(page.shows("Nothing was saved Somebody else has changed this service"), "{}", page.text());
    assert!(page.shows("Read access nobody"), "as it is now: {}", page.text());
    assert_eq!((page.value_of("title"), area(&page, "readers")), ("Docs".into(), "alice"));
    assert_eq!(settings_of(&site, &service).readers, Admitted::nobody());
    let seen = page.value_of("seen");
    let again = form(&[("title", "Docs"), ("may_read", "people"), ("readers", "alice"), ("seen", &seen)]);
    assert_eq!(root.post(&path, &again).await.status, 303);
    assert_eq!(settings_of(&site, &service).title, "Docs");
    assert_eq!(root.post(&path, &form(&[("seen", "yesterday")])).await.status, 400);
}

#[rstest]
#[tokio::test]
async fn to_remove_a_service_asks_first_and_says_which_keys_lose_what(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, alice) = with_admin(db).await;
    let everyone = ServiceSettings { writers: Admitted::Everyone, ..wiki() };
    let service = site.add_service("wiki", everyone).await;
    let path = path_of(&service, "/remove");
    let page = root.get(&path).await;
    for shown in ["Remove “Team wiki”?", "No key has a scope of wiki", "Never used: nothing seems to depend on it."]
    {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
    site.add_access_token(&alice, "service:wiki:read", "30d").await;
    assert!(root.get(&path).await.shows("1 key of 1 person loses service:wiki:read."));
    let key = site.add_access_token(&site.user("root"), "service:wiki:write service:wiki:read", "30d").await;
    site.database.execute(&format!(
        "INSERT INTO service_uses VALUES ({}, {}, '2026-11-24 09:25:00', '192.0.2.1', 'curl')",
        key.id, service.id
    ));
    let page = root.get(&path).await;
    let loss = "2 keys of 2 people lose their scopes: 1 key service:wiki:write, 1 key service:wiki:read.";
    assert!(page.shows(loss) && page.shows("Last used: 5 minutes ago"), "{}", page.text());
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 1, "it only asked");

    let removed = root.post(&path, &[]).await;
    assert_eq!(removed.location(), "/admin/services?notice=service_removed");
    assert!(root.get(removed.location()).await.shows("The service has been removed. No key has its scopes any more."));
    for table in ["services", "token_services", "service_uses"] {
        assert_eq!(site.database.number(&format!("SELECT count(*) AS number FROM {table}")), 0, "{table}");
    }
    assert_eq!(root.post(&path, &[]).await.status, 404, "sent twice");
    let activity = root.get("/activity").await;
    assert!(activity.shows("Service removed wiki, at wiki.example.org"), "{}", activity.text());
    let alice = site.signed_in("alice").await;
    let told = "may no longer do service:wiki:read: the service “Team wiki” was removed";
    assert!(alice.get("/activity").await.shows(told));
    // The feed tells the same.
    let feeds = site.add_key(&site.user("alice"), latchkey::models::keys::token::TokenAction::Feeds).await;
    let feed = Answer::of(site.request(Method::GET, &format!("/activity.atom?key={}", feeds.secret))).await;
    assert!(feed.text.contains("changed by root") && feed.text.contains("service:wiki:read"), "{}", feed.text);
}

#[rstest]
#[tokio::test]
async fn a_service_of_the_file_is_shown_and_not_changed(#[values(Sqlite, Postgres)] db: Db) {
    let (site, root, _) = with_admin(db).await;
    let service = site.add_service("wiki", admitting(&["alice"], &[])).await;
    let (path, remove) = (path_of(&service, ""), path_of(&service, "/remove"));
    let seen = root.get(&path).await.value_of("seen");
    let post = form(&[("title", "Docs"), ("seen", &seen)]);

    site.database.execute("UPDATE services SET kept_in = 'file'");
    let page = root.get(&path).await;
    for shown in
        ["This service is defined in the file that LATCHKEY_SERVICES names. Change it there", "Read access alice"]
    {
        assert!(page.shows(shown), "{shown}: {}", page.text());
    }
    assert!(!page.html.contains("<textarea") && !page.html.contains("/remove"), "{}", page.html);
    assert!(root.get("/admin/services").await.shows("Team wiki From file"));
    for refused in [root.post(&path, &post).await, root.get(&remove).await, root.post(&remove, &[]).await] {
        assert_eq!(refused.status, 422);
        assert!(
            refused.shows("is defined in the file that LATCHKEY_SERVICES names: change it there"),
            "{}",
            refused.text()
        );
    }

    site.database.execute("UPDATE services SET kept_in = 'left_file'");
    let page = root.get(&path).await;
    assert!(
        page.shows("This service is closed: it is no longer in the file that LATCHKEY_SERVICES names"),
        "{}",
        page.text()
    );
    assert!(!page.html.contains("<textarea"), "{}", page.html);
    assert!(root.get("/admin/services").await.shows("Team wiki Closed"));
    assert_eq!(root.post(&path, &post).await.status, 422);
    assert_eq!(settings_of(&site, &service).title, "Team wiki");
    assert_eq!(root.post(&remove, &[]).await.status, 303);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM services"), 0);
}

/// "Offered only to those the service admits": the form of an access token has them.
#[rstest]
#[tokio::test]
async fn scopes_stand_in_the_form_of_a_token_only_for_whom_the_service_admits(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, _) = with_admin(db).await;
    site.add_user("bob").await;
    site.add_service("wiki", admitting(&["bob"], &["alice"])).await;
    for (login, read, write) in [("alice", true, true), ("bob", true, false), ("root", false, false)] {
        let page = site.signed_in(login).await.get("/my/tokens/new").await;
        let offers = |scope: &str| page.html.contains(&format!("value=\"service:wiki:{scope}\""));
        assert_eq!((offers("read"), offers("write")), (read, write), "{login}: {}", page.text());
    }
}

/// What administrators are told before they remove a service is true to the second: also of uses that wait in memory.
#[rstest]
#[tokio::test]
async fn a_use_is_told_before_it_is_written(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
    let root = site.add_admin("root").await;
    let service = site.add_service("wiki", ServiceSettings { readers: Admitted::Everyone, ..wiki() }).await;
    let (key, api) = (
        site.add_access_token(&root, "service:wiki:read", "30d").await,
        site.add_access_token(&root, "services:read", "30d").await,
    );
    let visitor = site.signed_in("root").await;
    let addresses = ["/admin/services".to_owned(), path_of(&service, ""), path_of(&service, "/remove")];
    for address in &addresses {
        assert!(!visitor.get(address).await.shows("less than a minute ago"), "{address}");
    }
    let question = site.get("/auth/nginx").header("Host", "wiki.example.org").header("X-Original-URI", "/");
    let question = question.header("X-Original-Method", "GET").bearer_auth(&key.secret);
    assert_eq!(Answer::of(question).await.status, 200);
    assert_eq!(site.database.number("SELECT count(*) AS number FROM service_uses"), 0, "it is not written");
    for address in &addresses {
        let shown = visitor.get(address).await;
        assert!(shown.shows("less than a minute ago"), "{address}: {}", shown.text());
    }
    for address in ["/admin/services.json".to_owned(), path_of(&service, ".json")] {
        let shown = Answer::of(site.get(&address).bearer_auth(&api.secret)).await;
        assert!(shown.text.contains(r#""last_used_on":"2026-11-24T09:30:00Z""#), "{address}: {}", shown.text);
    }
}

/// "natural order by title and a search box only if more than 5"
#[rstest]
#[tokio::test]
async fn services_are_listed_by_title_and_many_are_searched(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    let titles = |page: &Page| -> Vec<String> {
        let links = page.html.split("<td role=\"cell\" class=\"what\"><a href=\"").skip(1);
        links.filter_map(|it| it.split_once("\">")?.1.split_once("</a>")).map(|(title, _)| title.to_owned()).collect()
    };
    for number in [10, 2, 1, 3, 12] {
        let settings = ServiceSettings::new(format!("Node {number}"), format!("n{number}.example.org"));
        site.add_service(&format!("s{number}"), settings).await;
    }
    let list = root.get("/admin/services").await;
    assert_eq!(titles(&list), ["Node 1", "Node 2", "Node 3", "Node 10", "Node 12"]);
    assert!(!list.html.contains("type=\"search\""), "few need no search");
    site.add_service("wiki", ServiceSettings::new("a wiki", "docs.example.org")).await;
    let list = root.get("/admin/services").await;
    assert_eq!(titles(&list)[0], "a wiki");
    assert!(list.html.contains("type=\"search\""), "{}", list.html);
    for (query, expected) in
        [("WIKI", vec!["a wiki"]), ("docs.ex", vec!["a wiki"]), ("+s1+", vec!["Node 1", "Node 10", "Node 12"])]
    {
        assert_eq!(titles(&root.get(&format!("/admin/services?name={query}")).await), expected, "{query}");
    }
    let none = root.get("/admin/services?name=%3Cnowhere").await;
    assert!(none.shows("0 services No title, name or host matches. Show all services"), "{}", none.text());
    assert_eq!(none.value_of("name"), "<nowhere");
}
