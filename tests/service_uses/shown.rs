//! What a key's owner sees of where it is used: on its page, in JSON and on the command line.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// Alice, with an access token that is used on two services for some days.
struct Scene {
    site: Site,
    alice: User,
    key: Key,
    wiki: i64,
}

impl Scene {
    /// It is 24 November 2026, 09:30 UTC.
    async fn set(db: Db) -> Self {
        let site = Site::start(db).await;
        let alice = site.add_user("alice").await;
        let key = site.add_access_token(&alice, "account:read", "never").await;
        let wiki = add_service(&site.database, "wiki");
        Self { site, alice, key, wiki }
    }

    fn use_at(&self, service: i64, time: &str, times: u32) {
        (0..times).for_each(|_| self.site.app.recorder.service_uses.count(&call(self.key.id, service, at(time))));
    }

    /// 1,234 requests on the wiki, most on 12 November; two on git, the last of them long ago.
    fn use_all(&self) -> i64 {
        let git = add_service(&self.site.database, "git");
        for (time, times) in [
            ("2026-11-24T09:27:00", 5),
            ("2026-11-12T23:59:59", 987),
            ("2026-08-27T00:00:00", 242),
            ("2026-08-26T23:59:59", 9),
        ] {
            self.use_at(self.wiki, time, times);
        }
        self.use_at(git, "2026-11-20T09:30:00", 1);
        self.use_at(git, "2026-07-01T09:30:00", 1);
        git
    }

    fn path(&self) -> String {
        format!("/my/tokens/{}", self.key.id)
    }

    async fn json(&self) -> Answer {
        let reader = self.site.add_access_token(&self.alice, "tokens:read", "1d").await;
        self.site.get_with_key(&format!("{}/services.json", self.path()), &reader).await
    }
}

#[rstest]
#[tokio::test]
async fn the_page_of_a_token_says_where_it_is_used(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    scene.use_all();
    let alice = scene.site.signed_in("alice").await;
    // Whether it is written or not, the page shows it.
    for written in [false, true] {
        let page = alice.get(&scene.path()).await;
        let text = page.text();
        let (_, section) = text.split_once("Use on services").expect("the section");
        let (wiki, git) = section.split_once("Git Last used").expect("both services, the latest first");
        assert!(wiki.starts_with(" Wiki Last used 3 minutes ago from 192.0.2.7 by curl/8.5.0"), "{written}: {wiki}");
        assert!(wiki.contains("1,234 requests in the last 90 days, most on 12 November (987)"), "{written}: {wiki}");
        assert!(git.starts_with(" 4 days ago from 192.0.2.7 by curl/8.5.0"), "{written}: {git}");
        assert!(git.contains("1 request in the last 90 days"), "{written}: {git}");
        assert!(page.html.contains(
            r#"<time datetime="2026-11-24T09:27:00Z" title="24 Nov 2026, 09:27:00 UTC">3 minutes ago</time>"#
        ));
        scene.site.flush().await;
    }
    // Ten minutes after.
    scene.site.later(TimeDelta::minutes(7));
    assert!(alice.get(&scene.path()).await.shows("Wiki Last used 10 minutes ago from"));
    scene.site.later(TimeDelta::days(100));
    let page = alice.get(&scene.path()).await;
    assert!(page.status == 303 || page.status == 302, "the session is over: {}", page.status);
    let alice = scene.site.signed_in("alice").await;
    let page = alice.get(&scene.path()).await;
    assert!(page.shows("No request in the last 90 days"), "{}", page.text());
}

/// "server-drawn SVG with a text alternative"
#[rstest]
#[tokio::test]
async fn the_picture_says_in_words_what_it_shows(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    scene.use_all();
    let page = scene.site.signed_in("alice").await.get(&scene.path()).await;
    let pictures: Vec<_> = page.html.split("<svg").skip(1).filter_map(|it| it.split_once("</svg>")).collect();
    let (wiki, _) = pictures[0];
    let label = "Requests a day since 27 August: 1,234 on 3 days; most on 12 November, 987; 5 today.";
    assert!(wiki.contains(&format!("role=\"img\" aria-label=\"{label}\"")), "{wiki}");
    let bars: Vec<_> = wiki.split("<rect ").skip(1).map(|bar| bar.split("/>").next().expect("its end")).collect();
    // The first day at the left, today at the right; the highest bar as high as the picture.
    assert_eq!(
        bars,
        [
            r#"x="0" y="31" width="3" height="9""#,
            r#"x="308" y="0" width="3" height="40""#,
            r#"x="356" y="39" width="3" height="1""#
        ]
    );
    assert!(wiki.contains(r#"viewBox="0 0 359 40""#) && wiki.contains(r#"focusable="false""#), "{wiki}");
    assert!(!page.html.contains("style="), "nothing inline: the content policy forbids it");
    let (git, _) = pictures[1];
    assert!(git.contains("Requests a day since 27 August: 1 on 1 day; most on 20 November, 1; none today."), "{git}");
}

#[rstest]
#[tokio::test]
async fn a_key_that_was_used_nowhere_says_what_this_is_for(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    let alice = scene.site.signed_in("alice").await;
    let page = alice.get(&scene.path()).await;
    assert!(page.shows(
        "Use on services This key has not been used on a service yet. A service is an app behind a reverse proxy"
    ));
    assert!(page.shows("docs/forward-auth.md") && !page.html.contains("<svg"), "{}", page.text());
    assert_eq!(scene.json().await.json(), json!([]));
}

/// A use of Latchkey's own API is none of a service, and the page does not read as if there were none at all.
#[rstest]
#[tokio::test]
async fn a_key_that_was_used_elsewhere_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    let key = scene.site.add_access_token(&scene.alice, "account:read", "never").await;
    let api = scene.site.add_key(&scene.alice, TokenAction::Api).await;
    for key in [&key, &api] {
        assert_eq!(scene.site.get_with_key("/users/current.json", key).await.status, 200);
    }
    scene.site.later(TimeDelta::minutes(25));
    let alice = scene.site.signed_in("alice").await;
    for path in [format!("/my/tokens/{}", key.id), "/my/api_key/services".to_owned()] {
        let page = alice.get(&path).await;
        let told = "No use on a service is recorded. The last use, 25 minutes ago, may have been on Latchkey’s own API";
        assert!(page.shows(told) && !page.shows("has not been used"), "{}", page.text());
    }
}

/// Whatever a client says it is stays text.
#[rstest]
#[tokio::test]
async fn an_agent_is_shown_as_text(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    let agent = "<script>alert(1)</script> & \"more\"";
    let now = scene.site.clock.now();
    let used = ServiceCall { agent: agent.as_bytes(), ..call(scene.key.id, scene.wiki, now) };
    scene.site.app.recorder.service_uses.count(&used);
    let page = scene.site.signed_in("alice").await.get(&scene.path()).await;
    assert!(page.shows(&format!("from 192.0.2.7 by {agent}")), "{}", page.text());
    assert!(!page.html.contains("<script>alert"));
    let nobody = ServiceCall { agent: b"", ..call(scene.key.id, scene.wiki, now) };
    scene.site.app.recorder.service_uses.count(&nobody);
    let page = scene.site.signed_in("alice").await.get(&scene.path()).await;
    assert!(page.shows("from 192.0.2.7 2 requests"), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn the_api_access_key_has_a_page_of_it(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    let alice = scene.site.signed_in("alice").await;
    assert!(!alice.get("/my/account").await.shows("Use on services"));
    assert_eq!(alice.get("/my/api_key/services").await.status, 404, "there is no such key");
    let api = scene.site.add_key(&scene.alice, TokenAction::Api).await;
    let page = alice.get("/my/account").await;
    assert!(page.html.contains(r#"href="/my/api_key/services">Use on services</a>"#), "{}", page.html);
    let page = alice.get("/my/api_key/services").await;
    assert!(page.shows("Use of your API access key Never used Services This key has not been used on a service yet."));
    scene.site.app.recorder.service_uses.count(&call(api.id, scene.wiki, scene.site.clock.now()));
    let page = alice.get("/my/api_key/services").await;
    assert!(
        page.shows("Wiki Last used less than a minute ago from 192.0.2.7 by curl/8.5.0 1 request"),
        "{}",
        page.text()
    );
    let answer = scene.site.get_with_key(&format!("/my/tokens/{}/services.json", api.id), &api).await;
    assert_eq!(answer.json()[0]["requests"], 1);
    // A new key starts with nothing.
    let api = scene.site.add_key(&scene.alice, TokenAction::Api).await;
    assert!(alice.get("/my/api_key/services").await.shows("This key has not been used on a service yet."));
    assert_eq!(scene.site.get_with_key(&format!("/my/tokens/{}/services.json", api.id), &api).await.json(), json!([]));
}

#[rstest]
#[tokio::test]
async fn programs_read_it_as_json(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    scene.use_all();
    let expected = json!([
        {
            "service": "wiki", "title": "Wiki", "last_used_on": "2026-11-24T09:27:00Z", "address": "192.0.2.7",
            "agent": CURL, "requests": 1234, "days": [
                {"day": "2026-08-27", "requests": 242},
                {"day": "2026-11-12", "requests": 987},
                {"day": "2026-11-24", "requests": 5},
            ],
        },
        {
            "service": "git", "title": "Git", "last_used_on": "2026-11-20T09:30:00Z", "address": "192.0.2.7",
            "agent": CURL, "requests": 1, "days": [{"day": "2026-11-20", "requests": 1}],
        },
    ]);
    for written in [false, true] {
        let answer = scene.json().await;
        assert_eq!((answer.status, answer.json()), (200, expected.clone()), "{written}");
        assert_eq!(answer.header("Content-Type"), Some("application/json; charset=utf-8"));
        scene.site.flush().await;
    }
}

#[rstest]
#[tokio::test]
async fn nobody_else_reads_it(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    scene.use_all();
    scene.site.add_user("bob").await;
    let bob = scene.site.user("bob");
    let path = format!("{}/services.json", scene.path());
    let bobs = scene.site.add_key(&bob, TokenAction::Api).await;
    let answer = scene.site.get_with_key(&path, &bobs).await;
    assert_eq!((answer.status, answer.header("Content-Type")), (404, Some("application/problem+json")));
    assert_eq!(scene.site.get_with_key(&path, &scene.key).await.status, 403, "it may read the account only");
    assert_eq!(Answer::of(scene.site.get(&path)).await.status, 401);
    let visitor = scene.site.signed_in("bob").await;
    assert_eq!(visitor.get(&scene.path()).await.status, 404);
    assert_eq!(scene.site.visitor().get("/my/api_key/services").await.status, 302);
}

#[rstest]
#[tokio::test]
async fn the_command_line_shows_it_with_the_key(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::set(db).await;
    let latchkey = CommandLine::on(&scene.site.database);
    let id = scene.key.id.to_string();
    let show = |flags: &[&str]| latchkey.run(&[&["key", "show", &id], flags].concat()).done().stdout;
    let document = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert!(!show(&[]).contains("used on"));
    assert_eq!(document(&show(&["--json"]))["services"], json!([]));
    // By the clock of the machine.
    let now = Clock::system().now();
    (0..3).for_each(|_| scene.site.app.recorder.service_uses.count(&call(scene.key.id, scene.wiki, now)));
    scene.site.flush().await;
    let shown = show(&[]);
    let time = latchkey::clock::iso8601(now);
    let line = format!("used on         wiki, last use {time} from 192.0.2.7 by curl/8.5.0, requests in 90 days: 3");
    assert!(shown.lines().any(|it| it == line), "{shown}");
    let key = document(&show(&["--json"]));
    assert_eq!(key["id"], scene.key.id);
    let days = json!([{"day": now.date().to_string(), "requests": 3}]);
    assert_eq!((&key["services"][0]["service"], &key["services"][0]["days"]), (&json!("wiki"), &days));
}
