//! "Redmine's API authentication, as its clients know it": who a request is from.

mod foreign_keys;
mod last_login;
mod order;
mod people;
mod presented;
mod refused;
mod side_by_side;
mod switch_user;
mod wrong_kinds;

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;

use crate::support::*;

const ADDRESS: &str = "/users/current.json";
const KEY_HEADER: &str = "X-Redmine-API-Key";
const BASIC: Option<&str> = Some(r#"Basic realm="Redmine API", charset="UTF-8""#);
const BEARER: Option<&str> = Some(r#"Bearer error="invalid_token""#);

/// What stands behind `Basic `.
fn encoded(credentials: impl AsRef<[u8]>) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(credentials)
}

fn basic(credentials: impl AsRef<[u8]>) -> String {
    format!("Basic {}", encoded(credentials))
}

fn with_authorization(site: &Site, value: impl AsRef<[u8]>) -> RequestBuilder {
    let value = HeaderValue::from_bytes(value.as_ref()).expect("bytes that may stand in a header");
    site.get(ADDRESS).header("Authorization", value)
}

/// Every way to present a key, with the name of the way.
fn ways_of(site: &Site, secret: &str) -> [(&'static str, RequestBuilder); 5] {
    [
        ("parameter", site.get(&format!("{ADDRESS}?key={}", escaped(secret)))),
        ("header", site.get(ADDRESS).header(KEY_HEADER, secret)),
        ("Basic, any password", with_authorization(site, basic(format!("{secret}:any password")))),
        ("Basic, no password", with_authorization(site, basic(format!("{secret}:")))),
        ("Bearer", with_authorization(site, format!("Bearer {secret}"))),
    ]
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The login that the answer to an authenticated request shows.
async fn login_of(request: RequestBuilder, case: &str) -> String {
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 200, "{case}: {}", answer.text);
    answer.json()["user"]["login"].as_str().expect("a login").to_owned()
}

/// Asserts that a request is refused by 401 and this challenge.
async fn assert_refused(request: RequestBuilder, challenge: Option<&str>, case: &str) {
    let answer = Answer::of(request).await;
    assert_eq!(answer.status, 401, "{case}: {}", answer.text);
    assert_eq!(answer.header("WWW-Authenticate"), challenge, "{case}");
    assert_eq!(answer.json()["errors"].as_array().map(Vec::len), Some(1), "{case}: {}", answer.text);
}
