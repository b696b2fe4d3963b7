//! *Try a key*: what a proxy would be told about a request to a service, and why. Nobody's use is recorded.

use latchkey::models::keys::token::TokenAction;
use latchkey::models::people::user::User;
use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::service::Service;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;

/// A site with the wiki, which admits everyone to read and alice to write, and the blog below it.
struct Scene {
    site: Site,
    root: Visitor,
    alice: User,
    wiki: Service,
}

impl Scene {
    async fn start(db: Db) -> Self {
        let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1"]).await;
        site.add_admin("root").await;
        let alice = site.add_user("alice").await;
        let at = |title: &str, path: &str| ServiceSettings {
            path: path.into(),
            readers: Admitted::Everyone,
            writers: Admitted::people(["alice"]),
            ..ServiceSettings::new(title, "wiki.example.org")
        };
        let wiki = site.add_service("wiki", at("Team wiki", "/")).await;
        site.add_service("blog", at("Blog", "/blog")).await;
        let root = site.signed_in("root").await;
        Self { site, root, alice, wiki }
    }

    fn path(&self) -> String {
        format!("/admin/services/{}/try", self.wiki.id)
    }

    /// Tries it, and asserts that the key is shown nowhere.
    async fn try_out(&self, secret: &str, method: &str, path: &str) -> Page {
        let form = [("key", secret), ("tried_method", method), ("tried_path", path)];
        let page = self.root.post(&self.path(), &form).await;
        assert!(secret.is_empty() || !page.html.contains(secret), "{}", page.html);
        page
    }

    /// What a proxy is really told: the status, and who it is.
    async fn really(&self, secret: &str, method: &str, path: &str) -> (u16, Option<String>) {
        let asked = self.site.request(reqwest::Method::GET, "/auth/forwarded");
        let asked = asked.header("X-Forwarded-Method", method).header("X-Forwarded-Proto", "https");
        let asked = asked.header("X-Forwarded-Host", "wiki.example.org").header("X-Forwarded-Uri", path);
        let asked = if secret.is_empty() { asked } else { asked.bearer_auth(secret) };
        let answer = Answer::of(asked).await;
        (answer.status, answer.header("X-Latchkey-User").map(str::to_owned))
    }
}

#[rstest]
#[tokio::test]
async fn the_answer_is_the_one_that_a_proxy_gets_and_says_why(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::start(db).await;
    let Scene { site, alice, .. } = &scene;
    let write = site.add_access_token(alice, "service:wiki:write", "never").await.secret;
    let read = site.add_access_token(alice, "service:wiki:read", "never").await.secret;
    let short = site.add_access_token(alice, "service:wiki:read", "1d").await.secret;
    let bob = site.add_passwordless_user("bob").await;
    site.database.execute("UPDATE services SET everyone_writes = TRUE");
    let bobs = site.add_access_token(&bob, "service:wiki:write", "never").await.secret;
    site.database.execute("UPDATE services SET everyone_writes = FALSE");
    let locked = site.add_passwordless_user("carol").await;
    let lockeds = site.add_access_token(&locked, "service:wiki:read", "never").await.secret;
    site.database.execute(&format!("UPDATE users SET status = 'locked' WHERE id = {}", locked.id));
    let api = site.add_key(alice, TokenAction::Api).await.secret;
    let feeds = site.add_key(alice, TokenAction::Feeds).await.secret;
    let session = site.add_key(alice, TokenAction::Session).await.secret;
    site.later(chrono::TimeDelta::days(2));
    scene.root.sign_in("root", PASSWORD).await;
    let (most, last) = read.split_at(read.len() - 1);
    let mistyped = format!("{most}{}", if last == "x" { "y" } else { "x" });
    let cases = [
        (
            &*write,
            "POST",
            "/page",
            "POST counts as writing on Team wiki, which the key has the scope for and alice is admitted to.",
        ),
        (&*read, "GET", "/", "The key is alice’s access token “deploy”. GET counts as reading on Team wiki, which"),
        (&*read, "get", "/", "GET counts as reading"),
        (&*read, "PUT", "/", "and the key lacks the scope for that: service:wiki:write."),
        (
            &*read,
            "GET",
            "/blog/post",
            "/blog/post belongs to another service on this host, Blog. GET counts as reading on Blog, and the key lacks the scope for that: service:blog:read.",
        ),
        (&*bobs, "POST", "/", "and Team wiki does not admit bob to that."),
        (&*short, "GET", "/", "It expired 2026-11-25T"),
        (&*lockeds, "GET", "/", "The account of carol is locked."),
        (&*api, "GET", "/", "The key is alice’s API access key. Team wiki takes access tokens only"),
        (&*feeds, "GET", "/", "The key is alice’s Atom access key. It opens the Atom feed and nothing else."),
        (&*session, "GET", "/", "No key has this secret: it never was one, or it was revoked."),
        ("nonsense", "GET", "/", "No key has this secret"),
        (&*mistyped, "GET", "/", "This is not a whole key: a part of it is missing or mistyped."),
        (
            "",
            "GET",
            "/",
            "No key was given. GET counts as reading on Team wiki, which it lets nobody do without a key.",
        ),
        (&*read, "GET", "/a/../b", "The path of the request is refused: it has dot segments."),
    ];
    for (secret, method, path, why) in cases {
        let page = scene.try_out(secret, method, path).await;
        let case = format!("{method} {path}, {why}: {}", page.text());
        assert_eq!(page.status, 200, "{case}");
        assert!(page.shows(why), "{case}");
        let (status, user) = scene.really(secret, &method.to_uppercase(), path).await;
        let said = page.html.split_once("<h2 id=\"answer\">").expect("an answer").1;
        assert!(said.starts_with(&status.to_string()), "really {status}, {case}");
        assert_eq!(page.shows("X-Latchkey-User alice"), user.as_deref() == Some("alice"), "{case}");
        assert_eq!(page.shows("is refused. The client reads:"), status != 200, "{case}");
    }
}

#[rstest]
#[tokio::test]
async fn nothing_of_it_is_recorded_or_counted(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::start(db).await;
    scene.site.database.execute("UPDATE services SET requests_per_minute = 2, anonymous_reads = TRUE");
    let key = scene.site.add_access_token(&scene.alice, "service:wiki:read", "30d").await;
    let short = scene.site.add_access_token(&scene.alice, "service:wiki:read", "1d").await;
    scene.site.database.execute(&format!("UPDATE tokens SET expires_on = created_on WHERE id = {}", short.id));
    let counted = async || {
        scene.site.flush().await;
        let tables = ["events", "service_uses", "service_use_counts"];
        let rows = tables.map(|table| scene.site.database.number(&format!("SELECT count(*) AS number FROM {table}")));
        // The session that asks is counted, no key is.
        let metrics = scene.site.metrics().await;
        let of_keys = metrics.lines().filter(|line| line.contains("latchkey_authentications_total"));
        let of_keys: Vec<String> = of_keys.filter(|line| !line.contains("session")).map(str::to_owned).collect();
        (rows, of_keys)
    };
    let before = counted().await;
    for _ in 0..4 {
        let page = scene.try_out(&key.secret, "GET", "/").await;
        assert!(page.shows("RateLimit \"wiki\";r=1;t=30"), "{}", page.text());
        assert!(page.shows("200 OK"), "{}", page.text());
        assert!(scene.try_out(&key.secret, "POST", "/").await.shows("403 Forbidden"));
        assert!(scene.try_out(&short.secret, "GET", "/").await.shows("401 Unauthorized"));
        let anonymous = scene.try_out("", "GET", "/").await;
        assert!(anonymous.shows("which it lets anybody do without a key."), "{}", anonymous.text());
        assert!(anonymous.shows("X-Latchkey-User empty"), "{}", anonymous.text());
    }
    assert_eq!(counted().await, before);
    assert_eq!(scene.site.recorded_use(&key), None);
    for _ in 0..2 {
        assert_eq!(scene.really(&key.secret, "GET", "/").await.0, 200);
    }
    let page = scene.try_out(&key.secret, "GET", "/").await;
    assert!(page.shows("429 Too Many Requests The key is alice’s"), "{}", page.text());
    assert!(page.shows("Retry-After 30"), "{}", page.text());
}

#[rstest]
#[tokio::test]
async fn what_cannot_be_tried_is_told_and_only_administrators_try(#[values(Sqlite, Postgres)] db: Db) {
    let scene = Scene::start(db).await;
    let shown = scene.root.get(&format!("/admin/services/{}/try", scene.wiki.id)).await;
    assert_eq!((shown.value_of("tried_method"), shown.value_of("tried_path")), ("GET".into(), "/".into()));
    assert_eq!(shown.value_of("key"), "", "it is a field for secrets");
    for (method, path, told) in [
        ("G T", "/", "Method must be a method such as GET or POST"),
        ("GET", "page", "Path must begin with a slash, such as /page"),
        ("GET", "/?key=x", "Path cannot have a query"),
    ] {
        let page = scene.try_out("some-secret-that-is-tried", method, path).await;
        assert_eq!(page.status, 422, "{}", page.text());
        assert!(page.shows(told) && page.html.contains("<title>Error: "), "{}", page.text());
        assert_eq!((page.value_of("tried_method"), page.value_of("tried_path")), (method.into(), path.into()));
    }
    let alice = scene.site.signed_in("alice").await;
    let form = [("key", ""), ("tried_method", "GET"), ("tried_path", "/")];
    assert_eq!(alice.get(&scene.path()).await.status, 403);
    assert_eq!(alice.post(&scene.path(), &form).await.status, 403);
    // The password that was given long ago will do: it gives nobody any power.
    scene.site.later(chrono::TimeDelta::minutes(16));
    assert!(scene.root.post(&scene.path(), &form).await.shows("401 Unauthorized"));
}
