//! The mail server that Latchkey sends with: `LATCHKEY_SMTP_URL`.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// The port of `smtps://`, where TLS begins at once (RFC 8314, section 3.3).
const SUBMISSIONS: u16 = 465;
/// The port of `smtp://`, where STARTTLS begins it (RFC 6409).
const SUBMISSION: u16 = 587;

/// A mail server, and how it is talked to. Its `Debug` and `Display` outputs leave the password out.
#[derive(Clone)]
pub struct SmtpUrl {
    /// The host name or address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the connection is protected.
    pub protection: Protection,
    /// The user name and the password; `None`: nobody signs in.
    pub login: Option<SmtpLogin>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the beginning.
    Tls,
    /// TLS after STARTTLS. A server without it is not talked to.
    StartTls,
    /// None at all, as `?tls=off` says.
    Off,
}

/// A user name and password for a mail server.
#[derive(Clone)]
pub struct SmtpLogin {
    /// The user name.
    pub username: String,
    password: SecretString,
}

impl SmtpLogin {
    /// The password.
    pub fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

impl FromStr for SmtpUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write smtps://USER:PASSWORD@HOST or smtp://HOST:587";
        let url = Url::parse(text.trim()).map_err(|error| format!("it is no address ({error}): {example}"))?;
        let (port, usual) = match url.scheme() {
            "smtps" => (SUBMISSIONS, Protection::Tls),
            "smtp" => (SUBMISSION, Protection::StartTls),
            _ => return Err(format!("it has to begin with smtps:// or smtp://: {example}")),
        };
        // url leaves hosts of schemes that it does not know as they were written.
        let host = url.host_str().and_then(|host| Host::parse(host).ok());
        let host = host.ok_or_else(|| format!("it names no mail server: {example}"))?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(format!("a mail server has no path: {example}"));
        }
        let mut protection = usual;
        for (name, value) in url.query_pairs() {
            protection = match (&*name, &*value, usual) {
                ("tls", "off", Protection::StartTls) => Protection::Off,
                ("tls", "off", _) => return Err("smtps:// is TLS: write smtp:// with ?tls=off".to_owned()),
                _ => return Err("only ?tls=off may follow, for a server without TLS".to_owned()),
            };
        }
        Ok(Self {
            host: match host {
                Host::Domain(name) => name,
                Host::Ipv4(address) => address.to_string(),
                Host::Ipv6(address) => address.to_string(),
            },
            port: url.port().unwrap_or(port),
            protection,
            login: login_of(&url)?,
        })
    }
}

fn login_of(url: &Url) -> Result<Option<SmtpLogin>, String> {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().map(String::from);
    let unreadable = |_| "its user name and password have to be UTF-8, with percent escapes where needed".to_owned();
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) | (_, None) => Err("write both a user name and a password, or neither".to_owned()),
        (username, Some(password)) => Ok(Some(SmtpLogin {
            username: decoded(username).map_err(unreadable)?,
            password: decoded(password).map_err(unreadable)?.into(),
        })),
    }
}

impl fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpUrl({self}, {:?})", self.protection)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> SmtpUrl {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_mail_server_has_a_port_a_protection_and_perhaps_a_login() {
        for (text, at, protection) in [
            ("smtps://mail.example.org", "mail.example.org:465", Protection::Tls),
            ("smtp://mail.example.org", "mail.example.org:587", Protection::StartTls),
            ("smtp://mail.example.org:25/?tls=off", "mail.example.org:25", Protection::Off),
            (" smtp://127.0.0.1:2525?tls=off ", "127.0.0.1:2525", Protection::Off),
            ("smtp://[::1]:2525?tls=off", "[::1]:2525", Protection::Off),
        ] {
            let url = read(text);
            assert_eq!((url.to_string().as_str(), url.protection), (at, protection), "{text}");
            assert!(url.login.is_none());
        }
        let login = read("smtps://keys%40example.org:p%3Ass%20word@mail.example.org").login.expect("a login");
        assert_eq!((login.username.as_str(), login.password()), ("keys@example.org", "p:ss word"));
    }

    #[test]
    fn what_names_no_mail_server_is_refused_in_words() {
        for (text, why) in [
            ("", "it is no address"),
            ("mail.example.org", "it is no address"),
            ("mail.example.org:587", "it has to begin with"),
            ("https://mail.example.org", "it has to begin with"),
            ("smtp://", "it names no mail server"),
            ("smtp://mail.example.org/inbox", "a mail server has no path"),
            ("smtp://mail.example.org?tls=on", "only ?tls=off"),
            ("smtps://mail.example.org?tls=off", "smtps:// is TLS"),
            ("smtp://keys@mail.example.org", "both a user name and a password"),
            ("smtp://:secret@mail.example.org", "both a user name and a password"),
            ("smtp://a:%FF@mail.example.org", "UTF-8"),
        ] {
            let refused = text.parse::<SmtpUrl>().expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn a_password_is_never_printed(username in "[a-z]{1,8}", password in "[A-Z0-9]{8,20}", text in "\\PC*") {
            let url = read(&format!("smtps://{username}:{password}@mail.example.org"));
            let printed = format!("{url} {url:?}");
            prop_assert!(!printed.contains(&password));
            let _ = text.parse::<SmtpUrl>();
            if let Err(why) = format!("smtps://{username}:{password}@{text}").parse::<SmtpUrl>() {
                prop_assert!(!why.contains(&password));
            }
        }
    }
}
