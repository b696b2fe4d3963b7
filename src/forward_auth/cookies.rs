//! The session's cookie, and those of services that it must not reach.

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};

const OVER_HTTPS: &str = "__Host-latchkey";
const OVER_HTTP: &str = "latchkey";

/// What the session's cookie is called.
pub fn session_cookie(is_https: bool) -> &'static str {
    if is_https { OVER_HTTPS } else { OVER_HTTP }
}

/// The cookies of a request that are not ours; `None`: there are none.
pub fn cookies_of_others(headers: &HeaderMap) -> Option<HeaderValue> {
    let cookies = headers.get_all(COOKIE).flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let others: Vec<&[u8]> = cookies.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty() && !is_ours(it)).collect();
    let others = (!others.is_empty()).then(|| others.join(&b"; "[..]))?;
    HeaderValue::from_bytes(&others).ok()
}

fn is_ours(cookie: &[u8]) -> bool {
    let name = cookie.split(|byte| *byte == b'=').next().unwrap_or_default().trim_ascii_end();
    [OVER_HTTPS, OVER_HTTP].iter().any(|ours| ours.as_bytes() == name)
}
