//! The real nginx, Caddy, Traefik and Envoy, set up as the pages of services and `docs/forward-auth.md` say, in front of
//! services that remember what arrives.

mod allowed;
mod part_of_a_host;
mod php;
mod refused;
mod spoofed;
mod strangers;

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use latchkey::models::people::user::User;
use latchkey::models::services::admitted::Admitted::Everyone;
use latchkey::models::services::settings::ServiceSettings;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::support::daemon::{Daemon, free_port};
use crate::support::proxied::{Reply, Request};
use crate::support::proxy_settings::Given;
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

/// Which proxy stands in front, in the order of `PROXIES`. Where they differ, `docs/forward-auth.md` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Nginx,
    Caddy,
    Traefik,
    Envoy,
}

/// What the blocks are put together to.
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

/// The settings as the pages of services give them out, which are those of the page: see `pages::proxy_settings`.
async fn given() -> &'static Given {
    static GIVEN: OnceCell<Given> = OnceCell::const_new();
    GIVEN.get_or_init(Given::by_a_site).await
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
            (format!("\"127.0.0.1\", port_value: {port}"), format!("\"{}", address.replace(':', "\", port_value: ")));
        text.replace(&format!("127.0.0.1:{port}"), address).replace(&of_envoy, &new_of_envoy)
    })
}

impl Given {
    /// The blocks for this proxy and setup: those of the wiki, and those of the board.
    fn blocks(&self, via: Via, setup: Setup) -> (&[String], Vec<String>) {
        let of_wiki = if setup == Setup::WithKeyParameter { &self.wiki_with_key } else { &self.wiki_and_blog };
        // Each host counts its services by itself.
        let of_board = self.board[via as usize].iter().map(|block| block.replace("8080", "8082"));
        (&of_wiki[via as usize], of_board.collect())
    }

    /// The files of a proxy, that which it is started with first.
    fn files(&self, via: Via, setup: Setup) -> Vec<(&'static str, String)> {
        match via {
            Nginx => vec![("nginx.conf", self.nginx_file(setup))],
            Caddy => vec![("Caddyfile", self.caddyfile(setup))],
            Traefik => self.traefik_files(setup),
            Envoy => vec![("envoy.yaml", self.envoy_file(setup))],
        }
    }

    fn nginx_file(&self, setup: Setup) -> String {
        let (wiki, board) = self.blocks(Nginx, setup);
        let [once, host] = wiki else { panic!("two files: {wiki:?}") };
        match setup {
            Setup::WithBlog | Setup::WithKeyParameter => [once, host, &board[1]].map(String::as_str).join("\n"),
            Setup::WithoutBlock => {
                let once = swapped(once, "location /auth/ {", "location /elsewhere/ {");
                [&once, host, &board[1]].map(String::as_str).join("\n")
            }
            Setup::ForSeveralHosts => {
                once.clone() + "\n" + &swapped(host, "server_name wiki", "server_name board.example.org wiki")
            }
        }
    }

    fn caddyfile(&self, setup: Setup) -> String {
        let (wiki, board) = self.blocks(Caddy, setup);
        let [once, host] = wiki else { panic!("two parts: {wiki:?}") };
        match setup {
            Setup::WithBlog | Setup::WithKeyParameter => [once, host, &board[1]].map(String::as_str).join("\n"),
            Setup::WithoutBlock => {
                let once = swapped(once, "respond /auth/* 404", "");
                [&once, host, &board[1]].map(String::as_str).join("\n")
            }
            Setup::ForSeveralHosts => {
                let site = "wiki.example.org {\n";
                once.clone() + "\n" + &swapped(host, site, &format!("board.example.org, {site}"))
            }
        }
    }

    /// Traefik's own file, and those of the folder that it reads.
    fn traefik_files(&self, setup: Setup) -> Vec<(&'static str, String)> {
        let (wiki, board) = self.blocks(Traefik, setup);
        let [own, latchkey, wiki] = wiki else { panic!("three files: {wiki:?}") };
        let (wiki, latchkey) = match setup {
            Setup::WithBlog => (wiki.clone(), latchkey.clone()),
            Setup::WithoutBlock => (wiki.clone(), swapped(latchkey, " && !PathPrefix(`/auth/`)", "")),
            Setup::ForSeveralHosts => {
                let hosts = "Host(`board.example.org`) || Host(`wiki.example.org`)";
                (swapped(wiki, "Host(`wiki.example.org`)", hosts), latchkey.clone())
            }
            Setup::WithKeyParameter => panic!("Traefik takes no parameter out of the query"),
        };
        let board = (setup != Setup::ForSeveralHosts).then(|| ("board.yml", board[2].clone()));
        let blog = self.blog[Traefik as usize][2].clone();
        let all = [("traefik.yml", own.clone()), ("wiki.yml", wiki), ("latchkey.yml", latchkey), ("blog.yml", blog)];
        all.into_iter().chain(board).collect()
    }

    /// The file of the wiki's host, with the parts of the board in it.
    fn envoy_file(&self, setup: Setup) -> String {
        let (wiki, board) = self.blocks(Envoy, setup);
        let [file, certificate, host, clusters] = wiki else { panic!("a file and three parts: {wiki:?}") };
        assert!(setup != Setup::ForSeveralHosts, "Envoy asks about the client's host");
        let with_parts = [certificate, host, clusters].into_iter().zip(&board[1..]);
        let file =
            with_parts.fold(file.clone(), |file, (part, other)| swapped(&file, part, &format!("{part}\n{other}")));
        match setup {
            Setup::WithoutBlock => swapped(&file, "match: { prefix: /auth/ }", "match: { prefix: /elsewhere/ }"),
            _ => file,
        }
    }
}

impl Front {
    async fn start(via: Via, setup: Setup, places: Places<'_>) -> Self {
        Self::with(via, given().await.files(via, setup), "/", places)
    }

    /// With `files`, the first of which the proxy is started with; Latchkey has a page at `home`.
    fn with(via: Via, mut files: Vec<(&'static str, String)>, home: &str, places: Places<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (port, place) = (free_port(), folder.path().display().to_string());
        let log = folder.path().join("proxy.log");
        if via != Caddy {
            [WIKI, BOARD, KEYS].into_iter().for_each(|host| make_certificate(folder.path(), host));
        }
        files.iter_mut().for_each(|(_, text)| *text = placed(text, places).replace("/etc/ssl", &place));
        let (_, main) = files.remove(0);
        let running = match via {
            Nginx => {
                let file = swapped(&main, "listen 443", &format!("listen 127.0.0.1:{port}"));
                nginx::run(port, &swapped(&file, "/var/log/nginx", &place))
            }
            Caddy => {
                let hosts = [WIKI, BOARD, KEYS].into_iter().filter(|host| main.contains(&format!("{host} {{")));
                caddy::run(port, &hosts.collect::<Vec<_>>(), &main, &log)
            }
            Traefik => {
                let own = swapped(&main, "address: :443", &format!("address: 127.0.0.1:{port}"));
                traefik::run(port, &Request::get(KEYS, home), &own, &files, &log)
            }
            Envoy => {
                let listening = format!("address: 127.0.0.1, port_value: {port}");
                envoy::run(port, &swapped(&main, "address: 0.0.0.0, port_value: 443", &listening), &log)
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
        let front = Front::start(via, setup, places).await;
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
    async fn front_asking(&self, latchkey: &str, via: Via, setup: Setup) -> Front {
        let [wiki, blog, board] = [&self.wiki, &self.blog, &self.board].map(|service| service.address);
        Front::start(via, setup, Places { latchkey, wiki, blog, board }).await
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
