//! Visitors who come by http where `LATCHKEY_URL` begins with https: browsers drop the session cookie there, so the right
//! password would lead back to an empty form.

use actix_web::HttpRequest;
use actix_web::http::header::ORIGIN;

use crate::app::App;
use crate::config::bind_address::is_loopback;

/// What a trusted proxy says of its own connection to the browser.
const FORWARDED_PROTO: &str = "X-Forwarded-Proto";
/// Browsers send this by https only, and to their own machine.
const FETCH_SITE: &str = "Sec-Fetch-Site";

/// What a request says of the connection to the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameBy {
    /// By https, or the cookie needs none.
    Https,
    /// By http, so that no browser keeps the cookie.
    Http,
    /// The request does not say, or came from this machine, where most browsers keep the cookie by http, too.
    Unsaid,
}

impl CameBy {
    /// What `request` says.
    pub fn of(app: &App, request: &HttpRequest) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let origin = header(ORIGIN.as_str()).and_then(|origin| origin.split_once("://"));
        match origin {
            _ if !app.url.is_https() => Self::Https,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => Self::Https,
            Some((_, authority)) if is_this_machine(authority) => Self::Unsaid,
            Some(_) => Self::Http,
            None if header(FETCH_SITE).is_none() && proxy_says_http(app, request) => Self::Http,
            None => Self::Unsaid,
        }
    }
}

fn is_this_machine(authority: &str) -> bool {
    let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let host = authority.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(authority, |(host, _)| host);
    is_loopback(host.trim_matches(['[', ']']))
}

/// Whether the connection comes from a trusted proxy, which was reached by http. Of several proxies, the last one wrote
/// the last word.
fn proxy_says_http(app: &App, request: &HttpRequest) -> bool {
    let said = request.headers().get_all(FORWARDED_PROTO).last().and_then(|value| value.to_str().ok());
    let last = said.and_then(|said| said.rsplit(',').next());
    app.addresses.is_from_trusted_proxy(request) && last.is_some_and(|it| it.trim().eq_ignore_ascii_case("http"))
}
