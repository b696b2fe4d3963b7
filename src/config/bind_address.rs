//! Addresses to listen on: `LATCHKEY_BIND` and `LATCHKEY_METRICS_BIND`.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

/// The most connections that wait to be accepted.
const BACKLOG: i32 = 2048;

/// An IP address or the name of a host, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindAddress {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A name such as `localhost`, which is resolved when it is listened on.
    Name(String, u16),
}

impl BindAddress {
    /// Listens on the first of its addresses that can be had, on any free port if the port is 0.
    ///
    /// # Errors
    /// Returns the error of the last address that was tried.
    pub fn listen(&self) -> Result<TcpListener, Error> {
        let listener = TcpListener::bind(self.resolve()?.as_slice())?;
        // The standard library uses a short queue. Calling listen again changes its length.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    }

    fn resolve(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut addresses: Vec<_> = match self {
            Self::Ip(address) => vec![*address],
            Self::Name(host, port) => (host.as_str(), *port).to_socket_addrs()?.collect(),
        };
        // Clients try every address of `localhost`, but people who type 127.0.0.1 try only that.
        addresses.sort_by_key(SocketAddr::is_ipv6);
        match addresses.is_empty() {
            true => Err(Error::new(ErrorKind::AddrNotAvailable, "the name has no address")),
            false => Ok(addresses),
        }
    }

    /// The same host with any free port.
    pub fn on_any_port(&self) -> Self {
        match self {
            Self::Ip(address) => Self::Ip(SocketAddr::new(address.ip(), 0)),
            Self::Name(host, _) => Self::Name(host.clone(), 0),
        }
    }

    /// Whether only programs on this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().to_canonical().is_loopback(),
            Self::Name(host, _) => is_loopback(host),
        }
    }
}

/// Whether `host`, an IP address without brackets or a name, is this machine and nothing else (RFC 6761, section 6.3).
pub fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Whether `text` can be the name of a host. The last label is never a number (RFC 3696, section 2), so a mistyped IP
/// address is not looked up.
fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(is_label) && !last.chars().all(|c| c.is_ascii_digit())
}

impl FromStr for BindAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(address) = text.parse() {
            return Ok(Self::Ip(address));
        }
        let named = text.rsplit_once(':').filter(|(host, _)| is_host_name(host));
        let named = named.and_then(|(host, port)| Some(Self::Name(host.to_owned(), port.parse().ok()?)));
        named.ok_or_else(|| "use ADDRESS:PORT, such as 127.0.0.1:3000, 0.0.0.0:3000 or localhost:3000".into())
    }
}

impl fmt::Display for BindAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_to_listen_on_is_an_ip_address_or_a_name_and_a_port() {
        for (text, is_local) in [
            ("127.0.0.1:3000", true),
            ("0.0.0.0:0", false),
            ("[::1]:65535", true),
            ("[::]:3000", false),
            ("[::ffff:127.0.0.1]:3000", true),
            ("localhost:7710", true),
            ("LatchKey.LOCALHOST:80", true),
            ("keys.example.org:80", false),
            ("localhost.example.org:80", false),
        ] {
            let address: BindAddress = text.parse().expect(text);
            assert_eq!((address.to_string().as_str(), address.is_loopback()), (text, is_local));
        }
        let long = format!("{}:80", "a".repeat(64));
        for text in [
            "",
            ":3000",
            "3000",
            "localhost",
            "localhost:",
            "localhost:65536",
            "256.0.0.1:80",
            "a b:80",
            "a..b:80",
            &long,
        ] {
            assert!(text.parse::<BindAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_listened_on_at_its_ipv4_address_first() {
        let listener = "localhost:0".parse::<BindAddress>().expect("an address").listen().expect("a listener");
        assert!(listener.local_addr().expect("an address").is_ipv4());
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            if let Ok(address) = text.parse::<BindAddress>() {
                prop_assert_eq!(Ok(address.clone()), address.to_string().parse());
            }
        }
    }
}
