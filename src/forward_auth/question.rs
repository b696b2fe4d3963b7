//! The question that a reverse proxy asks about a request: where it goes, its method, and the credentials it presents.
//! This file only parses it and never queries the database.
//!
//! Each proxy's dialect reads only its own headers, and each of them exactly once: a proxy passes on the headers it
//! does not set itself, and a client may have forged those.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderMap;

use super::host::normal_host;
use crate::auth::credentials::{Credentials, text_of};
use crate::http::error::AppError;
use crate::secret::Secret;

/// The request that a proxy asks about.
#[derive(Debug, PartialEq, Eq)]
pub struct Question {
    /// The host, in lower case and without a port.
    pub host: String,
    /// The HTTP method, which is case-sensitive.
    pub method: String,
    /// The path on the host.
    pub path: OriginalPath,
    /// The key in the query, for services where it counts. Other services may use the parameter for something else.
    pub key_parameter: Result<Option<Secret>, Unreadable>,
    /// The credentials in the headers.
    pub credentials: Credentials,
}

/// Why a question cannot be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// A header of the dialect is missing, repeated or malformed.
    #[error("The proxy must send the header {0}, once and as the documentation of forward auth says.")]
    Header(&'static str),
    /// Servers may read the path in different ways.
    #[error("The path of the request is refused: it has {0}.")]
    Path(&'static str),
    /// A header that is not ours, but is to servers that fold names as CGI does.
    #[error("The request is refused: it has a header that services may take for one of X-Latchkey-….")]
    Folded,
    /// The query has several keys, and servers differ in which of them counts.
    #[error("The address of the request has more than one key.")]
    Keys,
}

impl Unreadable {
    /// The path leads to one service, to another or to none, depending on the server that reads it.
    pub const AMBIGUOUS: Self = Self::Path("a spelling that some servers take for another place");
}

/// How the names of the headers begin that tell a service who sends a request.
const IDENTITY: &str = "x-latchkey-";
const HOST_NAME: &str = "Host";
const ORIGINAL_URI: &str = "X-Original-URI";
const ORIGINAL_METHOD: &str = "X-Original-Method";
const FORWARDED_METHOD: &str = "X-Forwarded-Method";
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
const FORWARDED_HOST: &str = "X-Forwarded-Host";
const FORWARDED_URI: &str = "X-Forwarded-Uri";

impl Question {
    /// Reads the question of nginx's `auth_request`.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if it cannot be answered.
    pub fn of_nginx(request: &HttpRequest) -> Result<Self, Unreadable> {
        let headers = request.headers();
        let (host, method) = (host(headers, HOST_NAME)?, method(headers, ORIGINAL_METHOD)?);
        Self::about(headers, host, method, only(headers, ORIGINAL_URI)?)
    }

    /// Reads the question of Caddy's `forward_auth` or Traefik's `forwardAuth`.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if it cannot be answered.
    pub fn of_forwarded(request: &HttpRequest) -> Result<Self, Unreadable> {
        let headers = request.headers();
        // The scheme makes no difference here, but a proxy that does not send it is misconfigured.
        if !["http", "https", "ws", "wss"].contains(&only(headers, FORWARDED_PROTO)?) {
            return Err(Unreadable::Header(FORWARDED_PROTO));
        }
        let (host, method) = (host(headers, FORWARDED_HOST)?, method(headers, FORWARDED_METHOD)?);
        Self::about(headers, host, method, only(headers, FORWARDED_URI)?)
    }

    /// Reads the question of Envoy's `ext_authz` over HTTP, which uses the request's own method and host, and puts
    /// `prefix` before its path.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if it cannot be answered.
    pub fn of_envoy(request: &HttpRequest, prefix: &str) -> Result<Self, Unreadable> {
        let headers = request.headers();
        let whole = request.uri().path_and_query().map_or("", |it| it.as_str());
        let address = whole.strip_prefix(prefix).ok_or(Unreadable::Path(NO_SLASH))?;
        Self::about(headers, host(headers, HOST_NAME)?, request.method().as_str().to_owned(), address)
    }

    fn about(headers: &HeaderMap, host: String, method: String, address: &str) -> Result<Self, Unreadable> {
        if headers.keys().any(|name| is_folded(name.as_str())) {
            return Err(Unreadable::Folded);
        }
        Self::of_request(host, method, address, Credentials::of_service_request(headers))
    }

    /// The question about a request for `address`, a path and perhaps a query, on `host`.
    ///
    /// # Errors
    /// Returns [`Unreadable`] if it cannot be answered.
    pub fn of_request(
        host: String,
        method: String,
        address: &str,
        credentials: Credentials,
    ) -> Result<Self, Unreadable> {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let path = OriginalPath::read(path.as_bytes())?;
        Ok(Self { host, method, path, key_parameter: key_parameter(query), credentials })
    }
}

/// Whether `name`, in lower case, is none of the headers that tell a service who sends a request, but becomes one of
/// them where names of headers become names of variables (RFC 3875, section 4.1.18): PHP takes a dot for a hyphen, and
/// other servers take any character that is no letter or digit. A proxy that removes only the usual spelling passes it
/// on.
fn is_folded(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let folded = || name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    !name.bytes().all(is_plain) && folded().starts_with(IDENTITY)
}

/// The text of a header that must be present exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Unreadable> {
    let mut values = headers.get_all(name);
    match (values.next().and_then(text_of), values.next()) {
        (Some(text), None) => Ok(text),
        _ => Err(Unreadable::Header(name)),
    }
}

/// The host in a header.
fn host(headers: &HeaderMap, name: &'static str) -> Result<String, Unreadable> {
    normal_host(only(headers, name)?).ok_or(Unreadable::Header(name))
}

/// The method in a header, in the syntax of RFC 9110 (section 5.6.2).
fn method(headers: &HeaderMap, name: &'static str) -> Result<String, Unreadable> {
    Some(only(headers, name)?.to_owned()).filter(|text| is_method(text)).ok_or(Unreadable::Header(name))
}

/// Whether `text` can be a method.
pub fn is_method(text: &str) -> bool {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(is_token)
}

/// The key in a query. Only a parameter spelled exactly `key` counts: a proxy does not remove any other spelling before
/// the service sees the query.
fn key_parameter(query: &str) -> Result<Option<Secret>, Unreadable> {
    let mut keys = query.split('&').filter(|pair| pair.split('=').next() == Some("key"));
    let Some(pair) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(Unreadable::Keys);
    }
    let value = form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.trim().to_owned());
    Ok(value.filter(|key| !key.is_empty()).map(Secret::presented))
}

/// The path of a request in each way that servers normalize it: as it is, percent-decoded, with repeated slashes
/// merged, and without parameters after a semicolon. A request goes where all readings agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalPath {
    raw: Vec<u8>,
    others: Vec<Vec<u8>>,
}

const NO_SLASH: &str = "no slash at its beginning";
const DOT_SEGMENTS: &str = "dot segments";
const BACKSLASHES: &str = "backslashes";
const ENCODED_SLASHES: &str = "encoded slashes";
const CONTROL_CHARACTERS: &str = "blanks, control characters or a fragment";
const BROKEN_ESCAPES: &str = "a percent sign that begins no escape";
const ESCAPES_TWICE: &str = "escapes of escapes";

impl OriginalPath {
    /// Reads the raw path of a request, without the query.
    ///
    /// # Errors
    /// Returns [`Unreadable::Path`] for a path that servers normalize too differently to compare.
    pub fn read(raw: &[u8]) -> Result<Self, Unreadable> {
        if raw.first() != Some(&b'/') {
            return Err(Unreadable::Path(NO_SLASH));
        }
        if raw.iter().any(|byte| byte.is_ascii_control() || b" #?".contains(byte)) {
            return Err(Unreadable::Path(CONTROL_CHARACTERS));
        }
        let decoded = decoded(raw)?;
        if decoded.contains(&b'\\') {
            return Err(Unreadable::Path(BACKSLASHES));
        }
        if decoded.iter().any(u8::is_ascii_control) {
            return Err(Unreadable::Path(CONTROL_CHARACTERS));
        }
        let again = decoded.to_ascii_lowercase();
        if [&b"%2e"[..], b"%2f", b"%5c", b"%25"].iter().any(|escape| again.windows(3).any(|it| it == *escape)) {
            return Err(Unreadable::Path(ESCAPES_TWICE));
        }
        let plain: Vec<u8> =
            segments(&decoded).flat_map(|segment| [b"/", without_parameters(segment)].concat()).collect();
        if segments(&plain).any(|segment| [&b"."[..], b".."].contains(&segment)) {
            return Err(Unreadable::Path(DOT_SEGMENTS));
        }
        let mut others = vec![merged(&plain), merged(&decoded), plain, decoded];
        others.retain(|reading| reading != raw);
        others.dedup();
        Ok(Self { raw: raw.to_vec(), others })
    }

    /// Calls `find` with every reading of the path, and returns the result if it is always the same.
    ///
    /// # Errors
    /// Returns [`Unreadable::AMBIGUOUS`] if the result depends on the reading.
    pub fn place<T: PartialEq>(&self, find: impl Fn(&[u8]) -> T) -> Result<T, Unreadable> {
        let first = find(&self.raw);
        if self.others.iter().all(|reading| find(reading) == first) { Ok(first) } else { Err(Unreadable::AMBIGUOUS) }
    }
}

/// Decodes the percent escapes of `raw` once.
fn decoded(raw: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let escape = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escape = escape.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.ok_or(Unreadable::Path(BROKEN_ESCAPES))? {
            b'/' => return Err(Unreadable::Path(ENCODED_SLASHES)),
            byte => decoded.push(byte),
        }
        rest = &after[2..];
    }
    Ok(decoded)
}

/// The segments of a path: what follows each slash.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').skip(1)
}

fn without_parameters(segment: &[u8]) -> &[u8] {
    segment.split(|byte| *byte == b';').next().unwrap_or_default()
}

/// Merges repeated slashes in `path`.
fn merged(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|byte, before| *byte == b'/' && *before == b'/');
    merged
}

impl From<Unreadable> for AppError {
    fn from(unreadable: Unreadable) -> Self {
        Self::BadRequest(unreadable.to_string())
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    /// Whether a server reads the path as one below `/wiki`.
    fn is_wiki(path: &[u8]) -> bool {
        path.strip_prefix(b"/wiki").is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
    }

    /// The path as a server reads it that performs `steps` in this order.
    fn read_by_a_server(raw: &str, steps: &[&str]) -> Vec<u8> {
        let mut path = raw.as_bytes().to_vec();
        for step in steps {
            path = match *step {
                "decode" => percent_encoding::percent_decode(&path).collect(),
                "merge" => merged(&path),
                "cut" => segments(&path).flat_map(|segment| [b"/", without_parameters(segment)].concat()).collect(),
                _ => resolved(&path),
            };
        }
        path
    }

    /// Removes dot segments as RFC 3986 (section 5.2.4) describes.
    fn resolved(path: &[u8]) -> Vec<u8> {
        let mut kept: Vec<&[u8]> = Vec::new();
        for segment in segments(path) {
            match segment {
                b"." => {}
                b".." => {
                    kept.pop();
                }
                segment => kept.push(segment),
            }
        }
        kept.into_iter().flat_map(|segment| [b"/", segment].concat()).collect()
    }

    fn tricky_path() -> impl Strategy<Value = String> {
        let pieces = [
            "/", "//", "wiki", "%77iki", "wik%69", "a", ".", "..", "%2e", "%2E.", ";", ";a=b", "%3b", "%2f", "\\",
            "%5C", "%252e", "%25", "%", "%0", "é", "%C3%A9", "-", "~", "%00", " ", "#",
        ];
        proptest::collection::vec(select(pieces.to_vec()), 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #[test]
        fn a_path_that_is_accepted_leads_to_one_service_whoever_reads_it(
            raw in tricky_path(),
            steps in proptest::collection::vec(select(vec!["decode", "merge", "cut", "resolve"]), 0..4),
        ) {
            // No server should decode twice (double decoding). The dangerous results of that are refused
            // (`ESCAPES_TWICE`).
            let twice = steps.iter().filter(|step| **step == "decode").count() > 1;
            let place = OriginalPath::read(raw.as_bytes()).and_then(|path| path.place(is_wiki));
            if let (Ok(place), false) = (place, twice) {
                let read = read_by_a_server(&raw, &steps);
                prop_assert_eq!(is_wiki(&read), place, "{} by {:?}: {:?}", raw, steps, String::from_utf8_lossy(&read));
            }
        }

        #[test]
        fn no_bytes_make_a_question_panic(
            raw in proptest::collection::vec(any::<u8>(), 0..40),
            host in proptest::collection::vec(any::<u8>(), 0..20),
            query in "\\PC{0,30}",
        ) {
            let _ = OriginalPath::read(&raw);
            let _ = key_parameter(&query);
            if let Ok(value) = HeaderValue::from_bytes(&host) {
                let mut headers = HeaderMap::new();
                headers.insert(HeaderName::from_static("host"), value);
                if let Ok(host) = super::host(&headers, HOST_NAME) {
                    prop_assert!(host.chars().all(|c| c.is_ascii_graphic() && !c.is_ascii_uppercase()));
                }
                let _ = method(&headers, HOST_NAME);
            }
        }

        /// The spellings that proxies remove from a query are in `docs/forward-auth.md`.
        #[test]
        fn a_key_that_counts_is_one_that_a_proxy_takes_out(
            pairs in proptest::collection::vec("(key|k%65y|KEY|key\\[\\]|a)(=[a-z%0-9]{0,4})?", 0..5)
        ) {
            let query = pairs.join("&");
            let kept: Vec<_> = pairs.iter().filter(|pair| *pair != "key" && !pair.starts_with("key=")).collect();
            let found = key_parameter(&query);
            prop_assert_eq!(found == Err(Unreadable::Keys), pairs.len() - kept.len() > 1);
            if kept.len() == pairs.len() {
                prop_assert_eq!(found, Ok(None));
            }
        }
    }

    #[test]
    fn a_header_that_folds_into_ours_is_known_by_any_punctuation() {
        for between in "!#$%&'*+.^_`|~".chars() {
            for name in
                ["x?latchkey-user", "x-latchkey?user", "x-latchkey-user?id", "x?latchkey?token?id", "x-latchkey-?"]
            {
                let name = name.replace('?', &between.to_string());
                assert!(is_folded(&name), "{name}");
            }
            for name in ["x?latchkeys", "x?api?key", "x?y-latchkey-user", "latchkey?user"] {
                assert!(!is_folded(&name.replace('?', &between.to_string())), "{name}");
            }
        }
        for name in ["x-latchkey-user", "x-latchkey-user-id", "x-latchkey", "host"] {
            assert!(!is_folded(name), "{name}");
        }
    }

    #[test]
    fn a_usual_path_has_one_reading() {
        let path = OriginalPath::read(b"/wiki/Page_1-a.b~c").expect("a path");
        assert_eq!((path.raw, path.others), (b"/wiki/Page_1-a.b~c".to_vec(), Vec::<Vec<u8>>::new()));
    }
}
