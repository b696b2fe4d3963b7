//! The HTTP server: what surrounds every request, and the whole table of routes.

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

use crate::api;
use crate::app::App;
use crate::auth::cookies::session_cookie;
use crate::config::{PublicUrl, SecretKey};
use crate::pages;
use crate::request_log;
use crate::resource::{At, at};
use crate::static_files;

/// The largest body that is read: no form and no document of ours comes near.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a client may take to send a request's headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// How long requests in flight are waited for at a stop, in seconds.
const STOP_WITHIN: u64 = 30;
/// Nothing inline, nothing from elsewhere.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                              form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What programs call, by key or password, and what watches the process.
pub fn api() -> Vec<At> {
    vec![
        at("/healthz").get(api::health::healthz),
        at("/readyz").get(api::health::readyz),
        at("/openapi.json").get(api::openapi::show),
        at("/users/current.{format:json|xml}").get(api::users::current),
        at("/users.{format:json|xml}").get(api::users::list).post(api::users::create),
        at("/users/{id:[0-9]+}.{format:json|xml}")
            .get(api::users::show)
            .put(api::users::update)
            .delete(api::users::delete),
        at("/my/account.{format:json|xml}").get(api::account::show).put(api::account::update),
        at("/my/tokens.json").get(api::tokens::list).post(api::tokens::create).with_problems(),
        at("/my/tokens/current.json").get(api::tokens::current).delete(api::tokens::revoke_current).with_problems(),
        at("/my/tokens/{id}.json")
            .get(api::tokens::show)
            .patch(api::tokens::update)
            .delete(api::tokens::revoke)
            .with_problems(),
        at("/my/tokens/{id}/rotate.json").post(api::tokens::rotate).with_problems(),
        at("/admin/services.json").get(api::services::list).post(api::services::create).with_problems(),
        at("/admin/services/{id}.json")
            .get(api::services::show)
            .patch(api::services::update)
            .delete(api::services::remove)
            .with_problems(),
        at("/my/tokens/{id}/services.json").get(api::tokens::services).with_problems(),
        at("/activity.atom").get(api::activity::feed),
        at("/revoke.json").post(api::revoke::revoke).with_problems(),
    ]
}

/// What reverse proxies ask about the requests to services.
pub fn questions() -> Vec<At> {
    vec![
        at("/auth/nginx").get(api::forward_auth::nginx).with_problems(),
        at("/auth/forwarded").get(api::forward_auth::forwarded).with_problems(),
        at("/auth/envoy{rest:.*}").any(api::forward_auth::envoy).with_problems(),
    ]
}

/// What people look at, by session.
pub fn pages() -> Vec<At> {
    vec![
        at("/").get(pages::account::home),
        at("/login").get(pages::sign_in::show).post(pages::sign_in::sign_in),
        at("/logout").post(pages::sign_in::sign_out),
        at("/my/account").get(pages::account::show).post(pages::account::save),
        at("/my/password").get(pages::password::show).post(pages::password::change),
        at("/my/api_key").get(pages::keys::ask_api).post(pages::keys::make_api),
        at(pages::service_uses::OF_API_KEY).get(pages::service_uses::show),
        at("/my/atom_key").get(pages::keys::ask_atom).post(pages::keys::make_atom),
        at("/my/notices/{id:[0-9]+}").post(pages::notices::seen),
        at("/my/tokens").get(pages::tokens::list::show).post(pages::tokens::new::create),
        at("/my/tokens/new").get(pages::tokens::new::show),
        at("/my/tokens/{id:[0-9]+}").get(pages::tokens::token::show).post(pages::tokens::token::change),
        at("/my/tokens/{id:[0-9]+}/rotate").get(pages::tokens::rotate::ask).post(pages::tokens::rotate::rotate),
        at("/my/tokens/{id:[0-9]+}/revoke").get(pages::tokens::revoke::ask).post(pages::tokens::revoke::revoke),
        at("/activity").get(pages::activity::show),
        at("/revoke").get(pages::leak::show).post(pages::leak::report),
        // Administrators, about everybody and every service.
        at("/admin/users").get(pages::people::list::show),
        at("/admin/users/new").get(pages::people::add::show).post(pages::people::add::add),
        at("/admin/users/{id:[0-9]+}").get(pages::people::person::show),
        at("/admin/users/{id:[0-9]+}/lock").get(pages::people::status::ask_lock).post(pages::people::status::lock),
        at("/admin/users/{id:[0-9]+}/unlock")
            .get(pages::people::status::ask_unlock)
            .post(pages::people::status::unlock),
        at("/admin/users/{id:[0-9]+}/password").get(pages::people::password::show).post(pages::people::password::set),
        at("/users/{id:[0-9]+}").get(pages::people::person::home),
        at("/admin/services").get(pages::services::list::show),
        at("/admin/services/new").get(pages::services::add::show).post(pages::services::add::add),
        at("/admin/services/{id:[0-9]+}").get(pages::services::service::show).post(pages::services::service::change),
        at("/admin/services/{id:[0-9]+}/remove")
            .get(pages::services::remove::ask)
            .post(pages::services::remove::remove),
    ]
}

/// Every address that is answered, below the base path.
fn routes(url: &PublicUrl, key: &SecretKey) -> Scope {
    // The public URL as people type it: without the slash at the end of its path.
    let home = at("").get(pages::account::home);
    let files = at("/static/{name}").get(static_files::show);
    let outside = [home, files].into_iter().chain(api()).chain(questions());
    let outside = outside.fold(web::scope(url.base_path()), |scope, at| scope.service(at));
    let inside = pages().into_iter().fold(web::scope("").wrap(sessions(url, key)), |scope, at| scope.service(at));
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

/// Puts every address of ours, and what handlers need that ask for an [`ApiUser`](crate::auth::api_user::ApiUser), into
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
