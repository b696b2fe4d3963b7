//! The way to the mail server (SMTP, RFC 5321), step by step. lettre speaks it; this says in words what happens.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};

use crate::config::smtp_url::{Protection, SmtpUrl};

/// How long the server may take over each step.
const PATIENCE: Duration = Duration::from_secs(30);
/// The ways to sign in that are tried, in this order.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// A connection to the mail server, signed in where that is set.
pub struct Connection(SmtpConnection);

/// Why a mail was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct NotSent {
    /// What happened, with the server's own words where it has said any.
    pub words: String,
    /// Whose matter it is.
    pub about: Matter,
}

/// What has to change before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// The server, or the settings: no other mail can be sent either.
    Server,
    /// This mail, for now: the server asks to try again later.
    Mail,
    /// This mail: the server will never take it.
    Forever,
}

impl NotSent {
    fn of_server(doing: &str, error: &Error) -> Self {
        Self { words: format!("{doing}: {}", words_of(error)), about: Matter::Server }
    }
}

impl Connection {
    /// Connects to the server, begins TLS and signs in, as `url` says, and introduces itself as the host `hello`. `tell` is called
    /// with each step that is done, in words.
    ///
    /// # Errors
    /// Returns [`NotSent`] with the step that failed.
    pub fn open(url: &SmtpUrl, hello: &str, mut tell: impl FnMut(String)) -> Result<Self, NotSent> {
        let hello = introduction(hello);
        let no_tls = |error: &Error| NotSent::of_server("TLS cannot be used", error);
        let tls = match url.protection {
            Protection::Off => None,
            Protection::Tls | Protection::StartTls => {
                Some(TlsParameters::new(url.host.clone()).map_err(|error| no_tls(&error))?)
            }
        };
        let at_once = tls.as_ref().filter(|_| url.protection == Protection::Tls);
        let place = (url.host.as_str(), url.port);
        let connected = SmtpConnection::connect(place, Some(PATIENCE), &hello, at_once, None);
        let mut connection =
            connected.map_err(|error| NotSent::of_server(&format!("{url} cannot be reached"), &error))?;
        tell(match at_once {
            Some(_) => format!("connected to {url}, with TLS"),
            None => format!("connected to {url}"),
        });
        if let (Some(tls), Protection::StartTls) = (&tls, url.protection) {
            if !connection.can_starttls() {
                connection.abort();
                let words = format!("{url} offers no TLS (STARTTLS), which is required; see LATCHKEY_SMTP_URL");
                return Err(NotSent { words, about: Matter::Server });
            }
            if let Err(error) = connection.starttls(tls, &hello) {
                // Nothing is left of the connection that could be closed: lettre panics if it is tried.
                return Err(NotSent::of_server(&format!("TLS with {url} failed"), &error));
            }
            tell("began TLS (STARTTLS)".to_owned());
        }
        if let Some(login) = &url.login {
            if connection.server_info().get_auth_mechanism(&MECHANISMS).is_none() {
                connection.abort();
                let words = format!("{url} offers no way to sign in with a password; most servers do so only with TLS");
                return Err(NotSent { words, about: Matter::Server });
            }
            let credentials = Credentials::new(login.username.clone(), login.password().to_owned());
            if let Err(error) = connection.auth(&MECHANISMS, &credentials) {
                connection.abort();
                return Err(NotSent::of_server(&format!("{url} refused to let {} sign in", login.username), &error));
            }
            tell(format!("signed in as {}", login.username));
        }
        Ok(Self(connection))
    }

    /// Hands one mail over, and returns once the server has taken it. After an error the connection is closed.
    ///
    /// # Errors
    /// Returns [`NotSent`].
    pub fn send(&mut self, envelope: &Envelope, mail: &[u8]) -> Result<(), NotSent> {
        match self.hand_over(envelope, &String::from_utf8_lossy(mail)) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.0.abort();
                let about = match error.status().map(u16::from) {
                    // It closes, or wants another way of signing in (RFC 4954): that is not about this mail.
                    Some(421 | 454 | 530 | 534 | 535 | 538) | None => Matter::Server,
                    Some(500..) => Matter::Forever,
                    Some(_) => Matter::Mail,
                };
                Err(NotSent { words: words_of(&error), about })
            }
        }
    }

    /// As lettre's own `send`, but the text and the dot that ends it go out together: after a small write of its own, the
    /// dot would wait until the server has acknowledged the text, for 40 ms (Nagle's algorithm and delayed
    /// acknowledgements), and lettre gives no way to set `TCP_NODELAY`.
    fn hand_over(&mut self, envelope: &Envelope, mail: &str) -> Result<(), Error> {
        let mut parameters = Vec::new();
        let addresses = || envelope.to().iter().chain(envelope.from());
        if addresses().any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !mail.is_ascii() && self.0.server_info().supports_feature(Extension::EightBitMime) {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        self.0.command(Mail::new(envelope.from().cloned(), parameters))?;
        for address in envelope.to() {
            self.0.command(Rcpt::new(address.clone(), Vec::new()))?;
        }
        self.0.command(Data)?;
        self.0.command(Text(mail)).map(|_| ())
    }

    /// Says goodbye.
    pub fn close(mut self) {
        // Whatever comes of it, the mails are sent.
        let _ = self.0.quit();
    }
}

/// How a host introduces itself: servers refuse an IP address that is not written in brackets (RFC 5321, 4.1.3).
fn introduction(host: &str) -> ClientId {
    match host.parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// The text of a mail as it is sent (RFC 5321, 4.5.2): a dot at the beginning of a line is doubled, and a dot by itself ends
/// it. Each line ends with CRLF, whatever it ended with: servers do not agree on what else ends one.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.strip_suffix('\n').unwrap_or(self.0);
        for line in text.split('\n') {
            let line = line.strip_suffix('\r').unwrap_or(line);
            let dot = if line.starts_with('.') { "." } else { "" };
            write!(f, "{dot}{line}\r\n")?;
        }
        f.write_str(".\r\n")
    }
}

/// What went wrong, with its causes: lettre's own text leaves the server's words to the cause.
fn words_of(error: &Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let text = error.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = error.source();
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_ip_address_stands_in_brackets() {
        for (host, said) in [
            ("keys.example.org", "keys.example.org"),
            ("192.0.2.1", "[192.0.2.1]"),
            ("2001:db8::1", "[IPv6:2001:db8::1]"),
        ] {
            assert_eq!(introduction(host).to_string(), said);
        }
    }

    #[test]
    fn no_line_of_a_text_ends_it() {
        let sent = |text: &str| Text(text).to_string();
        assert_eq!(sent("one\r\ntwo\r\n"), "one\r\ntwo\r\n.\r\n");
        assert_eq!(sent("one\r\n.\r\nMAIL FROM:<>"), "one\r\n..\r\nMAIL FROM:<>\r\n.\r\n");
        assert_eq!(sent(".hidden\n.\nRSET"), "..hidden\r\n..\r\nRSET\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read_again(mut lines in prop::collection::vec("[.a\r ]{0,4}", 0..8)) {
            lines.push("the end".to_owned());
            let sent = Text(&lines.join("\n")).to_string();
            let body = sent.strip_suffix("\r\n.\r\n").expect("the end");
            prop_assert!(!body.contains("\r\n.\r\n") && !body.starts_with(".\r\n"));
            let read: Vec<&str> = body.split("\r\n").map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let meant: Vec<&str> = lines.iter().map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            prop_assert_eq!(read, meant);
        }
    }
}
