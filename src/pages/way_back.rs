//! The way back to where somebody was before they signed in: to a page of ours, never a way out (an open redirect).

use actix_web::HttpRequest;
use actix_web::http::header::HOST;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::app::App;
use crate::auth::credentials::{key_parameter, without_key};

/// Pages that nobody wants to come back to.
const NOT_TAKEN: [&str; 2] = ["/login", "/logout"];

/// The address to return to after signing in, from what was sent with `request`: `back_url`, if it is that of a page of
/// ours. Keys in it are removed. `None`: it is none.
pub fn way_back(app: &App, request: &HttpRequest, back_url: &str) -> Option<String> {
    // Browsers leave out control characters, and fold others; no address of ours has them.
    if back_url.chars().any(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
        return None;
    }
    let base = Url::parse(app.url.origin()).ok()?;
    // As a browser reads it: with backslashes as slashes, for example. But only whole paths and whole addresses count.
    let target = if back_url.starts_with('/') { base.join(back_url) } else { Url::parse(back_url) }.ok()?;
    let has_host = target.origin() == base.origin() || is_host_of(request, &target);
    (has_host && !climbs(back_url) && is_page_of_ours(app, target.path())).then(|| without_keys(&target))
}

/// Whether `target` is on the host by which the browser reached us. That may be another than the public one, such as
/// localhost.
fn is_host_of(request: &HttpRequest, target: &Url) -> bool {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).filter(|host| !host.is_empty());
    let ours = host.and_then(|host| Url::parse(&format!("{}://{host}", target.scheme())).ok());
    ["http", "https"].contains(&target.scheme()) && ours.is_some_and(|ours| ours.origin() == target.origin())
}

/// Whether a path has a segment `..`, however often its dots, slashes and backslashes are encoded. Proxies decode a path
/// once more before they resolve it.
fn climbs(address: &str) -> bool {
    let mut path = address.split(['?', '#']).next().unwrap_or_default().to_owned();
    loop {
        if path.split(['/', '\\']).any(|segment| segment == "..") {
            return true;
        }
        let decoded = percent_decode_str(&path).decode_utf8_lossy().into_owned();
        if decoded == path {
            return false;
        }
        path = decoded;
    }
}

fn is_page_of_ours(app: &App, path: &str) -> bool {
    let below_us = path.strip_prefix(app.url.base_path()).filter(|rest| rest.starts_with('/'));
    below_us.is_some_and(|rest| {
        let decoded = percent_decode_str(rest).decode_utf8_lossy();
        // A browser would take what follows two slashes for a host.
        !path.starts_with("//") && !NOT_TAKEN.contains(&decoded.trim_end_matches('/'))
    })
}

/// The path, query and fragment of an address, without keys.
fn without_keys(target: &Url) -> String {
    let part = |mark: &str, text: Option<&str>| match text {
        Some(text) if !text.is_empty() => format!("{mark}{text}"),
        _ => String::new(),
    };
    let query = target.query().map(without_key);
    // A fragment is no query, but somebody may have put a key into it.
    let fragment = target.fragment().filter(|fragment| key_parameter(fragment).is_none());
    target.path().to_owned() + &part("?", query.as_deref()) + &part("#", fragment)
}
