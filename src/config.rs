//! Every setting, its default, its flag and its environment variable.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use ipnet::IpNet;

use crate::models::key_wish::KeyPolicy;

/// The settings of Latchkey, as `clap` reads them from flags and the environment.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// Where people and keys are kept: a path, sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "latchkey.db")]
    pub database_url: DatabaseUrl,

    /// The address and port to listen on
    #[arg(long, global = true, env = "LATCHKEY_BIND", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:3000")]
    pub bind: SocketAddr,

    /// The public base URL, path included, as browsers see it [default: http:// and the bind address]
    #[arg(long, global = true, env = "LATCHKEY_URL", value_name = "URL")]
    pub url: Option<PublicUrl>,

    /// The key that cookies are encrypted with: 64 characters or more [default: made on first start and kept
    /// beside the SQLite file; required with PostgreSQL]. Better set in the environment than as a flag, which
    /// others on the machine can read
    #[arg(long, global = true, env = "LATCHKEY_SECRET_KEY", value_name = "TEXT", hide_env_values = true)]
    pub secret_key: Option<SecretKey>,

    /// How long a session lasts since the sign-in, such as 30d or 12h; 0: for ever
    #[arg(long, global = true, env = "LATCHKEY_SESSION_LIFETIME", value_name = "SPAN")]
    #[arg(default_value = "30d")]
    pub session_lifetime: Span,

    /// How long a session lasts since it was last used; 0: for ever
    #[arg(long, global = true, env = "LATCHKEY_SESSION_TIMEOUT", value_name = "SPAN")]
    #[arg(default_value = "24h")]
    pub session_timeout: Span,

    /// Proxies whose X-Forwarded-For is believed: addresses or networks, separated by commas
    #[arg(long, global = true, env = "LATCHKEY_TRUSTED_PROXIES", value_name = "NETWORKS")]
    #[arg(value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Whether API access keys work, the one each person can have that may do everything: on or off
    #[arg(long, global = true, env = "LATCHKEY_API_ACCESS_KEYS", value_name = "on|off")]
    #[arg(default_value = "on", action = clap::ArgAction::Set, value_parser = BoolishValueParser::new())]
    pub api_access_keys: bool,

    /// How many access tokens a person may have
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKENS_PER_USER", value_name = "NUMBER")]
    #[arg(default_value = "100")]
    pub access_tokens_per_user: u16,

    /// How long an access token is valid unless something else is chosen, such as 30d; 0: for ever
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKEN_LIFETIME", value_name = "SPAN")]
    #[arg(default_value = "30d")]
    pub access_token_lifetime: Span,

    /// How long an access token may be valid at most; 0: for ever
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKEN_LONGEST_LIFETIME", value_name = "SPAN")]
    #[arg(default_value = "0")]
    pub access_token_longest_lifetime: Span,

    /// A file of TOML in which services stand, read at the start [default: none]
    #[arg(long, global = true, env = "LATCHKEY_SERVICES", value_name = "FILE")]
    pub services: Option<PathBuf>,

    /// The realm that HTTP Basic's challenge names
    #[arg(long, global = true, env = "LATCHKEY_REALM", value_name = "TEXT")]
    #[arg(default_value = "Redmine API", value_parser = parse_realm)]
    pub realm: String,

    /// How long the first use of a key may hold its request up until it is safely written, such as 250ms
    #[arg(long, global = true, env = "LATCHKEY_FIRST_USE_PATIENCE", value_name = "SPAN")]
    #[arg(default_value = "250ms")]
    pub first_use_patience: Span,

    /// The address and port of Prometheus' GET /metrics; keep it from strangers [default: none]
    #[arg(long, global = true, env = "LATCHKEY_METRICS_BIND", value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<SocketAddr>,

    /// What is logged: error, warn, info, debug or trace, or a filter such as latchkey=debug,info
    #[arg(long, global = true, env = "LATCHKEY_LOG", value_name = "FILTER")]
    #[arg(default_value = "info")]
    pub log: String,
}

impl Config {
    /// What holds for everybody's access tokens.
    pub fn key_policy(&self) -> KeyPolicy {
        KeyPolicy {
            most_per_user: self.access_tokens_per_user.into(),
            usual_lifetime: self.access_token_lifetime.limit(),
            longest_lifetime: self.access_token_longest_lifetime.limit(),
        }
    }

    /// The public base URL: the setting, or made from `bound`, the address that is really listened on.
    pub fn public_url(&self, bound: SocketAddr) -> PublicUrl {
        self.url.clone().unwrap_or_else(|| PublicUrl { origin: format!("http://{bound}"), base_path: String::new() })
    }
}

/// Which database, and where.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A libpq connection URL.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return check_postgres(text).map(|()| Self::Postgres(text.to_owned()));
        }
        let path = text.strip_prefix("sqlite://").unwrap_or(text);
        if path.contains("://") {
            return Err("use a path, sqlite://PATH or postgres://…".into());
        }
        let is_keyword = |word: &str| ["host=", "dbname=", "service="].iter().any(|it| word.starts_with(it));
        if path.split_whitespace().any(is_keyword) {
            return Err("write it as a URL: postgres://USER:PASSWORD@HOST/NAME".into());
        }
        if path.is_empty() || path.starts_with(':') || path.starts_with("file:") {
            return Err("name a file: SQLite's in-memory and file: names cannot be shared by connections".into());
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

/// Refuses what libpq would read otherwise than it was meant, or quote in an error: whoever reads that must not see the
/// password.
fn check_postgres(url: &str) -> Result<(), String> {
    let (_, rest) = url.split_once("://").unwrap_or(("", url));
    let (authority, after) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:%".contains(c);
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_host = |host: &str| match host.rsplit_once(':') {
        Some((_, port)) => is_port(port) || host.ends_with(']'),
        None => true,
    };
    let escapes = url.split('%').skip(1).all(|it| it.len() >= 2 && it.bytes().take(2).all(|it| it.is_ascii_hexdigit()));
    let written = user.chars().all(plain) && !after.contains('@') && hosts.split(',').all(is_host);
    let printable = url.chars().all(|c| c.is_ascii_graphic());
    if written && printable && escapes {
        return Ok(());
    }
    Err("use postgres://USER:PASSWORD@HOST[:PORT]/NAME, and write what is special in it as %XX: @ as %40, / as %2F"
        .into())
}

impl fmt::Display for DatabaseUrl {
    /// Without the password, so that it can be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => {
                let (_, rest) = url.split_once("://").unwrap_or(("", url));
                let place = rest.split('?').next().unwrap_or_default();
                write!(f, "postgres://{}", place.rsplit_once('@').map_or(place, |(_, host)| host))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatabaseUrl {
    /// The SQLite file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

/// The address people type: scheme and authority, and the path that everything is mounted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    base_path: String,
}

impl PublicUrl {
    /// Scheme and authority in lower case, without a slash at the end; what browsers send as `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path that everything is mounted under: empty, or `/` and segments without a slash at the end.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Host and port, without the scheme.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Whether browsers reach it by TLS, so that cookies can be kept to that.
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// The address of `path`, which begins with a slash, as links and redirects here name it.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base_path)
    }

    /// The whole address of `path`, for use elsewhere.
    pub fn join(&self, path: &str) -> String {
        format!("{}{}", self.origin, self.path(path))
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "use http://HOST[:PORT][/PATH] or https://…, without a query".to_owned();
        let uri: actix_web::http::Uri = text.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let authority = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(wrong)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "/-._~".contains(c);
        if uri.query().is_some() || !uri.path().chars().all(plain) {
            return Err(wrong());
        }
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        Ok(Self { origin: format!("{scheme}://{authority}"), base_path: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// The text that the cookies' key is derived from; never printed.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    /// The bytes to derive a key from.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() < 64 {
            return Err("at least 64 characters are needed; `openssl rand -hex 32` makes some".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A span of time that can be switched off by 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Option<Duration>);

impl Span {
    /// A span of `duration`.
    pub fn of(duration: Duration) -> Self {
        Self(Some(duration))
    }

    /// The span; `None`: no limit.
    pub fn limit(self) -> Option<chrono::TimeDelta> {
        self.0.and_then(|span| chrono::TimeDelta::from_std(span).ok())
    }

    /// The span, where 0 is a span like others.
    pub fn duration(self) -> Duration {
        self.0.unwrap_or_default()
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self(None));
        }
        let wrong = || "use a number and a unit, such as 30d, 24h, 90m or 45s, or 0".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let milliseconds = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        let number: u32 = digits.trim().parse().map_err(|_| wrong())?;
        let number = Some(number).filter(|number| *number > 0);
        Ok(Self(number.map(|number| Duration::from_millis(u64::from(number) * milliseconds))))
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "use addresses or networks such as 10.0.0.1 or 10.0.0.0/8".to_owned())
}

fn parse_realm(text: &str) -> Result<String, String> {
    let quotable = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    if text.chars().all(quotable) {
        Ok(text.to_owned())
    } else {
        Err("use printable ASCII without quotes or backslashes".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_database_is_named_by_a_path_or_a_url() {
        let sqlite = |path: &str| Ok(DatabaseUrl::Sqlite(path.into()));
        let postgres = |url: &str| Ok(DatabaseUrl::Postgres(url.to_owned()));
        for (text, url) in [
            ("latchkey.db", sqlite("latchkey.db")),
            ("/var/lib/latchkey.db", sqlite("/var/lib/latchkey.db")),
            ("sqlite://data/latchkey.db", sqlite("data/latchkey.db")),
            ("sqlite:///data/latchkey.db", sqlite("/data/latchkey.db")),
            ("postgres://u:p@h/d", postgres("postgres://u:p@h/d")),
            ("postgres://u:p%2Fq@[::1]:5432/d", postgres("postgres://u:p%2Fq@[::1]:5432/d")),
            ("postgres://u@h1:1,h2:2/d", postgres("postgres://u@h1:1,h2:2/d")),
            ("postgresql:///d?host=/run", postgres("postgresql:///d?host=/run")),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>(), url, "{text}");
        }
        for text in ["postgres://u:1/2@h/d", "postgres://u:100%x@h/d", "postgres://u:p@q@h/d", "postgres://u:p h@h/d"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
        for text in ["", ":memory:", "file:x?mode=memory", "sqlite://", "sqlite://:memory:", "mysql://u:p@h/d"] {
            assert!(text.parse::<DatabaseUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_is_what_browsers_make_of_it() {
        for (text, origin, base_path) in [
            ("http://keys.example.org", "http://keys.example.org", ""),
            ("https://Keys.Example.ORG:443/", "https://keys.example.org", ""),
            ("http://keys.example.org:80/a/b/", "http://keys.example.org", "/a/b"),
            ("https://keys.example.org:80", "https://keys.example.org:80", ""),
            ("http://[::1]:3000/latchkey", "http://[::1]:3000", "/latchkey"),
        ] {
            let url: PublicUrl = text.parse().expect(text);
            assert_eq!((url.origin(), url.base_path()), (origin, base_path), "{text}");
            assert_eq!(url.join("/login"), format!("{origin}{base_path}/login"), "{text}");
        }
        for text in
            ["", "keys.example.org", "/latchkey", "ftp://x", "http://", "http://u:p@x", "http://x/?q", "http://x/{a}"]
        {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        let seconds = |seconds| Ok(Span::of(Duration::from_secs(seconds)));
        for (text, span) in [
            ("45s", seconds(45)),
            ("90m", seconds(5400)),
            ("24h", seconds(86400)),
            (" 30d ", seconds(2_592_000)),
            ("4294967295d", seconds(4_294_967_295 * 86400)),
            ("0", Ok(Span(None))),
            ("0s", Ok(Span(None))),
        ] {
            assert_eq!(text.parse::<Span>(), span, "{text}");
        }
        for text in ["", "d", "30", "-1d", "1.5h", "30 days", "30w", "4294967296d", "1dd", "é"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_key_is_long_and_never_printed() {
        assert!("0".repeat(63).parse::<SecretKey>().is_err());
        let key: SecretKey = format!(" {}\n", "0".repeat(64)).parse().expect("a key");
        assert_eq!((key.as_bytes(), format!("{key:?}").as_str()), ("0".repeat(64).as_bytes(), "SecretKey(…)"));
    }

    proptest! {
        #[test]
        fn no_setting_makes_its_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = (text.parse::<DatabaseUrl>(), text.parse::<Span>(), text.parse::<SecretKey>());
            let _ = (parse_network(&text), parse_realm(&text));
            if let Ok(url) = text.parse::<PublicUrl>() {
                let again = url.join("").parse::<PublicUrl>();
                prop_assert_eq!(Ok(&url), again.as_ref());
                prop_assert!(!url.base_path().ends_with('/'));
            }
        }

        #[test]
        fn a_database_is_shown_without_its_password(user in "[a-z]{1,8}", password in "[ -~]{1,20}") {
            let urls = [
                format!("postgres://{user}:{password}@host:5432/name?sslmode=disable"),
                format!("postgres://host:5432/name?user={user}&password={password}"),
            ];
            for text in urls {
                match text.parse::<DatabaseUrl>() {
                    Ok(url) => {
                        prop_assert_eq!(url.to_string(), "postgres://host:5432/name");
                        prop_assert_eq!(format!("{url:?}"), url.to_string());
                    }
                    Err(said) => prop_assert!(said.starts_with("use postgres://USER:PASSWORD@HOST"), "{}", said),
                }
            }
        }

        #[test]
        fn a_realm_that_is_taken_can_be_quoted(realm in "\\PC{0,20}|[ -~]{0,20}") {
            let quotable = realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
            prop_assert_eq!(parse_realm(&realm).is_ok(), quotable);
        }
    }
}
