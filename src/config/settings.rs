//! Every setting, its default, its flag and its environment variable.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use lettre::message::Mailbox;

use super::bind_address::BindAddress;
use super::environment::empty_is_unset;
use super::mail::MailSettings;
use super::per_minute::PerMinute;
use super::public_url::PublicUrl;
use super::secret_key::SecretKey;
use super::security_contact::SecurityContact;
use super::smtp_url::SmtpUrl;
use super::span::{Span, span_or_off, span_within};
use super::start_error::StartError;
use crate::db::url::DatabaseUrl;
use crate::logging::check_filter;

/// The shortest lifetime of a session or an access token. With less, nobody could use what they were given.
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest lifetime, which is also the farthest expiry that can be chosen: 100 years.
pub const LONGEST: Duration = Duration::from_secs(36_525 * 86_400);
/// The shortest time that the audit log is kept. Whoever looks into something that went wrong needs the weeks before.
const SHORTEST_AUDIT: Duration = Duration::from_secs(30 * 86_400);
/// The shortest time without a use after which keys end. Some programs run once a month.
const SHORTEST_UNUSED: Duration = Duration::from_secs(30 * 86_400);
/// The longest that a first use may wait for its write. It leaves the rest of the request some of its 30 seconds.
const LONGEST_PATIENCE: Duration = Duration::from_secs(20);
/// How long an access token is valid unless a setting or a person says otherwise.
const USUAL_LIFETIME: Duration = Duration::from_secs(30 * 86_400);
/// The longest realm. Proxies refuse answers with very long headers.
const LONGEST_REALM: usize = 200;

/// The settings of Latchkey, as `clap` reads them from flags and the environment. An empty variable counts as unset.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Settings", mut_args = empty_is_unset)]
pub struct Config {
    /// The database: a path, sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, global = true, env = "DATABASE_URL", value_name = "URL", hide_env_values = true)]
    #[arg(default_value = "latchkey.db")]
    pub database_url: DatabaseUrl,

    /// The address and port to listen on, such as 0.0.0.0:3000 or localhost:3000
    #[arg(long, global = true, env = "LATCHKEY_BIND", value_name = "ADDRESS:PORT")]
    #[arg(default_value = "127.0.0.1:3000")]
    pub bind: BindAddress,

    /// The public URL, including the path, as browsers see it [default: http:// and the bind address]
    #[arg(long, global = true, env = "LATCHKEY_URL", value_name = "URL")]
    pub url: Option<PublicUrl>,

    /// The key that encrypts cookies: 64 characters or more [default: created at the first start and stored
    /// beside the SQLite file; required with PostgreSQL]. Set it in the environment: others on the machine can read
    /// flags
    #[arg(long, global = true, env = "LATCHKEY_SECRET_KEY", value_name = "TEXT", hide_env_values = true)]
    pub secret_key: Option<SecretKey>,

    /// How long a session lasts after sign-in, such as 30d or 12h; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_SESSION_LIFETIME", value_name = "SPAN")]
    #[arg(default_value = "30d", value_parser = span_within(SHORTEST, LONGEST))]
    pub session_lifetime: Span,

    /// How long a session lasts without being used; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_SESSION_TIMEOUT", value_name = "SPAN")]
    #[arg(default_value = "24h", value_parser = span_within(SHORTEST, LONGEST))]
    pub session_timeout: Span,

    /// Proxies whose X-Forwarded-For is trusted: addresses or networks, separated by commas
    #[arg(long, global = true, env = "LATCHKEY_TRUSTED_PROXIES", value_name = "NETWORKS")]
    #[arg(value_delimiter = ',', value_parser = parse_network)]
    pub trusted_proxies: Vec<IpNet>,

    /// How long a connection without requests stays open; longer than the reverse proxy keeps it, so that it sends no
    /// request into a closed one. 0: every connection is for one request
    #[arg(long, global = true, env = "LATCHKEY_KEEP_ALIVE", value_name = "SPAN")]
    #[arg(default_value = "150s", value_parser = span_within(Duration::ZERO, LONGEST))]
    pub keep_alive: Span,

    /// Whether API access keys work, which can do everything that their owners can: on or off
    #[arg(long, global = true, env = "LATCHKEY_API_ACCESS_KEYS", value_name = "on|off")]
    #[arg(default_value = "on", action = clap::ArgAction::Set, value_parser = parse_switch)]
    pub api_access_keys: bool,

    /// How many access tokens a person may have
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKENS_PER_USER", value_name = "NUMBER")]
    #[arg(default_value = "100")]
    pub access_tokens_per_user: u16,

    /// The default lifetime of an access token, such as 30d; 0: as long as it may have
    /// [default: 30d, or the longest lifetime if that is shorter]
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKEN_LIFETIME", value_name = "SPAN")]
    #[arg(value_parser = span_within(SHORTEST, LONGEST))]
    pub access_token_lifetime: Option<Span>,

    /// The longest lifetime of an access token; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_ACCESS_TOKEN_LONGEST_LIFETIME", value_name = "SPAN")]
    #[arg(default_value = "0", value_parser = span_within(SHORTEST, LONGEST))]
    pub access_token_longest_lifetime: Span,

    /// The limit of requests per minute to Latchkey's own API, for each key and for each password; 0 or off: no limit
    #[arg(long, global = true, env = "LATCHKEY_API_REQUESTS_PER_MINUTE", value_name = "NUMBER|off")]
    #[arg(default_value = "3000")]
    pub api_requests_per_minute: PerMinute,

    /// The most accounts that administrators can create; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_MOST_ACCOUNTS", value_name = "NUMBER")]
    #[arg(default_value = "100000")]
    pub most_accounts: u32,

    /// How long activity is kept, such as 365d; 0: no limit. For each person, at most 1000 events of a kind are kept
    #[arg(long, global = true, env = "LATCHKEY_ACTIVITY_RETENTION", value_name = "SPAN")]
    #[arg(default_value = "365d", value_parser = span_within(SHORTEST, LONGEST))]
    pub activity_retention: Span,

    /// How long the audit log is kept, such as 400d, at least 30d; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_AUDIT_KEPT", value_name = "SPAN")]
    #[arg(default_value = "400d", value_parser = span_within(SHORTEST_AUDIT, LONGEST))]
    pub audit_kept: Span,

    /// How long expired access tokens and ended sessions are kept, such as 30d; 0: no limit
    #[arg(long, global = true, env = "LATCHKEY_EXPIRED_RETENTION", value_name = "SPAN")]
    #[arg(default_value = "30d", value_parser = span_within(SHORTEST, LONGEST))]
    pub expired_retention: Span,

    /// How long a key may go unused before it is suspended, and revoked 30 days later if nobody switches it on again, such
    /// as 180d; off: for ever. Its owner is told 14 days before
    #[arg(long, global = true, env = "LATCHKEY_UNUSED_KEYS", value_name = "SPAN")]
    #[arg(default_value = "off", value_parser = span_or_off(SHORTEST_UNUSED, LONGEST))]
    pub unused_keys: Span,

    /// How long requests with an Idempotency-Key, and forms that created an access token, are remembered, such as 24h; 0: no
    /// limit. For each person, at most 1000 are remembered
    #[arg(long, global = true, env = "LATCHKEY_IDEMPOTENCY_RETENTION", value_name = "SPAN")]
    #[arg(default_value = "24h", value_parser = span_within(SHORTEST, LONGEST))]
    pub idempotency_retention: Span,

    /// A TOML file that defines services and groups, read at startup [default: none]
    #[arg(long, global = true, env = "LATCHKEY_SERVICES", value_name = "FILE")]
    pub services: Option<PathBuf>,

    /// The realm in the challenge of HTTP Basic authentication
    #[arg(long, global = true, env = "LATCHKEY_REALM", value_name = "TEXT")]
    #[arg(default_value = "Redmine API", value_parser = parse_realm)]
    pub realm: String,

    /// How long the first request with a key may wait until its use is stored, such as 250ms
    #[arg(long, global = true, env = "LATCHKEY_FIRST_USE_PATIENCE", value_name = "SPAN")]
    #[arg(default_value = "250ms", value_parser = span_within(Duration::ZERO, LONGEST_PATIENCE))]
    pub first_use_patience: Span,

    /// The folder for a small file that keeps which keys were used for the first time while the database could not be
    /// written, in case Latchkey crashes then [default: the folder of the SQLite file; with PostgreSQL, the
    /// StateDirectory of systemd's unit, otherwise none]
    #[arg(long, global = true, env = "LATCHKEY_STATE_DIR", value_name = "FOLDER")]
    pub state_dir: Option<PathBuf>,

    /// The address and port of GET /metrics for Prometheus; do not make it public [default: none]
    #[arg(long, global = true, env = "LATCHKEY_METRICS_BIND", value_name = "ADDRESS:PORT")]
    pub metrics_bind: Option<BindAddress>,

    /// Whom to tell of a weakness in this installation, for /.well-known/security.txt: a mail address or an https://
    /// address [default: none, and no security.txt]
    #[arg(long, global = true, env = "LATCHKEY_SECURITY_CONTACT", value_name = "CONTACT")]
    pub security_contact: Option<SecurityContact>,

    /// The mail server that mails are sent with: smtps://USER:PASSWORD@HOST, or smtp://HOST:587 with STARTTLS; ?tls=off for
    /// a server without TLS [default: none, and no mail is sent]
    #[arg(long, global = true, env = "LATCHKEY_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<SmtpUrl>,

    /// Whom mails are from, such as keys@example.org or Keys <keys@example.org>; required with LATCHKEY_SMTP_URL
    #[arg(long, global = true, env = "LATCHKEY_MAIL_FROM", value_name = "ADDRESS")]
    #[arg(value_parser = parse_sender)]
    pub mail_from: Option<Mailbox>,

    /// What is logged: error, warn, info, debug, trace or off, or a filter such as latchkey=debug,info
    #[arg(long, global = true, env = "LATCHKEY_LOG", value_name = "FILTER")]
    #[arg(default_value = "info", value_parser = check_filter)]
    pub log: String,
}

impl Config {
    /// The key that cookies are encrypted with.
    ///
    /// # Errors
    /// [`StartError`] if none is set and none can be kept.
    pub fn load_secret_key(&self) -> Result<SecretKey, StartError> {
        super::secret_key::load(self.secret_key.as_ref(), &self.database_url)
    }

    /// The file for first uses that were answered before they were written; `None`: there is no folder for it.
    pub fn unrecorded_file(&self) -> Option<PathBuf> {
        // systemd names the folders of the unit here, separated by colons.
        let of_unit = || std::env::var_os("STATE_DIRECTORY").and_then(|all| std::env::split_paths(&all).next());
        match (&self.state_dir, &self.database_url) {
            (Some(folder), _) => Some(folder.join("latchkey-unrecorded")),
            (None, DatabaseUrl::Sqlite(database)) => {
                let mut beside = database.as_os_str().to_owned();
                beside.push("-unrecorded");
                Some(beside.into())
            }
            (None, DatabaseUrl::Postgres(_)) => of_unit().map(|folder| folder.join("latchkey-unrecorded")),
        }
    }

    /// The public base URL: the setting, or made from `bound`, the address that is really listened on.
    pub fn public_url(&self, bound: SocketAddr) -> PublicUrl {
        match (&self.url, &self.bind) {
            (Some(url), _) => url.clone(),
            (None, BindAddress::Ip(_)) => PublicUrl::at(bound),
            (None, BindAddress::Name(host, _)) => {
                PublicUrl::at(format_args!("{}:{}", host.to_lowercase(), bound.port()))
            }
        }
    }

    /// How mail is sent, with links to `url`; `None`: not at all.
    pub fn mail(&self, url: PublicUrl) -> Option<MailSettings> {
        let (server, from) = self.smtp_url.clone().zip(self.mail_from.clone())?;
        Some(MailSettings { server, from, url })
    }

    /// Whether mail is sent.
    pub fn sends_mail(&self) -> bool {
        self.smtp_url.is_some() && self.mail_from.is_some()
    }

    /// How long an access token is valid unless something else is chosen.
    pub fn usual_token_lifetime(&self) -> Span {
        let longest = self.access_token_longest_lifetime;
        let usual = if longest.is_within(Span::of(USUAL_LIFETIME)) { longest } else { Span::of(USUAL_LIFETIME) };
        self.access_token_lifetime.unwrap_or(usual)
    }

    /// Checks what no setting shows by itself.
    ///
    /// # Errors
    /// [`StartError`] if two settings contradict each other.
    pub fn check(&self) -> Result<(), StartError> {
        if let (Some(server), None) = (&self.smtp_url, &self.mail_from) {
            return Err(StartError(format!(
                "mails to be sent with {server} (LATCHKEY_SMTP_URL) need a sender: set LATCHKEY_MAIL_FROM, such as \
                 keys@example.org"
            )));
        }
        let (usual, longest) = (self.usual_token_lifetime(), self.access_token_longest_lifetime);
        match usual.limit().is_none() || usual.is_within(longest) {
            true => Ok(()),
            false => Err(StartError(format!(
                "the default lifetime of an access token, {usual} (LATCHKEY_ACCESS_TOKEN_LIFETIME), is longer than the \
                 longest, {longest} (LATCHKEY_ACCESS_TOKEN_LONGEST_LIFETIME): change one of them"
            ))),
        }
    }
}

/// Reads a setting that is on or off. What earlier releases took, such as `true`, is still taken.
///
/// # Errors
/// Says what to write instead.
pub fn parse_switch(text: &str) -> Result<bool, &'static str> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "t" | "yes" | "y" | "1" => Ok(true),
        "off" | "false" | "f" | "no" | "n" | "0" => Ok(false),
        _ => Err("use on or off"),
    }
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "use addresses or networks such as 10.0.0.1 or 10.0.0.0/8".to_owned())
}

fn parse_sender(text: &str) -> Result<Mailbox, String> {
    let sender = text.trim().parse::<Mailbox>();
    sender.map_err(|error| format!("use a mail address such as keys@example.org or Keys <keys@example.org> ({error})"))
}

fn parse_realm(text: &str) -> Result<String, String> {
    let quotable = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
    if text.len() <= LONGEST_REALM && text.chars().all(quotable) {
        Ok(text.to_owned())
    } else {
        Err(format!("use printable ASCII without quotes or backslashes, at most {LONGEST_REALM} characters"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_realm_that_is_taken_can_be_quoted(realm in "\\PC{0,20}|[ -~]{0,20}") {
            let quotable = realm.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\');
            prop_assert_eq!(parse_realm(&realm).is_ok(), quotable);
        }

        #[test]
        fn no_setting_makes_its_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = (parse_network(&text), parse_realm(&text), parse_switch(&text));
        }
    }
}
