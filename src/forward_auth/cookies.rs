//! The session cookie, and how Latchkey's cookies are kept from the services behind the proxy.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

use crate::callers::remembered_browser;

const OVER_HTTPS: &str = "__Host-latchkey";
const OVER_HTTP: &str = "latchkey";

/// The name of the session cookie.
pub fn session_cookie(is_https: bool) -> &'static str {
    if is_https { OVER_HTTPS } else { OVER_HTTP }
}

/// The cookies of a request without Latchkey's own; `None` if there are no others.
pub fn cookies_of_others(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let others: Vec<&[u8]> = cookies.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty() && !is_ours(it)).collect();
    let others = (!others.is_empty()).then(|| others.join(&b"; "[..]))?;
    HeaderValue::from_bytes(&others).ok()
}

fn is_ours(cookie: &[u8]) -> bool {
    let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end();
    let names = [OVER_HTTPS, OVER_HTTP, remembered_browser::OVER_HTTPS, remembered_browser::OVER_HTTP];
    names.iter().any(|ours| ours.as_bytes() == name)
}
