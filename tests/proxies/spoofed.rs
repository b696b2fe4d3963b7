//! What a client sends to become somebody, or to reach what it may not.

use rstest::rstest;

use super::*;

/// `name` in spellings that somebody may take for it: in several cases, and with each of the characters that a header's
/// name may have (RFC 9110, section 5.6.2) for the hyphens, or for the last.
fn spellings(name: &str) -> Vec<String> {
    let mixed = |name: &str| {
        let letters = name.char_indices().map(|(at, c)| if at % 2 == 0 { c.to_ascii_lowercase() } else { c });
        letters.collect::<String>()
    };
    let usual = [name.to_owned(), name.to_ascii_lowercase(), name.to_ascii_uppercase(), mixed(name)];
    let (start, end) = name.rsplit_once('-').expect("a hyphen");
    let punctuated = PUNCTUATION.chars().flat_map(|c| {
        let (all, last) = (name.replace('-', &c.to_string()), format!("{start}{c}{end}"));
        [all.to_ascii_uppercase(), mixed(&all), last]
    });
    usual.into_iter().chain(punctuated).collect()
}

#[rstest]
#[tokio::test]
async fn nobody_says_who_they_are_in_any_spelling(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:read").await;
    let forged = |request: Request, name: &str| {
        spellings(name).into_iter().fold(request, |request, name| request.with(name, "forged"))
    };
    for name in IDENTITY.into_iter().chain(["X-Latchkey-Token-Expires"]) {
        assert_eq!(scene.front.send(&with_key(forged(get("/page"), name), &key)).status, 200, "{name}");
        let arrival = scene.wiki.arrival();
        assert_eq!(identity(&arrival)[0], "alice", "{name}");
        assert!(!arrival.shows("forged"), "{name}: {arrival:?}");

        assert_eq!(scene.front.send(&forged(get("/blog/post"), name)).status, 200, "{name}");
        let arrival = scene.blog.arrival();
        assert_eq!(identity(&arrival), anonymous(), "{name}");
        assert!(!arrival.shows("forged"), "{name}: {arrival:?}");

        assert_eq!(scene.front.send(&forged(get("/page"), name)).status, 401, "{name}");
        scene.nothing_arrived(name);
    }
}

/// A service that acts on these would do something else than Latchkey was asked about.
#[rstest]
#[tokio::test]
async fn nobody_says_another_method_or_address(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:read").await;
    for name in OVERRIDES {
        let forged = spellings(name).into_iter().fold(get("/page"), |request, name| request.with(name, "forged"));
        assert_eq!(scene.front.send(&with_key(forged, &key)).status, 200, "{name}");
        let arrival = scene.wiki.arrival();
        assert!(arrival.values(name).is_empty() && !arrival.shows("forged"), "{name}: {arrival:?}");
    }
}

/// A header that `Connection` names is one that proxies take away.
#[rstest]
#[tokio::test]
async fn nobody_hides_who_they_are(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:read").await;
    let request = with_key(get("/page"), &key).with("Connection", format!("close, {}", IDENTITY.join(", ")));
    assert_eq!(scene.front.send(&request).status, 200);
    let arrival = scene.wiki.arrival();
    let ids = [scene.alice.id.to_string(), key.id.to_string()];
    assert_eq!(identity(&arrival), ["alice", &ids[0], &ids[1], "service:wiki:read"]);
}

/// In the words of every proxy, also in those of the one that is there.
#[rstest]
#[tokio::test]
async fn nobody_says_what_they_ask_for(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let read = scene.key("service:wiki:read").await;
    let words = [
        ("X-Original-URI", "/blog/post"),
        ("X-Original-URL", "/blog/post"),
        ("X-Rewrite-URL", "/blog/post"),
        ("X-Forwarded-Uri", "/blog/post"),
        ("X-Forwarded-Prefix", "/blog"),
        ("X-Forwarded-Host", BOARD),
        ("X-Forwarded-Proto", "http"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Method", "GET"),
        ("X-HTTP-Method-Override", "GET"),
        ("X-Envoy-Original-Path", "/blog/post"),
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;host=board.example.org"),
    ];
    let named: String = words.iter().map(|(name, _)| format!(", {name}")).collect();
    let all = |request: Request| {
        words.iter().fold(request, |request, (name, value)| {
            let request = request.with(*name, *value).with(*name, *value);
            request.with(name.replace('-', "_"), *value)
        })
    };
    let lied = |request: Request| {
        let one_by_one = words.iter().map(|(name, value)| request.clone().with(*name, *value));
        let hidden = request.clone().with("Connection", format!("close{named}"));
        one_by_one.chain([all(request.clone()), hidden.clone(), all(hidden)]).collect::<Vec<_>>()
    };
    // It refuses a request that would hide such a header from it.
    let is_refused = |request: &Request| via == Envoy && request.headers.iter().any(|(name, _)| name == "Connection");
    for request in lied(get("/page")) {
        let status = if is_refused(&request) { 400 } else { 401 };
        assert_eq!(scene.front.send(&request).status, status, "{request:?}");
        scene.nothing_arrived("nobody may read the wiki");
    }
    for request in lied(with_key(get("/page").sending("POST", "x"), &read)) {
        let status = if is_refused(&request) { 400 } else { 403 };
        assert_eq!(scene.front.send(&request).status, status, "{request:?}");
        scene.nothing_arrived("the key reads only");
    }
    for request in lied(with_key(get("/page"), &read)) {
        let status = scene.front.send(&request).status;
        if is_refused(&request) {
            assert_eq!(status, 400, "{request:?}");
            scene.nothing_arrived("it is refused");
        } else {
            assert_eq!(status, 200, "{request:?}");
            assert_eq!(identity(&scene.wiki.arrival())[0], "alice");
        }
    }
}

#[rstest]
#[tokio::test]
async fn the_host_that_a_client_names_leads_nowhere_else(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    scene.set_service("board", "anonymous_reads = TRUE");
    let board = scene.key("service:board:write").await;
    let hosts =
        [BOARD, "board.example.org:443", "BOARD.example.org", "board.example.org.", WIKI, "127.0.0.1", KEYS, ""];
    for host in hosts {
        for target in ["/page".to_owned(), format!("http://{BOARD}/page"), format!("https://{BOARD}:443/page")] {
            let request = Request::get(host, &target);
            let twice = request.clone().with("Host", BOARD);
            let forwarded = request.clone().with("X-Forwarded-Host", BOARD);
            for request in [request, twice, forwarded] {
                for request in [with_key(request.clone(), &board), request] {
                    for server in [WIKI, BOARD] {
                        let reply = scene.front.try_send_to(server, &request);
                        let arrived = [scene.wiki.arrived(), scene.blog.arrived()].concat();
                        assert!(arrived.is_empty(), "{server}, {request:?}: {reply:?} {arrived:?}");
                        let hosts: Vec<_> = scene.board.arrived().iter().map(|it| it.values("Host").concat()).collect();
                        assert!(hosts.iter().all(|host| host == BOARD), "{server}, {request:?}: {hosts:?}");
                    }
                }
            }
        }
    }
    let wiki = scene.key("service:wiki:read").await;
    for target in ["/page", "https://wiki.example.org/page"] {
        let request = with_key(get(target), &wiki).with("X-Forwarded-Host", BOARD);
        assert_eq!(scene.front.send(&request).status, 200, "{target}");
        let arrival = scene.wiki.arrival();
        assert_eq!((arrival.target(), arrival.values("Host")), ("/page", vec![WIKI]));
        assert_eq!(arrival.values("X-Forwarded-Host"), [WIKI]);
    }
    let request = with_key(Request::get(BOARD, "/page").sending("POST", "x"), &board);
    assert_eq!(scene.front.try_send_to(BOARD, &request).map(|reply| reply.status), Some(200));
    assert_eq!(identity(&scene.board.arrival())[0], "alice", "the other host has its own service");
}

/// "A host that the client does not choose": also where whoever wrote the settings lets one server answer for several.
#[rstest]
#[tokio::test]
async fn a_server_of_several_hosts_asks_about_its_own(#[values(Nginx, Caddy, Traefik)] via: Via) {
    let scene = Scene::set_up(Sqlite, via, Setup::ForSeveralHosts).await;
    scene.set_service("board", "anonymous_reads = TRUE");
    let (wiki, board) = (scene.key("service:wiki:read").await, scene.key("service:board:write").await);
    for server in [WIKI, BOARD] {
        for request in [Request::get(BOARD, "/page"), get("/page")] {
            let request = request.with("X-Forwarded-Host", BOARD).with("X-Original-Host", BOARD);
            for (request, status) in [(request.clone(), 401), (with_key(request.clone(), &board), 403)] {
                let reply = scene.front.try_send_to(server, &request);
                assert_eq!(reply.map(|reply| reply.status), Some(status), "{server}: {request:?}");
                scene.nothing_arrived("no key for the wiki");
            }
            let reply = scene.front.try_send_to(server, &with_key(request, &wiki));
            assert_eq!(reply.map(|reply| reply.status), Some(200), "{server}");
            assert_eq!(scene.wiki.arrival().values("Host"), [WIKI]);
        }
    }
}

/// A question about the wiki at `path`, in the words of every proxy, from somebody who is at `host`.
fn question(host: &str, path: &str) -> Request {
    let request = Request::get(host, path).with("X-Original-URI", "/page").with("X-Original-Method", "GET");
    let request = request.with("X-Forwarded-Uri", "/page").with("X-Forwarded-Method", "GET");
    request.with("X-Forwarded-Host", WIKI).with("X-Forwarded-Proto", "https")
}

/// Latchkey knows its own host, so it does not depend on the proxy's rule.
#[rstest]
#[tokio::test]
async fn nobody_asks_through_a_proxy_that_does_not_block_it(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::set_up(Sqlite, via, Setup::WithoutBlock).await;
    let key = scene.key("service:wiki:read").await;
    for path in ["/auth/nginx", "/auth/forwarded", "/auth/envoy/page"] {
        for host in [KEYS, "KEYS.example.org", "keys.example.org:443"] {
            let reply = scene.front.try_send_to(KEYS, &with_key(question(host, path), &key)).expect("an answer");
            assert_eq!(reply.status, 403, "{path}: {reply:?}");
            assert!(reply.header("X-Latchkey-User").is_none(), "{path}: {reply:?}");
        }
    }
    assert_eq!(scene.site.recorded_use(&key), None);
    assert_eq!(scene.front.send(&with_key(get("/page"), &key)).status, 200, "the proxy itself may ask");
}

/// The proxy is trusted to ask; who comes through it is not.
#[rstest]
#[tokio::test]
async fn nobody_asks_through_the_proxy(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:read").await;
    let page = scene.front.try_send_to(KEYS, &Request::get(KEYS, "/login")).expect("a page");
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text.contains("<form"), "{page:?}");
    // Where nginx itself asks.
    let own = scene.front.send(&with_key(get("/.latchkey"), &key));
    assert!(own.header("X-Latchkey-User").is_none(), "{own:?}");
    for path in [
        "/auth/nginx",
        "/auth/forwarded",
        "/auth/envoy/page",
        "//auth/nginx",
        "/auth//nginx",
        "/./auth/nginx",
        "/x/../auth/nginx",
        "/auth%2fnginx",
        "/%61uth/nginx",
        "/%61uth/forwarded",
        "/aut%68/envoy/page",
        "/%61%75%74%68/envoy/page",
        "/auth%2Fforwarded",
        "/auth/%6eginx",
        "/auth/",
        "/auth",
        "/AUTH/nginx",
        "/auth;x/nginx",
        "https://keys.example.org/auth/nginx",
        "http://wiki.example.org/auth/nginx",
    ] {
        for host in [KEYS, WIKI] {
            let reply = scene.front.try_send_to(KEYS, &with_key(question(host, path), &key)).expect("an answer");
            let told = reply.headers.iter().any(|(name, _)| name.starts_with("x-latchkey-user"));
            assert!(!told, "{host} {path}: {reply:?}");
            if host == KEYS && ["/auth/nginx", "/auth/forwarded", "/auth/envoy/page"].contains(&path) {
                assert_eq!(reply.status, 404, "{path}: {reply:?}");
            }
        }
    }
}

/// Without a key the blog may be read, and nothing else; with one for the wiki, the blog may not be written.
#[rstest]
#[tokio::test]
async fn no_path_leads_to_another_service(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let (wiki, blog) = (scene.key("service:wiki:write").await, scene.key("service:blog:read").await);
    let tricks = [
        "/page",
        "/",
        "",
        "*",
        "page",
        "?",
        "/?/blog/post",
        "//blog/post",
        "/blog//post",
        "///blog/post",
        "/./blog/post",
        "/blog/./post",
        "/blog/../page",
        "/page/../blog/post",
        "/../blog/post",
        "/blog/..",
        "/blog/../",
        "/blog/%2e%2e/page",
        "/blog/%2E%2e/page",
        "/blog/.%2e/page",
        "/page/%2e%2e/blog/post",
        "/blog/..%2fpage",
        "/blog%2f..%2fpage",
        "/blog%2fpost",
        "/%2fblog/post",
        "/page%2f..%2fblog/post",
        "/blog\\..\\page",
        "/blog\\post",
        "/page\\..\\blog\\post",
        "/blog/..\\page",
        "/blog/%5c../page",
        "/blog/..%5cpage",
        "/blog/%252e%252e/page",
        "/blog/%252e%252e%252fpage",
        "/blog/..%252fpage",
        "/blog/..;/page",
        "/blog/..;x=1/page",
        "/blog/%2e%2e;/page",
        "/blog;/../page",
        "/blog;x=1/post",
        "/blog%3b/post",
        "/;/blog/post",
        "/BLOG/post",
        "/Blog/post",
        "/%62log/post",
        "/%42LOG/post",
        "/blo%67/post",
        "/blogs/post",
        "/blog.html",
        "/blog",
        "/blog?/page",
        "/blog%3f/post",
        "/blog#/post",
        "/blog/#/../../page",
        "/page#/../blog/post",
        "/blog%23/post",
        "/blog%00/post",
        "/blog/%00/page",
        "/blog%0a/post",
        "/blog%0d%0aX-Latchkey-User:%20root/post",
        "/blog%20/post",
        "/blog%/post",
        "/blog%zz/post",
        "/blog%c0%ae%c0%ae/page",
        "/blog/%c0%ae%c0%ae/page",
        "/blog/%e0%80%af../page",
        "/blog/\u{ff0e}\u{ff0e}/page",
        "http://wiki.example.org/blog/../page",
        "http://wiki.example.org/page",
        "http://wiki.example.org//blog/post",
        "https://wiki.example.org/blog/%2e%2e/page",
        "http://wiki.example.org",
        "http://wiki.example.org?/blog/post",
        "http://blog@wiki.example.org/page",
        "http:/blog/post",
        "/http://wiki.example.org/blog/post",
    ];
    for target in tricks {
        for key in [None, Some(&blog)] {
            let request = key.map_or_else(|| get(target), |key| with_key(get(target), key));
            let reply = scene.front.try_send(&request);
            let arrived = scene.wiki.arrived();
            assert!(arrived.is_empty(), "{target}: {reply:?} {arrived:?}");
            for arrival in scene.blog.arrived() {
                assert!(["", "alice"].contains(&identity(&arrival)[0].as_str()), "{target}: {arrival:?}");
            }
        }
        let reply = scene.front.try_send(&with_key(get(target), &wiki).sending("POST", "spam"));
        let arrived = scene.blog.arrived();
        assert!(arrived.is_empty(), "{target}: {reply:?} {arrived:?}");
        for arrival in scene.wiki.arrived() {
            assert_eq!(identity(&arrival)[0], "alice", "{target}: {arrival:?}");
        }
    }
    assert_eq!(scene.front.send(&get("/blog/post")).status, 200, "the plain one is let in");
    assert_eq!(scene.front.send(&with_key(get("/page"), &wiki)).status, 200, "and so is this");
}

#[rstest]
#[tokio::test]
async fn what_servers_may_read_differently_is_told_to_be_that(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:write").await;
    let send = |target: &str| scene.front.send(&with_key(get(target), &key));
    let refused =
        ["/a%2fpage", "/a%5cpage", "/a/%252e%252e/page", "/a/..;x/page", "/BLOG/page", "/blog;x/page", "/a%0apage"];
    let (dots, slashes) = ("/a/%2e%2e/page", "//blog/page");
    let also_refused = if via == Traefik { vec![] } else { vec![dots, slashes] };
    for target in refused.into_iter().chain(also_refused) {
        let reply = send(target);
        assert_eq!(reply.status, 400, "{target}: {reply:?}");
        scene.nothing_arrived(target);
    }
    if via == Traefik {
        // It makes them what they stand for, asks about that, and passes that on.
        assert_eq!(send(dots).status, 200);
        assert_eq!(scene.wiki.arrival().target(), "/page");
        assert_eq!(send(slashes).status, 403, "it is the blog's");
        scene.nothing_arrived("another service");
    }
}
