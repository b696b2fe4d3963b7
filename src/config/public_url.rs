//! The public address of this installation: `LATCHKEY_URL`.

use std::fmt::Display;
use std::str::FromStr;

/// The public address: scheme, authority, and the path under which everything is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    origin: String,
    base_path: String,
}

impl PublicUrl {
    /// The address to assume for a process that listens on `place`, a host and a port, if no other is configured.
    pub fn at(place: impl Display) -> Self {
        Self { origin: format!("http://{place}"), base_path: String::new() }
    }

    /// The scheme and authority in lower case, without a slash at the end, as browsers send it in `Origin`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The path under which everything is mounted: empty, or segments that each start with `/`, without a slash at the
    /// end.
    pub fn base_path(&self) -> &str {
        &self.base_path
    }

    /// The host and port, without the scheme.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// The host: a name in lower case, or an IP address without brackets.
    pub fn host(&self) -> &str {
        let authority = self.authority();
        let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host);
        host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Whether browsers connect by TLS, so that cookies can be limited to it (`Secure`).
    pub fn is_https(&self) -> bool {
        self.origin.starts_with("https://")
    }

    /// The address of `path`, which starts with a slash, for links and redirects within Latchkey.
    pub fn path(&self, path: &str) -> String {
        // Faster than `format!`, of which a page with many links has many.
        [&self.base_path, path].concat()
    }

    /// The absolute URL of `path`, for use elsewhere.
    pub fn join(&self, path: &str) -> String {
        format!("{}{}", self.origin, self.path(path))
    }
}

/// The longest address that is accepted. Cookies name the path, and browsers drop those with a long one.
const LONGEST: usize = 500;

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// Whether `path` is plain segments. Browsers would leave out dot segments, and take a double slash for another host.
fn is_plain_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segments = path.trim_end_matches('/').split('/').skip(1);
    segments.into_iter().all(|it| !it.is_empty() && it != "." && it != ".." && it.chars().all(plain))
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "use http://HOST[:PORT][/PATH] or https://…, without a query".to_owned();
        let uri: actix_web::http::Uri = text.parse().map_err(|_| wrong())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme)).ok_or_else(wrong)?;
        let authority = uri.authority().filter(|it| !it.as_str().contains('@')).ok_or_else(wrong)?;
        let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
        let is_placed = !authority.host().is_empty() && after_host.strip_prefix(':').is_none_or(is_port);
        if text.len() > LONGEST
            || text.contains('#')
            || uri.query().is_some()
            || !is_placed
            || !is_plain_path(uri.path())
        {
            return Err(wrong());
        }
        let default_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.as_str().to_ascii_lowercase();
        let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
        Ok(Self { origin: format!("{scheme}://{authority}"), base_path: uri.path().trim_end_matches('/').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
        let long = format!("http://x/{}", "a".repeat(500));
        for text in [
            "http://:80",
            "http://x:",
            "http://x:0",
            "http://x:65536",
            "http://x:port",
            "http://x//evil.example",
            "http://x/a//b",
            "http://x/a/../b",
            "http://x/.",
            "http://x/#a",
            &long,
        ] {
            assert!(text.parse::<PublicUrl>().is_err(), "{text}");
        }
        for (text, host) in [
            ("http://Keys.example.org:3000/a", "keys.example.org"),
            ("http://[::1]", "::1"),
            ("http://[::1]:80", "::1"),
        ] {
            assert_eq!(text.parse::<PublicUrl>().expect(text).host(), host);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            if let Ok(url) = text.parse::<PublicUrl>() {
                let again = url.join("").parse::<PublicUrl>();
                prop_assert_eq!(Ok(&url), again.as_ref());
                prop_assert!(!url.base_path().ends_with('/'));
            }
        }
    }
}
