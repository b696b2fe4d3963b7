//! Whom to tell of a weakness that somebody has found: `LATCHKEY_SECURITY_CONTACT`.

use std::fmt;
use std::str::FromStr;

/// A contact as `security.txt` wants it, which is a URI (RFC 9116, section 2.5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityContact(String);

/// The schemes of what a person can follow.
const SCHEMES: [&str; 3] = ["mailto:", "https://", "tel:"];
/// Far more than any contact has.
const LONGEST: usize = 500;

impl FromStr for SecurityContact {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let has_scheme = SCHEMES.iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
        let is_mail = !text.contains(':')
            && text.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        let is_readable = text.len() <= LONGEST && text.chars().all(|c| c.is_ascii_graphic());
        match (is_readable, has_scheme, is_mail) {
            (true, true, _) => Ok(Self(text.to_owned())),
            (true, false, true) => Ok(Self(format!("mailto:{text}"))),
            _ => Err("use a mail address, or an address that begins with https://, mailto: or tel:".into()),
        }
    }
}

impl fmt::Display for SecurityContact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_contact_is_a_mail_address_or_a_uri() {
        for (text, uri) in [
            ("security@example.org", "mailto:security@example.org"),
            (" mailto:security@example.org ", "mailto:security@example.org"),
            ("https://example.org/security", "https://example.org/security"),
            ("tel:+1-201-555-0123", "tel:+1-201-555-0123"),
        ] {
            assert_eq!(text.parse::<SecurityContact>().expect(text).to_string(), uri);
        }
        for text in ["", "security", "http://example.org", "mailto:", "@example.org", "a@b\nExpires: never", "ä@b"] {
            assert!(text.parse::<SecurityContact>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_contact_is_one_line_of_ascii(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*|(mailto:|https://|a@)[ -~\n]*") {
            if let Ok(contact) = text.parse::<SecurityContact>() {
                prop_assert!(contact.to_string().chars().all(|c| c.is_ascii_graphic()));
            }
        }
    }
}
