//! The credentials that a request presents. This file only parses them and never queries the database.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use encoding_rs::WINDOWS_1252;
use icu_normalizer::ComposingNormalizerBorrowed;
use secrecy::{ExposeSecret, SecretString};

use crate::secret::Secret;

/// The header in which clients of Redmine's API send their key.
pub const API_KEY_HEADER: &str = "X-Redmine-API-Key";
/// The header in which clients of many other services send their key. It counts for services, not on the API.
pub const SERVICE_KEY_HEADER: &str = "X-API-Key";
/// The header in which an administrator's program names the login of the person to act as (impersonation).
pub const SWITCH_USER_HEADER: &str = "X-Redmine-Switch-User";

/// Base64 with or without padding, as clients differ in it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The credentials of a request: the first ones found, in Redmine's order, even if they are wrong and later ones would
/// be right.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// No credentials, or only empty ones.
    Absent,
    /// A key in the query or in a header of its own.
    Key(Secret),
    /// HTTP Basic authentication: a key as the user name, or a login and password.
    Basic {
        /// The part before the colon.
        username: String,
        /// The part after the colon.
        password: Password,
    },
    /// A bearer token (RFC 6750): a key in the `Authorization` header.
    Bearer(Secret),
    /// A key header that is not UTF-8 or, for a service, was sent twice.
    UnreadableKey,
    /// An `Authorization` header that cannot be parsed, or has an unknown scheme.
    UnreadableAuthorization,
}

/// A password. Its `Debug` output is `Password(…)`, and its memory is overwritten when it is dropped.
///
/// An `é` may be typed as one character or as an `e` with an accent, which depends on the keyboard and the system. So
/// the text is in Unicode's Normalization Form C (RFC 8265, section 4.2.2), whatever the client sent.
#[derive(Clone)]
pub struct Password {
    composed: SecretString,
    /// The text as the client sent it; `None`: it is the composed one.
    typed: Option<SecretString>,
}

impl Password {
    /// Wraps the text that was typed.
    pub fn new(text: impl Into<String>) -> Self {
        let typed = text.into();
        let composed = ComposingNormalizerBorrowed::new_nfc().normalize(&typed).into_owned();
        let typed = (typed != composed).then(|| typed.into());
        Self { composed: composed.into(), typed }
    }

    /// The text of the password.
    pub fn expose(&self) -> &str {
        self.composed.expose_secret()
    }

    /// The password as the client sent it, if that is another text. Passwords that moved in may be stored like that.
    pub fn as_typed(&self) -> Option<Self> {
        self.typed.clone().map(|typed| Self { composed: typed, typed: None })
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Password {}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

impl Credentials {
    /// Reads the credentials of an API request: the parameter `key`, then `X-Redmine-API-Key`, then `Authorization`.
    pub fn of_api_request(query: &str, headers: &HeaderMap) -> Self {
        if let Some(key) = key_parameter(query) {
            return Self::Key(key);
        }
        match headers.get(API_KEY_HEADER).map(text_of) {
            Some(Some("")) | None => {}
            Some(Some(key)) => return Self::Key(Secret::presented(key)),
            Some(None) => return Self::UnreadableKey,
        }
        match headers.get(AUTHORIZATION).map(text_of) {
            Some(Some("")) | None => Self::Absent,
            Some(Some(authorization)) => Self::of_authorization(authorization),
            Some(None) => Self::UnreadableAuthorization,
        }
    }

    /// Reads the credentials of a request to a service from its headers: `X-Redmine-API-Key`, `X-API-Key`, then
    /// `Authorization`. A header that is sent twice counts as unreadable: the service might read the other value.
    pub fn of_service_request(headers: &HeaderMap) -> Self {
        for name in [API_KEY_HEADER, SERVICE_KEY_HEADER] {
            match only_text_of(headers, name) {
                Some(Some("")) | None => {}
                Some(Some(key)) => return Self::Key(Secret::presented(key)),
                Some(None) => return Self::UnreadableKey,
            }
        }
        match only_text_of(headers, AUTHORIZATION.as_str()) {
            Some(Some("")) | None => Self::Absent,
            Some(Some(authorization)) => Self::of_authorization(authorization),
            Some(None) => Self::UnreadableAuthorization,
        }
    }

    fn of_authorization(text: &str) -> Self {
        let (scheme, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        let rest = rest.trim();
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        match rest {
            "" if is("Basic") || is("Bearer") => Self::Absent,
            _ if is("Basic") => Self::of_basic(rest).unwrap_or(Self::UnreadableAuthorization),
            _ if is("Bearer") => Self::Bearer(Secret::presented(rest)),
            _ => Self::UnreadableAuthorization,
        }
    }

    fn of_basic(encoded: &str) -> Option<Self> {
        // RFC 7617 says UTF-8 only if the challenge does. Old clients send Latin-1, or what Windows makes of it.
        let text = String::from_utf8(BASE64.decode(encoded).ok()?).unwrap_or_else(|error| {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(error.as_bytes());
            text.into_owned()
        });
        let (username, password) = text.split_once(':').unwrap_or((&text, ""));
        if username.is_empty() {
            return Some(Self::Absent);
        }
        Some(Self::Basic { username: username.to_owned(), password: Password::new(password) })
    }
}

/// The value of the query parameter `key`; `None` if it is missing or blank. `key[]` is a different parameter.
pub fn key_parameter(query: &str) -> Option<Secret> {
    let value = parameter(query, "key")?;
    Some(value.trim()).filter(|key| !key.is_empty()).map(Secret::presented)
}

/// The value of a query parameter. If there are several of the same name, the last one counts, as in Rack.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(given, _)| given == name)
        .last()
        .map(|(_, value)| value.into_owned())
}

/// The query without its `key` parameters, so that a redirect does not pass the secret on.
pub fn without_key(query: &str) -> String {
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "key" && name != "key[]");
    form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish()
}

/// A header's value without surrounding whitespace; `None` if it is not UTF-8.
pub fn text_of(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// The text of a header that must not be repeated: `None` if it is absent, `Some(None)` if it is not UTF-8 or was sent
/// several times.
fn only_text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name);
    let first = values.next()?;
    Some(text_of(first).filter(|_| values.next().is_none()))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[(&'static str, &[u8])]) -> HeaderMap {
        let values = values.iter().filter_map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a name");
            Some((name, HeaderValue::from_bytes(value).ok()?))
        });
        values.collect()
    }

    fn query(parameters: &[(&str, &str)]) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    }

    /// Text that a header can hold.
    fn visible() -> impl Strategy<Value = String> {
        "\\PC{1,40}".prop_map(|text| text.trim().to_owned()).prop_filter("blank", |text| !text.is_empty())
    }

    proptest! {
        #[test]
        fn whatever_is_presented_is_read(query: String, key: Option<Vec<u8>>, authorization: Vec<u8>) {
            let values = [(API_KEY_HEADER, key.as_deref().unwrap_or_default()), ("authorization", &authorization)];
            let presented = Credentials::of_api_request(&query, &headers(&values));
            if let Credentials::Key(secret) | Credentials::Bearer(secret) = &presented {
                prop_assert!(!secret.expose().is_empty() && secret.expose().trim() == secret.expose());
            }
        }

        #[test]
        fn basic_is_read_as_it_was_written(username in "[^:]{1,30}", password: String, padded: bool, blanks in "[ \t]{1,3}") {
            use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
            let text = format!("{username}:{password}");
            let encoded = if padded { STANDARD.encode(&text) } else { STANDARD_NO_PAD.encode(&text) };
            let value = format!("bAsIc{blanks}{encoded}{blanks}");
            let presented = Credentials::of_api_request("", &headers(&[("authorization", value.as_bytes())]));
            prop_assert_eq!(presented, Credentials::Basic { username, password: Password::new(password) });
        }

        #[test]
        fn the_first_that_is_present_decides(first in visible(), second in visible(), third in visible()) {
            let (header, bearer) = (second.as_bytes(), format!("Bearer {third}"));
            let both = headers(&[(API_KEY_HEADER, header), ("authorization", bearer.as_bytes())]);
            let presented = |query: &str, headers: &HeaderMap| Credentials::of_api_request(query, headers);
            let key = |text: &str| Credentials::Key(Secret::presented(text));
            prop_assert_eq!(presented(&query(&[("key", &first)]), &both), key(&first));
            for absent in [query(&[]), query(&[("key", " ")]), query(&[("key[]", &first)])] {
                prop_assert_eq!(presented(&absent, &both), key(&second));
                let alone = headers(&[(API_KEY_HEADER, b" "), ("authorization", bearer.as_bytes())]);
                prop_assert_eq!(presented(&absent, &alone), Credentials::Bearer(Secret::presented(third.as_str())));
            }
        }

        #[test]
        fn a_query_without_its_key_keeps_the_rest(
            pairs in proptest::collection::vec(("key|key\\[\\]|page|\\PC{0,3}", "\\PC{0,9}"), 0..6)
        ) {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let left = without_key(&query(&pairs));
            let others: Vec<_> = pairs.into_iter().filter(|(name, _)| !["key", "key[]"].contains(name)).collect();
            prop_assert_eq!(left, query(&others));
        }

        #[test]
        fn what_is_presented_is_never_printed(secret in "[a-z0-9]{12,40}") {
            use base64::engine::general_purpose::STANDARD;
            let basic = format!("Basic {}", STANDARD.encode(format!("alice:{secret}")));
            let bearer = format!("Bearer {secret}");
            for value in [basic, bearer] {
                let presented = Credentials::of_api_request("", &headers(&[("authorization", value.as_bytes())]));
                let printed = format!("{presented:?}");
                prop_assert!(!printed.contains(&secret));
            }
            let presented = Credentials::of_api_request(&query(&[("key", &secret)]), &HeaderMap::new());
            prop_assert_eq!(format!("{presented:?}"), "Key(Secret(…))");
        }
    }
}
