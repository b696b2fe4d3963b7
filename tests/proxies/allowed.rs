//! What is let in, and how it arrives.

use std::process::Command;

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;
use crate::support::database::TestDatabase;
use crate::support::relay::Relay;

/// All that Latchkey reads a key from, or acts on.
const CREDENTIALS: [&str; 4] = ["Authorization", "X-API-Key", "X-Redmine-API-Key", "X-Redmine-Switch-User"];

/// The service's cookies, as they arrive.
fn cookies(arrival: &Arrival) -> Vec<&str> {
    let all = arrival.values("Cookie").into_iter().flat_map(|line| line.split(';'));
    all.map(str::trim).filter(|cookie| !cookie.is_empty()).collect()
}

#[rstest]
#[tokio::test]
async fn a_request_arrives_with_who_sends_it_and_without_the_key(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let key = scene.key("service:wiki:read").await;
    let ids = [scene.alice.id.to_string(), key.id.to_string()];
    let ways = [
        ("Authorization", format!("Bearer {}", key.secret)),
        ("AUTHORIZATION", basic(&key.secret, "any password")),
        ("x-api-key", key.secret.clone()),
        ("X-Redmine-API-Key", key.secret.clone()),
    ];
    assert_eq!(scene.site.recorded_use(&key), None);
    // Traefik decodes what need not be encoded.
    let path = if via == Traefik { "/pAge/%C3%A4" } else { "/p%41ge/%C3%A4" };
    for (name, value) in ways {
        let request = get("/p%41ge/%C3%A4?y=1&key=theirs&z=%20+").with(name, value);
        let request = request.with("X-Redmine-Switch-User", "bob").with("X-Other", "kept");
        let reply = scene.front.send(&request);
        assert_eq!((reply.status, reply.text.as_str()), (200, "the service\n"), "{name}");
        let arrival = scene.wiki.arrival();
        assert_eq!(arrival.line, format!("GET {path}?y=1&key=theirs&z=%20+ HTTP/1.1"));
        assert_eq!(identity(&arrival), ["alice", &ids[0], &ids[1], "service:wiki:read"], "{name}");
        assert_eq!((arrival.values("Host"), arrival.values("X-Other")), (vec![WIKI], vec!["kept"]));
        for gone in CREDENTIALS {
            assert!(arrival.values(gone).is_empty(), "{gone} in {arrival:?}");
        }
        assert!(!arrival.shows(&key.secret), "{arrival:?}");
    }
    assert!(scene.site.recorded_use(&key).is_some(), "it has been used");
    assert!(scene.blog.arrived().is_empty());
}

#[rstest]
#[tokio::test]
async fn writing_needs_a_key_that_may(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let key = scene.key("service:wiki:write").await;
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        let request = with_key(get("/page"), &key).sending(method, "what is new");
        assert_eq!(scene.front.send(&request).status, 200, "{method}");
        let arrival = scene.wiki.arrival();
        assert_eq!(arrival.line, format!("{method} /page HTTP/1.1"));
        assert_eq!((arrival.body.as_slice(), identity(&arrival)[0].as_str()), (&b"what is new"[..], "alice"));
    }
}

#[rstest]
#[tokio::test]
async fn whoever_wants_reads_what_anybody_may_read(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(scene.front.send(&get("/blog/post").sending(method, "")).status, 200, "{method}");
        let arrival = scene.blog.arrival();
        assert_eq!((arrival.target(), identity(&arrival)), ("/blog/post", anonymous()), "{method}");
        // Nginx sends no header that is empty.
        let told: &[&str] = if via == Nginx { &[] } else { &[""] };
        assert!(IDENTITY.iter().all(|name| arrival.values(name) == told), "{method}: {arrival:?}");
    }
    assert_eq!(scene.front.send(&get("/blog/post").sending("POST", "spam")).status, 401);
    let wrong = get("/blog/post").with("X-API-Key", "not-a-key-at-all");
    assert_eq!(scene.front.send(&wrong).status, 401, "a wrong key is not the same as none");
    scene.nothing_arrived("neither may");

    let key = scene.key("service:blog:read").await;
    assert_eq!(scene.front.send(&with_key(get("/blog/post"), &key)).status, 200);
    assert_eq!(identity(&scene.blog.arrival())[0], "alice", "who shows a key is told all the same");
}

/// "Latchkey's own cookies by name (leaving the service's alone)".
#[rstest]
#[tokio::test]
async fn the_cookies_of_the_service_arrive_and_no_others(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:read").await;
    let cases: [(&[&str], &[&str]); 13] = [
        (&["theme=dark; page=2"], &["theme=dark", "page=2"]),
        (&["latchkey=OURS"], &[]),
        (&["__Host-latchkey=OURS"], &[]),
        (&["theme=dark; latchkey=OURS"], &["theme=dark"]),
        (&["latchkey=OURS; theme=dark"], &["theme=dark"]),
        (&["theme=dark; latchkey=OURS; page=2"], &["theme=dark", "page=2"]),
        (&["theme=dark;latchkey=OURS;page=2"], &["theme=dark", "page=2"]),
        (&["theme=dark; latchkey=OURS; latchkey=OURS2; page=2"], &["theme=dark", "page=2"]),
        (&["latchkey=OURS; theme=dark; latchkey=OURS2"], &["theme=dark"]),
        (&["latchkey=OURS; theme=dark; __Host-latchkey=OURS2; page=2"], &["theme=dark", "page=2"]),
        (&["latchkey = OURS; theme=a=b"], &["theme=a=b"]),
        (&["theme=dark; latchkey=OURS", "__Host-latchkey=OURS2; page=2"], &["theme=dark", "page=2"]),
        (
            &["xlatchkey=1; latchkey2=2; __Host-latchkeys=3; Latchkey=4; a=latchkey"],
            &["xlatchkey=1", "latchkey2=2", "__Host-latchkeys=3", "Latchkey=4", "a=latchkey"],
        ),
    ];
    for (sent, arrives) in cases {
        let request = sent.iter().fold(with_key(get("/"), &key), |request, line| request.with("Cookie", *line));
        assert_eq!(scene.front.send(&request).status, 200);
        let arrival = scene.wiki.arrival();
        assert_eq!(cookies(&arrival), arrives, "{sent:?}");
        assert!(!arrival.shows("OURS"), "{sent:?}: {arrival:?}");
    }
    let many = "a=1; latchkey=OURS; b=2; latchkey=OURS; c=3; __Host-latchkey=OURS; d=4; latchkey=OURS";
    assert_eq!(scene.front.send(&with_key(get("/"), &key).with("Cookie", many)).status, 200);
    assert!(!scene.wiki.arrival().shows("OURS"));
}

#[rstest]
#[tokio::test]
async fn a_key_in_the_address_is_good_where_it_counts_and_goes_no_further(
    #[values(Nginx, Caddy, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::set_up(db, via, Setup::WithKeyParameter).await;
    scene.set_service("wiki", "key_parameter = TRUE");
    let key = scene.key("service:wiki:read").await;
    let encoded = key.secret.replacen('_', "%5f", 1);
    let cases = [
        ("/page?key=KEY", "/page"),
        ("/page?key=KEY&x=1", "/page?x=1"),
        ("/page?x=1&key=KEY", "/page?x=1"),
        ("/page?x=1&key=ENCODED&y=2", "/page?x=1&y=2"),
        ("/p%41ge?monkey=key&key=KEY&x=%41%26+&y", "/p%41ge?monkey=key&x=%41%26+&y"),
        ("/page?x={env.HOME}&key=KEY&y=%7Benv.HOME%7D", "/page?x={env.HOME}&y=%7Benv.HOME%7D"),
        ("/page?key=KEY&a=?b/../c", "/page?a=?b/../c"),
        // What else has the same text in it is the service's.
        ("/page?key=KEY&monkey=KEY&x=1", "/page?monkey=KEY&x=1"),
        ("/page?monkey=KEY&key=KEY&x=1", "/page?monkey=KEY&x=1"),
    ];
    for (sent, arrives) in cases {
        let [sent, arrives] = [sent, arrives].map(|it| it.replace("KEY", &key.secret).replace("ENCODED", &encoded));
        let reply = scene.front.send(&get(&sent));
        assert_eq!(reply.status, 200, "{sent}: {reply:?}");
        let arrival = scene.wiki.arrival();
        assert_eq!((arrival.target(), identity(&arrival)[0].as_str()), (arrives.as_str(), "alice"), "{sent}");
    }
    for twice in ["/page?key=KEY&key=KEY", "/page?key=&key=KEY", "/page?key=KEY&x=1&key=", "/page?key=x&key=KEY"] {
        let sent = twice.replace("KEY", &key.secret);
        assert_eq!(scene.front.send(&get(&sent)).status, 400, "{twice}");
        scene.nothing_arrived(twice);
    }
    for none in ["/page?Key=KEY", "/page?k%65y=KEY", "/page?key[]=KEY", "/page?x=1;key=KEY", "/page?key"] {
        let sent = none.replace("KEY", &key.secret);
        assert_eq!(scene.front.send(&get(&sent)).status, 401, "{none}");
        scene.nothing_arrived(none);
    }

    // A path that would be another one without it.
    for path in ["/a/.key=KEY&./page", "/a/.&key=KEY./page", "/a/.key=KEY./page"] {
        for query in ["key=KEY", "key=KEY&x=1", "x=1&key=KEY"] {
            let [path, query] = [path, query].map(|it| it.replace("KEY", &key.secret));
            let reply = scene.front.send(&get(&format!("{path}?{query}")));
            for arrival in scene.wiki.arrived() {
                let arrived = arrival.target().split('?').next();
                assert_eq!((reply.status, arrived), (200, Some(path.as_str())), "{query}");
            }
        }
    }

    scene.set_service("wiki", "key_parameter = FALSE");
    assert_eq!(scene.front.send(&get(&format!("/page?key={}", key.secret))).status, 401);
    scene.nothing_arrived("it does not count");
}

/// What curl is told by `--write-out`, after the body.
fn curl(front: &Front, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    let [wiki, keys] = [WIKI, KEYS].map(|host| format!("{host}:{}:127.0.0.1", front.port));
    let command = command.args(["--silent", "--insecure", "--noproxy", "*", "--http2"]);
    let command = command.args(["--resolve", &wiki, "--resolve", &keys]);
    let command = command.args(["--write-out", "HTTP/%{http_version} %{http_code}", "--output", "/dev/null"]);
    let output = command.args(arguments).output().expect("curl");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[rstest]
#[tokio::test]
async fn http_2_is_asked_about_alike(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:write").await;
    let url = format!("https://{WIKI}:{}/page?x=1", scene.front.port);
    let header = format!("X-API-Key: {}", key.secret);
    let forged = ["-H", "x-latchkey-user: root", "-H", "x_latchkey_user: root", "-H", "X-Latchkey_Scopes: all"];
    assert_eq!(curl(&scene.front, &[&forged[..], &[&url]].concat()), "HTTP/2 401");
    scene.nothing_arrived("without a key");

    let cookies_sent = ["-H", "Cookie: latchkey=OURS; theme=dark; page=2"];
    let answer = curl(&scene.front, &[&forged[..], &cookies_sent, &["-H", &header, &url]].concat());
    assert_eq!(answer, "HTTP/2 200");
    let arrival = scene.wiki.arrival();
    assert_eq!((arrival.target(), identity(&arrival)[0].as_str()), ("/page?x=1", "alice"));
    assert_eq!(cookies(&arrival), ["theme=dark", "page=2"]);
    assert!(!arrival.shows(&key.secret) && !arrival.shows("root"), "{arrival:?}");

    let board = scene.key("service:board:write").await;
    let (header, host) = (format!("X-API-Key: {}", board.secret), format!("Host: {BOARD}"));
    curl(&scene.front, &["-H", &header, "-H", &host, &url]);
    assert!(scene.wiki.arrived().is_empty(), "a key for another service, of another host");
}

#[rstest]
#[tokio::test]
async fn a_large_body_arrives_whole_and_latchkey_does_not_see_it(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    let key = scene.key("service:wiki:write").await;
    let relay = Relay::to(scene.site.url.strip_prefix("http://").expect("an address"));
    let front = scene.front_asking(&relay.address.to_string(), via, Setup::WithBlog).await;
    let body: Vec<u8> = (0..5 << 20).map(|at: u32| (at ^ (at >> 8)) as u8).collect();

    let request = with_key(get("/file?x=1"), &key).with("Cookie", "theme=dark");
    assert_eq!(front.send(&request.sending("PUT", body.clone())).status, 200);
    assert!(scene.wiki.arrival().body == body, "another body");

    let file = front.folder.path().join("body");
    std::fs::write(&file, &body).expect("a file");
    let (upload, url) = (format!("@{}", file.display()), format!("https://{WIKI}:{}/file", front.port));
    let header = format!("X-API-Key: {}", key.secret);
    for more in [&[][..], &["-H", "Transfer-Encoding: chunked", "--http1.1"]] {
        let arguments = [&["-X", "PUT", "-H", &header, "--data-binary", &upload, &url], more].concat();
        assert!(curl(&front, &arguments).ends_with(" 200"), "{more:?}");
        assert!(scene.wiki.arrival().body == body, "another body: {more:?}");
    }
    let asked = String::from_utf8_lossy(&relay.passed()).to_ascii_lowercase();
    let question = match via {
        Nginx => "get /auth/nginx http/1.1",
        Caddy | Traefik => "get /auth/forwarded http/1.1",
        Envoy => "put /auth/envoy/file",
    };
    assert_eq!(asked.matches(question).count(), 3, "{asked}");
    assert!(asked.len() < 5000, "only that: {asked}");
    // Who cannot take one cookie away asks for those that are not ours.
    assert_eq!(asked.contains("theme=dark"), via == Traefik, "{asked}");
}

/// So that a key's page says from where it was used, and not from where Latchkey was asked.
#[rstest]
#[tokio::test]
async fn latchkey_is_told_who_the_client_is(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let scene = Scene::start(db, via).await;
    let key = scene.key("service:wiki:read").await;
    let (url, header) = (format!("https://{WIKI}:{}/page", scene.front.port), format!("X-API-Key: {}", key.secret));
    let forged = "X-Forwarded-For: 192.0.2.1";
    let from = ["--interface", "127.9.8.7", "--user-agent", "A Client/1.0"];
    assert_eq!(curl(&scene.front, &[&from[..], &["-H", &header, "-H", forged, &url]].concat()), "HTTP/2 200");
    scene.site.flush().await;
    let uses = "SELECT count(*) AS number FROM service_uses";
    let whose = format!("token_id = {} AND address = '127.9.8.7' AND agent = 'A Client/1.0'", key.id);
    assert_eq!(scene.site.database.number(&format!("{uses} WHERE {whose}")), 1);
    assert_eq!(scene.wiki.arrival().values("X-Forwarded-For"), ["127.9.8.7"]);
    // A key with networks works from there, and not from the address that a client makes up.
    let limit = format!("UPDATE tokens SET networks = '127.9.8.0/28 192.0.2.0/24' WHERE id = {}", key.id);
    scene.site.database.execute(&limit);
    assert_eq!(curl(&scene.front, &[&from[..], &["-H", &header, "-H", forged, &url]].concat()), "HTTP/2 200");
    scene.wiki.arrival();
    let elsewhere = ["--interface", "127.9.8.99", "-H", &header, "-H", forged, &url];
    assert_eq!(curl(&scene.front, &elsewhere), "HTTP/2 401");
    scene.nothing_arrived("it comes from elsewhere");
}

/// What is taken from requests for services stays with those for Latchkey's own pages.
#[rstest]
#[tokio::test]
async fn people_sign_in_on_the_host_of_latchkey(#[values(Nginx, Caddy, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    scene.site.add_user("bob").await;
    let cookies = scene.front.folder.path().join("cookies").display().to_string();
    let ask = |path: &str, more: &[&str]| {
        let url = format!("https://{KEYS}:{}{path}", scene.front.port);
        curl(&scene.front, &[&["--cookie", &cookies, "--cookie-jar", &cookies, &url], more].concat())
    };
    assert_eq!(ask("/my/account", &[]), "HTTP/2 302", "to the form");
    let form = format!("username=bob&password={PASSWORD}");
    assert_eq!(ask("/login", &["--data", &form, "--header", "Sec-Fetch-Site: same-origin"]), "HTTP/2 303");
    assert_eq!(ask("/my/account", &[]), "HTTP/2 200");
    let key = scene.site.add_key(&scene.alice, TokenAction::Api).await;
    let header = format!("X-Redmine-API-Key: {}", key.secret);
    assert_eq!(ask("/users/current.json", &["--header", &header]), "HTTP/2 200", "and programs use the API");
    scene.nothing_arrived("it is for no service");
}

/// Which a browser looks at before it sends anything.
#[rstest]
#[tokio::test]
async fn each_host_shows_the_certificate_that_it_was_given(#[values(Nginx, Traefik, Envoy)] via: Via) {
    let scene = Scene::start(Sqlite, via).await;
    for host in [WIKI, BOARD, KEYS] {
        let file = scene.front.folder.path().join(format!("{host}.pem"));
        let (url, place) =
            (format!("https://{host}:{}/", scene.front.port), format!("{host}:{}:127.0.0.1", scene.front.port));
        let mut command = Command::new("curl");
        let command = command.args(["--silent", "--noproxy", "*", "--resolve", &place, &url]).arg("--cacert").arg(file);
        let output = command.output().expect("curl");
        assert!(output.status.success(), "{host}: {output:?}");
    }
}

/// The commands of the page, one after the other, as somebody types them.
fn commands() -> String {
    let page = page();
    let lines = page.lines().map(str::trim_start).zip(page.lines());
    let typed = lines.filter(|(line, whole)| whole.starts_with("    ") && is_command(line)).map(|(line, _)| line);
    typed.collect::<Vec<_>>().join("\n")
}

fn is_command(line: &str) -> bool {
    ["latchkey ", "KEY=", "curl "].iter().any(|start| line.starts_with(start))
}

#[rstest]
#[tokio::test]
async fn the_page_works_from_its_beginning(
    #[values(Nginx, Caddy, Traefik, Envoy)] via: Via,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let database = TestDatabase::migrated(db);
    let latchkey = CommandLine::on(&database).with("LATCHKEY_SECRET_KEY", &"k".repeat(64));
    latchkey.add_user("alice", PASSWORD);
    let process = Process::serve(&latchkey, &["--trusted-proxies=127.0.0.1,::1"]);
    let [wiki, blog, board] = [Upstream::start(), Upstream::start(), Upstream::start()];
    let ours = process.url.strip_prefix("http://").expect("an address");
    let places = Places { latchkey: ours, wiki: wiki.address, blog: blog.address, board: board.address };
    let front = Front::start(via, Setup::WithBlog, places).await;

    // Where the names of the page lead.
    let home = front.folder.path();
    let place = format!("{WIKI}:443:127.0.0.1:{}", front.port);
    std::fs::write(home.join(".curlrc"), format!("insecure\nsilent\nnoproxy=*\nconnect-to={place}\n")).expect("a file");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_latchkey"), home.join("latchkey")).expect("a link");
    let path = format!("{}:{}", home.display(), std::env::var("PATH").expect("a path"));
    let mut shell = Command::new("sh");
    let shell = shell.args(["-euc", &(commands() + "\necho \"$KEY\"")]).env("CURL_HOME", home).env("PATH", path);
    let shell = shell.env("DATABASE_URL", database.setting()).env("LATCHKEY_SECRET_KEY", "k".repeat(64));
    let output = shell.output().expect("a shell");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let key = printed.lines().last().expect("the key").to_owned();
    log::note_secret(&key);
    assert!(output.status.success() && printed.contains("the service"), "{output:?}");
    let arrival = wiki.arrival();
    assert_eq!((arrival.target(), identity(&arrival)[0].as_str()), ("/page", "alice"));
    assert!(!arrival.shows(&key));
}
