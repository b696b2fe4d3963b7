//! The real nginx, Caddy, Traefik and Envoy, set up as `docs/forward-auth.md` says, in front of services that remember
//! what arrives.

mod allowed;
mod php;
mod refused;
mod spoofed;
mod strangers;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use latchkey::models::people::user::User;
use latchkey::models::services::settings::Admitted::Everyone;
use latchkey::models::services::settings::ServiceSettings;
use tempfile::TempDir;

use crate::support::daemon::{Daemon, free_port};
use crate::support::proxied::{Reply, Request};
use crate::support::upstream::{Arrival, Upstream};
use crate::support::*;
use Via::*;

/// The host of the examples.
const WIKI: &str = "wiki.example.org";
/// That of another service, behind the same proxy.
const BOARD: &str = "board.example.org";
/// Latchkey's own.
const KEYS: &str = "keys.example.org";
/// What tells a service who sends a request.
const IDENTITY: [&str; 4] = ["X-Latchkey-User", "X-Latchkey-User-Id", "X-Latchkey-Token-Id", "X-Latchkey-Scopes"];

/// What makes some services act on another method or address.
const OVERRIDES: [&str; 7] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Override-Method",
    "X-Method",
    "X-Original-URL",
    "X-Rewrite-URL",
];
/// What a header's name may have beside letters, digits and hyphens (RFC 9110, section 5.6.2).
const PUNCTUATION: &str = "!#$%&'*+.^_`|~";

/// Which proxy stands in front. Where they differ, `docs/forward-auth.md` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
}

/// What the page's blocks are put together to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    /// The blog beside the wiki.
    WithBlog,
    /// And what keeps visitors of Latchkey's host from the questions was left away.
    WithoutBlock,
    /// And `key=` counts for the wiki.
    WithKeyParameter,
    /// The board's host leads to the wiki, too.
    ForSeveralHosts,
}

/// A proxy that runs, with its certificate and its logs.
struct Front {
    port: u16,
    folder: TempDir,
    _running: Daemon,
}

/// Where the proxy finds what it needs.
#[derive(Clone, Copy)]
struct Places<'a> {
    latchkey: &'a str,
    wiki: SocketAddr,
    blog: SocketAddr,
    board: SocketAddr,
}

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/forward-auth.md");
    std::fs::read_to_string(path).expect("the page")
}

/// The blocks of one language in the page.
fn blocks(language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    page().split(&begin).skip(1).map(|rest| rest.split_once("```").expect("the end of a block").0.to_owned()).collect()
}

/// `text` with `new` in place of `old`, which must stand in it.
fn swapped(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} is not in {text}");
    text.replace(old, new)
}

/// The addresses of the page, replaced; the board's are made up here.
fn placed(text: &str, places: Places<'_>) -> String {
    let [wiki, blog, board] = [places.wiki, places.blog, places.board].map(|address| address.to_string());
    let new = [("3000", places.latchkey), ("8080", &wiki), ("8081", &blog), ("8082", &board)];
    new.into_iter().fold(text.to_owned(), |text, (port, address)| {
        let (of_envoy, new_of_envoy) =
            (format!("127.0.0.1, port_value: {port}"), address.replace(':', ", port_value: "));
        text.replace(&format!("127.0.0.1:{port}"), address).replace(&of_envoy, &new_of_envoy)
    })
}

/// What stands in `file` from `start` on, for the board instead of the wiki.
fn for_the_board(file: &str, start: &str) -> String {
    let at = file.find(start).expect("the wiki's part");
    swapped(&swapped(&file[at..], WIKI, BOARD), "127.0.0.1:8080", "127.0.0.1:8082")
}

fn nginx_file(setup: Setup) -> String {
    let [main, address_without_key, location_without_key, blog, keys] =
        blocks("nginx").try_into().expect("five blocks");
    let (rest, end) = main.trim_end().split_at(main.trim_end().len() - 1);
    assert_eq!(end, "}");
    let file = format!("{rest}\n{blog}}}\n");
    let board = for_the_board(&main, "server {\n");
    let file = match setup {
        Setup::WithBlog => file + &board,
        Setup::WithoutBlock => return file + &board + &swapped(&keys, "location /auth/ {", "location /elsewhere/ {"),
        Setup::ForSeveralHosts => swapped(&file, "server_name wiki", "server_name board.example.org wiki"),
        Setup::WithKeyParameter => {
            let location = "    location / {\n        proxy_pass http://127.0.0.1:8080;\n    }\n";
            address_without_key + &swapped(&file, location, &location_without_key) + &board
        }
    };
    file + &keys
}

fn caddyfile(setup: Setup) -> String {
    let [main, without_key, blog, keys] = blocks("caddy").try_into().expect("four blocks");
    let last = "\t\treverse_proxy 127.0.0.1:8080 {\n";
    let site = "wiki.example.org {\n";
    let board = for_the_board(&main, site);
    let file = match setup {
        Setup::WithBlog => swapped(&main, last, &(blog + last)) + &board,
        Setup::WithoutBlock => return main + &board + &swapped(&keys, "respond /auth/* 404", ""),
        Setup::WithKeyParameter => swapped(&main, last, &(without_key + &blog + last)) + &board,
        Setup::ForSeveralHosts => {
            swapped(&swapped(&main, last, &(blog + last)), site, &format!("board.example.org, {site}"))
        }
    };
    file + &keys
}

/// Traefik's own file, and those of the folder that it reads.
fn traefik_files(setup: Setup) -> (String, Vec<(&'static str, String)>) {
    let ([own, mut latchkey, wiki, blog], _) = yaml();
    let board = swapped(&swapped(&wiki, "wiki", "board"), ":8080", ":8082");
    let files = match setup {
        Setup::WithBlog => vec![("wiki.yml", wiki), ("board.yml", board)],
        Setup::WithoutBlock => {
            latchkey = swapped(&latchkey, " && !PathPrefix(`/auth/`)", "");
            vec![("wiki.yml", wiki), ("board.yml", board)]
        }
        Setup::ForSeveralHosts => {
            let hosts = "Host(`board.example.org`) || Host(`wiki.example.org`)";
            vec![("wiki.yml", swapped(&wiki, "Host(`wiki.example.org`)", hosts))]
        }
        Setup::WithKeyParameter => panic!("Traefik takes no parameter out of the query"),
    };
    (own, [files, vec![("latchkey.yml", latchkey), ("blog.yml", blog)]].concat())
}

fn envoy_file(setup: Setup) -> String {
    let (_, [main, route_with_key, blog_route, blog_cluster]) = yaml();
    // What stands from one line on, up to another; nothing stands for the end.
    let part = |from: &str, to: &str| {
        let rest = main.split_once(from).unwrap_or_else(|| panic!("no {from} in {main}")).1;
        from.to_owned() + if to.is_empty() { rest } else { rest.split_once(to).expect("its end").0 }
    };
    let next_host = "                    - name: keys\n";
    let host = part("                    - name: wiki\n", next_host);
    let route = part("                        - match: { prefix: / }\n", next_host);
    let certificate =
        part("                  - certificate_chain: { filename: /etc/ssl/wiki", "                  - cert");
    let cluster = part("    - name: wiki\n      load_assignment:\n", "");
    let wiki_route = match setup {
        Setup::WithBlog | Setup::WithoutBlock => route.clone(),
        Setup::WithKeyParameter => route_with_key,
        Setup::ForSeveralHosts => panic!("Envoy asks about the client's host"),
    };
    let for_the_board = |part: &str| swapped(part, "wiki", "board").replace("8080", "8082");
    let [board, board_certificate, board_cluster] = [&host, &certificate, &cluster].map(|part| for_the_board(part));
    let main = match setup {
        Setup::WithoutBlock => swapped(&main, "match: { prefix: /auth/ }", "match: { prefix: /elsewhere/ }"),
        _ => main.clone(),
    };
    let file = swapped(&main, &host, &(swapped(&host, &route, &(blog_route + &wiki_route)) + &board));
    swapped(&file, &certificate, &(certificate.clone() + &board_certificate)) + &board_cluster + &blog_cluster
}

/// The blocks of Traefik, and those of Envoy.
fn yaml() -> ([String; 4], [String; 4]) {
    let mut traefik = blocks("yaml");
    let envoy = traefik.split_off(4);
    (traefik.try_into().expect("four blocks"), envoy.try_into().expect("four blocks"))
}

impl Front {
    fn start(via: Via, setup: Setup, places: Places<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, place) = (free_port(), folder.path().display().to_string());
        let (placed, log) = (|text: &str| placed(text, places), folder.path().join("proxy.log"));
        if via != Caddy {
            [WIKI, BOARD, KEYS].into_iter().for_each(|host| make_certificate(folder.path(), host));
        }
        let running = match via {
            Nginx => {
                let file = swapped(&placed(&nginx_file(setup)), "listen 443", &format!("listen 127.0.0.1:{port}"));
                let file = swapped(&swapped(&file, "/etc/ssl", &place), "/var/log/nginx", &place);
                nginx::run(port, &file)
            }
            Caddy => caddy::run(port, &[WIKI, BOARD, KEYS], &placed(&caddyfile(setup)), &log),
            Traefik => {
                let (own, files) = traefik_files(setup);
                let own = swapped(&own, "address: :443", &format!("address: 127.0.0.1:{port}"));
                let files = files.into_iter().map(|(name, text)| (name, placed(&text).replace("/etc/ssl", &place)));
                traefik::run(port, KEYS, &own, &files.collect::<Vec<_>>(), &log)
            }
            Envoy => {
                let file = placed(&swapped(&envoy_file(setup), "/etc/ssl", &place));
                let listening = format!("address: 127.0.0.1, port_value: {port}");
                envoy::run(port, &swapped(&file, "address: 0.0.0.0, port_value: 443", &listening), &log)
            }
        };
        Self { port, folder, _running: running }
    }

    /// `None`: the proxy answers nothing that could be read.
    fn try_send(&self, request: &Request) -> Option<Reply> {
        self.try_send_to(WIKI, request)
    }

    /// With a handshake that names `server`.
    fn try_send_to(&self, server: &str, request: &Request) -> Option<Reply> {
        request.send(self.port, server)
    }

    fn send(&self, request: &Request) -> Reply {
        self.try_send(request).unwrap_or_else(|| panic!("no answer to {request:?}"))
    }

    /// All that it has logged so far.
    fn logs(&self) -> String {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder").map(|file| file.expect("a file").path());
        let logs = files.filter(|path| path.extension().is_some_and(|it| it == "log"));
        logs.map(|path| std::fs::read_to_string(path).expect("a log")).collect()
    }
}

fn make_certificate(folder: &Path, host: &str) {
    let mut command = Command::new("openssl");
    let command = command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    let command = command.args(["-subj", &format!("/CN={host}"), "-addext", &format!("subjectAltName=DNS:{host}")]);
    let command = command.args(["-days", "30"]);
    let command = command.arg("-out").arg(folder.join(format!("{host}.pem")));
    let command = command.arg("-keyout").arg(folder.join(format!("{host}.key"))).stderr(Stdio::null());
    assert!(command.status().expect("openssl, which bin/test installs").success());
}

/// Everything: Latchkey, a proxy that asks it, two services on one host, and one on another.
struct Scene {
    site: Site,
    front: Front,
    wiki: Upstream,
    blog: Upstream,
    board: Upstream,
    alice: User,
}

impl Scene {
    async fn start(db: Db, via: Via) -> Self {
        Self::set_up(db, via, Setup::WithBlog).await
    }

    async fn set_up(db: Db, via: Via, setup: Setup) -> Self {
        let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1", "--url=https://keys.example.org"]).await;
        let (wiki, blog, board) = (Upstream::start(), Upstream::start(), Upstream::start());
        let latchkey = site.url.strip_prefix("http://").expect("an address");
        let places = Places { latchkey, wiki: wiki.address, blog: blog.address, board: board.address };
        let front = Front::start(via, setup, places);
        let alice = site.add_passwordless_user("alice").await;
        add_services(&site).await;
        Self { site, front, wiki, blog, board, alice }
    }

    /// Alice's key with these scopes.
    async fn key(&self, scopes: &str) -> Key {
        self.site.add_access_token(&self.alice, scopes, "30d").await
    }

    fn set_service(&self, name: &str, set: &str) {
        self.site.database.execute(&format!("UPDATE services SET {set} WHERE name = '{name}'"));
    }

    /// Another proxy before the same services, which asks at `latchkey`.
    fn front_asking(&self, latchkey: &str, via: Via, setup: Setup) -> Front {
        let [wiki, blog, board] = [&self.wiki, &self.blog, &self.board].map(|service| service.address);
        Front::start(via, setup, Places { latchkey, wiki, blog, board })
    }

    /// Asserts that no service has seen anything.
    fn nothing_arrived(&self, why: &str) {
        let arrived = [self.wiki.arrived(), self.blog.arrived(), self.board.arrived()].concat();
        assert!(arrived.is_empty(), "{why}: {arrived:?}");
    }
}

/// Everyone may read and write the wiki and the board. Whoever wants may read the blog, and nobody writes it.
async fn add_services(site: &Site) {
    let at = |host: &str| ServiceSettings::new("A service".to_owned(), host);
    let for_everyone = |host| ServiceSettings { readers: Everyone, writers: Everyone, ..at(host) };
    site.add_service("wiki", for_everyone(WIKI)).await;
    site.add_service("board", for_everyone(BOARD)).await;
    let blog = ServiceSettings { path: "/blog".to_owned(), anonymous_reads: true, readers: Everyone, ..at(WIKI) };
    site.add_service("blog", blog).await;
}

/// A request of a program for the wiki.
fn get(target: &str) -> Request {
    Request::get(WIKI, target)
}

/// With a key where `X-API-Key` has it.
fn with_key(request: Request, key: &Key) -> Request {
    request.with("X-API-Key", &key.secret)
}

/// Who a service is told that a request is from; what is empty or not there is nobody's.
fn identity(arrival: &Arrival) -> [String; 4] {
    IDENTITY.map(|name| {
        let values = arrival.values(name);
        assert!(values.len() < 2, "{name} twice: {arrival:?}");
        values.first().copied().unwrap_or_default().to_owned()
    })
}

/// Of nobody.
fn anonymous() -> [String; 4] {
    Default::default()
}

/// The value of `Authorization` with this user name and some password.
fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}")))
}
