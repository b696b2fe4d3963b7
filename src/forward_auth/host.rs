//! The host that a proxy is asked for.

use std::net::Ipv6Addr;

/// A host in lower case, without the port and without the dot that a fully qualified name may end with; `None` if it is
/// no host.
pub fn normal_host(text: &str) -> Option<String> {
    let (host, port) = match text.rfind(':') {
        Some(colon) if !text.ends_with(']') => (&text[..colon], &text[colon + 1..]),
        _ => (text, ""),
    };
    let is_port = port.chars().all(|c| c.is_ascii_digit());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let host = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]")),
        None => {
            let name = host.strip_suffix('.').unwrap_or(host);
            (!name.is_empty() && name.chars().all(plain)).then(|| name.to_ascii_lowercase())
        }
    };
    host.filter(|_| is_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_compared_without_case_port_and_last_dot() {
        for (text, expected) in [
            ("Wiki.Example.org", "wiki.example.org"),
            ("wiki.example.org.", "wiki.example.org"),
            ("wiki.example.org:8443", "wiki.example.org"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("[2001:DB8::0:1]", "[2001:db8::1]"),
            ("[::1]:3000", "[::1]"),
        ] {
            assert_eq!(normal_host(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", ".", ":80", "a:b", "a,b", "a b", "a@b", "[::1", "::1", "[a]", "a/b", "[::1]x"] {
            assert_eq!(normal_host(text), None, "{text}");
        }
    }
}
