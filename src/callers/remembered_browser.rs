//! A cookie that says who has signed in with this browser before. It lets nobody in: wrong passwords from the browser are
//! only counted apart from those of strangers, who so cannot keep its owner out (OWASP calls it a device cookie). It is
//! sent to the sign-in page alone, and stays when its owner signs out.

use actix_web::body::MessageBody;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, CookieJar, Key, SameSite};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpRequest};
use chrono::TimeDelta;

use crate::clock::Timestamp;
use crate::config::public_url::PublicUrl;
use crate::config::secret_key::SecretKey;
use crate::secret::{Digest, Secret, random_base62};

/// The name of the cookie over https. `__Secure-` and not `__Host-`, as it is for the sign-in page alone.
pub const OVER_HTTPS: &str = "__Secure-latchkey-browser";
/// The name of the cookie over http.
pub const OVER_HTTP: &str = "latchkey-browser";
/// How long a browser is remembered after a sign-in.
const DAYS: i64 = 180;

/// How the cookie is written and read.
pub struct RememberedBrowsers {
    key: Key,
    path: String,
    name: &'static str,
    is_https: bool,
}

/// A cookie that the answer sets.
struct Remembered(Cookie<'static>);

impl RememberedBrowsers {
    /// Cookies for the sign-in page below `url`, encrypted with `key`.
    pub fn new(url: &PublicUrl, key: &SecretKey) -> Self {
        let name = if url.is_https() { OVER_HTTPS } else { OVER_HTTP };
        Self { key: Key::derive_from(key.as_bytes()), path: url.path("/login"), name, is_https: url.is_https() }
    }

    fn cookie(&self, user_id: i64, now: Timestamp) -> Cookie<'static> {
        let value = format!("{user_id} {} {}", now.and_utc().timestamp(), random_base62(20));
        let cookie = Cookie::build(self.name, value)
            .path(self.path.clone())
            .secure(self.is_https)
            .http_only(true)
            .same_site(SameSite::Lax)
            .max_age(Duration::days(DAYS))
            .finish();
        let mut jar = CookieJar::new();
        jar.private_mut(&self.key).add(cookie.clone());
        jar.get(cookie.name()).cloned().unwrap_or(cookie)
    }

    fn mark(&self, request: &HttpRequest, user_id: i64, now: Timestamp) -> Option<Digest> {
        let sent = request.cookie(self.name)?;
        let opened = CookieJar::new().private(&self.key).decrypt(sent)?;
        let mut parts = opened.value().split(' ');
        let whose: i64 = parts.next()?.parse().ok()?;
        let since: i64 = parts.next()?.parse().ok()?;
        let age = TimeDelta::try_seconds(now.and_utc().timestamp().checked_sub(since)?)?;
        (whose == user_id && age <= TimeDelta::days(DAYS)).then(|| Secret::presented(opened.value()).digest())
    }
}

/// What tells this browser from others, if the person has signed in with it not long ago.
pub(super) fn mark_of(request: &HttpRequest, user_id: i64, now: Timestamp) -> Option<Digest> {
    request.app_data::<RememberedBrowsers>()?.mark(request, user_id, now)
}

/// Has the answer remember that the person has signed in with this browser.
pub fn remember(request: &HttpRequest, user_id: i64, now: Timestamp) {
    if let Some(browsers) = request.app_data::<RememberedBrowsers>() {
        request.extensions_mut().insert(Remembered(browsers.cookie(user_id, now)));
    }
}

/// Sets the cookie, after that of the session.
///
/// # Errors
/// Returns the error of whatever answers.
pub async fn set_cookie<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let mut response = next.call(request).await?;
    let remembered = response.request().extensions_mut().remove::<Remembered>();
    let cookie = remembered.and_then(|Remembered(cookie)| HeaderValue::try_from(cookie.encoded().to_string()).ok());
    if let Some(cookie) = cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}
