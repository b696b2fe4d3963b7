//! What a request presents to say who it is. Parsing only: nothing here asks a database.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use secrecy::{ExposeSecret, SecretString};

use crate::secret::Secret;

/// Where clients of Redmine's API put their key.
pub const API_KEY_HEADER: &str = "X-Redmine-API-Key";
/// Where clients of many other services put theirs; it counts there, and not on the API.
pub const SERVICE_KEY_HEADER: &str = "X-API-Key";
/// The login of the person that an admin's program acts as.
pub const SWITCH_USER_HEADER: &str = "X-Redmine-Switch-User";

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The credentials of a request: the first that is there, in Redmine's order, even when it is wrong and the next one
/// would be right.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing, or nothing that is not empty.
    Absent,
    /// A key in the query or in its own header.
    Key(Secret),
    /// HTTP Basic: a key as user name, or login and password.
    Basic {
        /// What stands before the colon.
        username: String,
        /// What stands behind it.
        password: Password,
    },
    /// A key where RFC 6750 puts it.
    Bearer(Secret),
    /// A key's header that cannot be a key.
    UnreadableKey,
    /// An `Authorization` that cannot be read, or of a scheme that is not known.
    UnreadableAuthorization,
}

/// A password as presented; it prints as `Password(…)`, and is overwritten in memory when it is dropped.
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// What was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
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
    /// Reads the credentials of an API request: parameter `key`, then `X-Redmine-API-Key`, then `Authorization`.
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

    /// Reads what the headers of a request to a service present: `X-Redmine-API-Key`, `X-API-Key`, `Authorization`. One
    /// that comes twice cannot be read: the service might see the other.
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
        let text = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
        let (username, password) = text.split_once(':').unwrap_or((&text, ""));
        if username.is_empty() {
            return Some(Self::Absent);
        }
        Some(Self::Basic { username: username.to_owned(), password: Password::new(password) })
    }
}

/// The parameter `key` of a query; `None` if it is missing or blank. `key[]` is another name.
pub fn key_parameter(query: &str) -> Option<Secret> {
    let value = parameter(query, "key")?;
    Some(value.trim()).filter(|key| !key.is_empty()).map(Secret::presented)
}

/// A parameter of a query: the last one of that name, as Rack takes it.
pub fn parameter(query: &str, name: &str) -> Option<String> {
    form_urlencoded::parse(query.as_bytes())
        .filter(|(given, _)| given == name)
        .last()
        .map(|(_, value)| value.into_owned())
}

/// `query` without its `key` parameters, for addresses that are passed on.
pub fn without_key(query: &str) -> String {
    let others = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "key" && name != "key[]");
    form_urlencoded::Serializer::new(String::new()).extend_pairs(others).finish()
}

/// A header's value without the blanks around it; `None` if it is not UTF-8.
pub fn text_of(value: &HeaderValue) -> Option<&str> {
    std::str::from_utf8(value.as_bytes()).ok().map(str::trim)
}

/// The text of a header that is there once; inside `None` if it is not UTF-8, or there are several.
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

    /// Text that may stand in a header.
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
