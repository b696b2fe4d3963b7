//! The session's cookie, as it comes and as nobody but the server can read it.

use actix_web::cookie::{Cookie, CookieJar, Key};
use reqwest::header::HeaderMap;
use serde_json::{Map, Value};

use super::log;
use super::site::SECRET_KEY;

/// The cookie of the session that an answer sets, still with its attributes; `None`: it sets none.
pub fn set_by(headers: &HeaderMap) -> Option<Cookie<'static>> {
    let all = headers.get_all("Set-Cookie").iter().map(|it| it.to_str().expect("a cookie in ASCII").to_owned());
    let mut sessions = all.filter(|it| it.starts_with("latchkey=") || it.starts_with("__Host-latchkey="));
    let first = sessions.next()?;
    assert!(sessions.next().is_none(), "more than one session");
    log::note_secret(first.split(';').next().and_then(|it| it.split_once('=')).expect("a name").1);
    Some(Cookie::parse_encoded(first).expect("a cookie"))
}

/// As browsers send it back.
pub fn sent_back(cookie: &Cookie<'_>) -> String {
    cookie.encoded().stripped().to_string()
}

/// A cookie that holds `held`, as browsers send it: sealed with the key that every site of the tests has.
pub fn sealed(held: &Map<String, Value>) -> String {
    held.values().filter_map(Value::as_str).for_each(log::note_secret);
    // Each value is JSON of its own.
    let texts: Map<String, Value> = held.iter().map(|(name, value)| (name.clone(), value.to_string().into())).collect();
    let mut jar = CookieJar::new();
    let key = Key::derive_from(SECRET_KEY.as_bytes());
    jar.private_mut(&key).add(Cookie::new("latchkey", Value::from(texts).to_string()));
    let cookie = jar.get("latchkey").expect("a cookie").clone();
    log::note_secret(cookie.value());
    sent_back(&cookie)
}

/// What stands in it, read with the key that every site of the tests has.
pub fn opened(cookie: &Cookie<'static>) -> Map<String, Value> {
    let mut jar = CookieJar::new();
    jar.add_original(cookie.clone());
    let key = Key::derive_from(SECRET_KEY.as_bytes());
    let opened = jar.private(&key).get(cookie.name()).expect("a cookie that opens");
    let held: Map<String, Value> = serde_json::from_str(opened.value()).expect("an object");
    // Each value is JSON of its own.
    let value = |text: &Value| serde_json::from_str(text.as_str().expect("text")).expect("a value");
    let held: Map<String, Value> = held.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    held.values().filter_map(Value::as_str).for_each(log::note_secret);
    held
}
