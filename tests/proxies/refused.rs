//! What is not let in, and what the client is told.

use chrono::TimeDelta;
use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

const BASIC: &str = "Basic realm=\"Redmine API\", charset=\"UTF-8\"";
const INVALID: &str = "Bearer error=\"invalid_token\"";
const EXPIRED: &str = "Bearer error=\"invalid_token\", error_description=\"The token has expired\"";

fn missing(scope: &str) -> String {
    format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"")
}

#[rstest]
#[tokio::test]
async fn without_a_key_that_is_good_for_it_nothing_arrives(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let (read, board) = (scene.key("service:wiki:read").await, scene.key("service:board:write").await);
    let own = scene.key("account:read").await;
    let short = scene.site.add_access_token(&scene.alice, "service:wiki:write", "1d").await;
    let revoked = scene.key("service:wiki:write").await;
    scene.site.database.execute(&format!("DELETE FROM tokens WHERE id = {}", revoked.id));
    let bob = scene.site.add_user("bob").await;
    let session = scene.site.add_key(&bob, TokenAction::Session).await;
    scene.site.later(TimeDelta::days(2));

    let (read_only, write) = (missing("service:wiki:read"), missing("service:wiki:write"));
    let page = || get("/page");
    let bearer = |secret: &str| page().with("Authorization", format!("Bearer {secret}"));
    let cases = [
        ("nothing is shown", page(), 401, BASIC),
        ("an empty key", page().with("X-API-Key", ""), 401, BASIC),
        ("no key of ours", page().with("X-API-Key", "not-a-key"), 401, INVALID),
        ("no key of ours in Bearer", bearer("not-a-key"), 401, INVALID),
        ("no key of ours in Basic", page().with("Authorization", basic("not-a-key", "x")), 401, BASIC),
        ("login and password", page().with("Authorization", basic("bob", PASSWORD)), 401, BASIC),
        ("a session", with_key(page(), &session), 401, INVALID),
        ("it has expired", with_key(page(), &short), 401, EXPIRED),
        ("it was revoked", with_key(page(), &revoked), 401, INVALID),
        ("another scheme", page().with("Authorization", "Digest username=\"bob\""), 401, BASIC),
        ("it is for another service", with_key(page(), &board), 403, &read_only),
        ("it is for no service", with_key(page(), &own), 403, &read_only),
        ("it reads only", with_key(page(), &read).sending("POST", "x"), 403, &write),
        ("a method that is not known to read", with_key(page(), &read).sending("PROPFIND", ""), 403, &write),
        ("the first decides", bearer(&read.secret).with("X-Redmine-API-Key", "not-a-key"), 401, INVALID),
    ];
    for (why, request, status, challenge) in cases {
        let reply = scene.front.send(&request);
        assert_eq!((reply.status, reply.header("WWW-Authenticate")), (status, Some(challenge)), "{why}: {reply:?}");
        assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{why}");
        assert!(!reply.text.is_empty() && reply.text.len() < 1000, "{why}: {reply:?}");
        scene.nothing_arrived(why);
    }

    scene.set_service("wiki", "everyone_reads = FALSE, everyone_writes = FALSE");
    let reply = scene.front.send(&with_key(page(), &read));
    assert_eq!(reply.status, 403, "nobody is admitted any more: {reply:?}");
    scene.site.database.execute("DELETE FROM services WHERE name = 'wiki'");
    assert_eq!(scene.front.send(&with_key(page(), &read)).status, 403, "there is no service any more");
    scene.nothing_arrived("nobody may");
}

#[rstest]
#[tokio::test]
async fn a_key_that_may_do_everything_is_refused_unless_the_service_takes_such(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let classic = scene.site.add_key(&scene.alice, TokenAction::Api).await;
    let refused = scene.front.send(&with_key(get("/page"), &classic));
    assert!([401, 403].contains(&refused.status), "{refused:?}");
    scene.nothing_arrived("it does not take them");
    scene.set_service("wiki", "classic_keys = TRUE");
    assert_eq!(scene.front.send(&with_key(get("/page"), &classic)).status, 200);
    assert_eq!(identity(&scene.wiki.arrival())[2], classic.id.to_string());
}

#[rstest]
#[tokio::test]
async fn more_requests_than_a_minute_may_have_are_told_when_to_come_back(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    scene.set_service("wiki", "requests_per_minute = 2");
    let (key, other) = (scene.key("service:wiki:read").await, scene.key("service:wiki:read").await);
    let ask = |key: &Key| scene.front.send(&with_key(get("/page"), key));
    for left in ["1", "0"] {
        let reply = ask(&key);
        // It tells nothing of the answer that lets a request in.
        let policy = (via != Traefik).then_some("\"wiki\";q=2;w=60");
        assert_eq!((reply.status, reply.header("RateLimit-Policy")), (200, policy), "{reply:?}");
        if via == Traefik {
            continue;
        }
        let limit = reply.header("RateLimit").expect("what is left");
        assert!(limit.starts_with(&format!("\"wiki\";r={left};t=")), "{limit}");
    }
    assert_eq!(scene.wiki.arrived().len(), 2);
    let reply = ask(&key);
    assert_eq!((reply.status, reply.header("RateLimit-Policy")), (429, Some("\"wiki\";q=2;w=60")), "{reply:?}");
    assert!(reply.header("RateLimit").is_some_and(|limit| limit.starts_with("\"wiki\";r=0;t=")), "{reply:?}");
    let wait: i64 = reply.header("Retry-After").and_then(|it| it.parse().ok()).expect("when to come back");
    assert!((1..=60).contains(&wait), "{wait}");
    scene.nothing_arrived("too many");
    assert_eq!(ask(&other).status, 200, "each key by itself");
    scene.site.later(TimeDelta::seconds(wait));
    assert_eq!(ask(&key).status, 200, "after the time that it was told");
}

/// Where the proxy finds a Latchkey that the test stops and starts.
fn latchkey_at(port: u16, scene: &Scene) -> Process {
    let command_line = CommandLine::on(&scene.site.database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    Process::serve_on(port, &command_line, &["--trusted-proxies=127.0.0.1"])
}

/// What a client gets while Latchkey is down.
fn unanswered(via: Via) -> u16 {
    if via == Traefik { 500 } else { 503 }
}

/// What a client gets while the service is down.
fn bad_gateway(via: Via) -> u16 {
    if via == Envoy { 503 } else { 502 }
}

#[rstest]
#[tokio::test]
async fn while_latchkey_is_down_everything_is_refused(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let key = scene.site.add_access_token(&scene.alice, "service:wiki:read", "never").await;
    let port = free_port();
    let front = scene.front_asking(&format!("127.0.0.1:{port}"), via, Setup::WithBlog).await;
    let ask = || front.send(&with_key(get("/page"), &key));
    let anonymous = || front.send(&get("/blog/post"));
    for time in ["not there yet", "killed"] {
        for reply in [ask(), anonymous()] {
            assert_eq!(reply.status, unanswered(via), "{time}: {reply:?}");
            if via == Traefik {
                continue;
            }
            assert_eq!(reply.header("Retry-After"), Some("5"), "{time}");
            assert_eq!(reply.header("Cache-Control"), Some("no-store"), "{time}");
            assert_eq!(reply.text.trim_end(), "Keys cannot be checked just now.", "{time}");
        }
        scene.nothing_arrived(time);
        let process = latchkey_at(port, &scene);
        for _ in 0..3 {
            assert_eq!((ask().status, anonymous().status), (200, 200), "it is back: {time}");
        }
        assert_eq!((scene.wiki.arrived().len(), scene.blog.arrived().len()), (3, 3));
        process.kill();
    }
    assert_eq!(ask().status, unanswered(via));
    scene.nothing_arrived("down again");
}

#[rstest]
#[tokio::test]
async fn while_the_database_is_away_everything_is_refused(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Postgres, via).await;
    let key = scene.key("service:wiki:read").await;
    assert_eq!(scene.front.send(&with_key(get("/page"), &key)).status, 200);
    scene.wiki.arrival();
    scene.site.database.drop_postgres();
    let requests = [with_key(get("/page"), &key), get("/blog/post"), get("/page")];
    // Side by side: each waits for the database as long as is waited for it.
    let replies: Vec<_> = std::thread::scope(|scope| {
        let sent = requests.each_ref().map(|request| scope.spawn(|| scene.front.send(request)));
        sent.into_iter().map(|reply| reply.join().expect("a reply")).collect()
    });
    for reply in replies {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.header("Retry-After").is_some(), "{reply:?}");
    }
    scene.nothing_arrived("it cannot be known");
}

/// Whatever goes wrong in there, nobody is let in for it.
#[rstest]
#[tokio::test]
async fn while_latchkey_fails_everything_is_refused(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let key = scene.key("service:wiki:read").await;
    for table in ["services", "tokens"] {
        scene.site.database.execute(&format!("ALTER TABLE {table} RENAME TO away"));
        let reply = scene.front.send(&with_key(get("/page"), &key));
        assert!(reply.status >= 500, "{table}: {reply:?}");
        scene.nothing_arrived(table);
        scene.site.database.execute(&format!("ALTER TABLE away RENAME TO {table}"));
    }
    assert_eq!(scene.front.send(&with_key(get("/page"), &key)).status, 200);
}

/// The client is not told that keys cannot be checked when it is the service that is down.
#[rstest]
#[tokio::test]
async fn a_service_that_is_down_is_told_as_such(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let Scene { site, front, wiki, blog: _blog, board: _board, alice } = Scene::start(Sqlite, via).await;
    let key = site.add_access_token(&alice, "service:wiki:read", "30d").await;
    drop(wiki);
    let reply = front.send(&with_key(get("/page"), &key));
    assert_eq!(reply.status, bad_gateway(via), "{reply:?}");
    assert!(!reply.text.contains("Keys cannot be checked"), "{reply:?}");
}

/// "Log formats that leave queries out".
#[rstest]
#[tokio::test]
async fn no_log_of_the_proxy_has_a_key(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    scene.set_service("wiki", "key_parameter = TRUE");
    let key = scene.site.add_access_token(&scene.alice, "service:wiki:read", "never").await;
    let port = free_port();
    let setup = if via == Traefik { Setup::WithBlog } else { Setup::WithKeyParameter };
    let front = scene.front_asking(&format!("127.0.0.1:{port}"), via, setup).await;
    let (bearer, referer) = (format!("Bearer {}", key.secret), format!("https://{WIKI}/x?key={}", key.secret));
    let requests = [
        get(&format!("/page?key={}", key.secret)),
        get(&format!("/page?x=1&key={}", key.secret)),
        get("/page").with("Authorization", basic(&key.secret, "x")),
        get("/page").with("Authorization", bearer).with("Referer", referer),
        get("/page").with("X-API-Key", &key.secret),
        get("/page").with("X-Redmine-API-Key", &key.secret),
    ];
    let send_all = || requests.iter().map(|request| front.send(request).status).collect::<Vec<_>>();
    assert_eq!(send_all(), [unanswered(via); 6], "Latchkey is down");
    let process = latchkey_at(port, &scene);
    assert_eq!(send_all(), [200; 6]);
    drop(scene.wiki);
    assert_eq!(send_all(), [bad_gateway(via); 6], "the service is down");
    drop(process);
    // Of an address, Traefik's log has nothing.
    let line = if via == Traefik { "\"RequestMethod\":\"GET\"" } else { "/page" };
    let lines = || front.logs().lines().filter(|text| text.contains(line)).count();
    eventually("a line for each request", || lines() >= 18).await;
    let logs = front.logs();
    assert!(!logs.contains(&key.secret) && !logs.contains(&key.secret[3..]), "{logs}");
    let encoded = basic(&key.secret, "x");
    assert!(!logs.contains(&encoded["Basic ".len()..]), "{logs}");
}
