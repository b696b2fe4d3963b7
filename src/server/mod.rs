//! The HTTP server: what surrounds every request.

mod answer;
pub mod metrics;
pub mod request_log;
pub mod route;
pub mod routes;
pub mod static_files;

use std::net::TcpListener;
use std::time::Duration;

use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::Server;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{FormConfig, PayloadConfig, ServiceConfig};
use actix_web::{HttpServer, Scope, web};

use self::route::at;
use self::routes::{api, questions};
use crate::app::App;
use crate::config::public_url::PublicUrl;
use crate::config::secret_key::SecretKey;
use crate::forward_auth::cookies::session_cookie;
use crate::pages;

/// The largest body that is read: no form and no document of ours comes near.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a client may take to send a request's headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long requests in flight are waited for at a stop, in seconds.
const STOP_WITHIN: u64 = 30;
/// Nothing inline, nothing from elsewhere.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                              form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every address that is answered, below the base path.
fn routes(url: &PublicUrl, key: &SecretKey) -> Scope {
    // The public URL as people type it: without the slash at the end of its path.
    let home = at("").get(pages::account::home);
    let files = at("/static/{name}").get(static_files::show);
    let outside = [home, files].into_iter().chain(api()).chain(questions());
    let outside = outside.fold(web::scope(url.base_path()), |scope, at| scope.service(at));
    let inside =
        routes::pages().into_iter().fold(web::scope("").wrap(sessions(url, key)), |scope, at| scope.service(at));
    outside.service(inside.service(at("{anything:.*}").nothing_here()))
}

/// The cookie: encrypted and authenticated; it ends with the browser, or with the session's token.
fn sessions(url: &PublicUrl, key: &SecretKey) -> SessionMiddleware<CookieSessionStore> {
    // The prefix of the name over https asks for this path.
    let path = if url.is_https() || url.base_path().is_empty() { "/" } else { url.base_path() };
    SessionMiddleware::builder(CookieSessionStore::default(), Key::derive_from(key.as_bytes()))
        .cookie_content_security(CookieContentSecurity::Private)
        .session_lifecycle(BrowserSession::default())
        .cookie_name(session_cookie(url.is_https()).to_owned())
        .cookie_path(path.to_owned())
        .cookie_secure(url.is_https())
        .cookie_http_only(true)
        .cookie_same_site(SameSite::Lax)
        .build()
}

fn headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((X_FRAME_OPTIONS, "DENY"))
        // Not no-referrer, which makes browsers send `Origin: null` with our own forms.
        .add((REFERRER_POLICY, "same-origin"))
        .add((CACHE_CONTROL, "no-store"))
}

/// Puts every address of ours, and what handlers need that ask for an [`ApiUser`](crate::callers::api_user::ApiUser), into
/// another application of actix-web's: with `LATCHKEY_URL=https://example.org/keys` below `/keys`. `examples/embed.rs`
/// is one.
pub fn mount<'a>(app: &'a web::Data<App>, key: &'a SecretKey) -> impl FnOnce(&mut ServiceConfig) + use<'a> {
    move |config| {
        let limits = (PayloadConfig::new(LARGEST_BODY), FormConfig::default().limit(LARGEST_BODY));
        let routes = routes(&app.url, key).app_data(limits.0).app_data(limits.1);
        config.app_data(app.clone()).service(routes.wrap(headers()).wrap(from_fn(request_log::log)));
    }
}

/// Answers on `listener` until it is told to stop; it then ends the requests in flight first. Signals are the
/// caller's to handle, and so is [`Recorder::stop`](crate::recorder::Recorder::stop) after the end.
///
/// # Errors
/// If the operating system gives no threads.
pub fn serve(app: web::Data<App>, key: SecretKey, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        actix_web::App::new()
            .app_data(app.clone())
            .app_data(PayloadConfig::new(LARGEST_BODY))
            .app_data(FormConfig::default().limit(LARGEST_BODY))
            .wrap(headers())
            .wrap(from_fn(request_log::log))
            .service(routes(&app.url, &key))
    });
    let server = server.disable_signals().shutdown_timeout(STOP_WITHIN).client_request_timeout(HEADERS_WITHIN);
    Ok(server.listen(listener)?.run())
}
