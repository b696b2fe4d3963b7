//! The HTTP server and the middleware around every request.

mod answer;
mod final_slash;
mod key_figures;
mod long_address;
pub mod metrics;
mod missing_ending;
mod offers;
mod process_figures;
pub mod request_log;
pub mod route;
pub mod routes;
pub mod static_files;

use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive, Protocol};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_session::storage::CookieSessionStore;
use actix_web::body::MessageBody;
use actix_web::cookie::{Key, SameSite};
use actix_web::dev::{AppConfig, Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::{FormConfig, PayloadConfig, ServiceConfig};
use actix_web::{Error, Scope, guard, web};

use self::missing_ending::ask_for_ending;
use self::offers::WithoutOffers;
use self::route::{At, at, exactly_at, has_ending};
use self::routes::{api, questions, well_known};
use crate::app::App;
use crate::callers::remembered_browser::{self, RememberedBrowsers};
use crate::config::public_url::PublicUrl;
use crate::config::secret_key::SecretKey;
use crate::forward_auth::cookies::session_cookie;
use crate::pages;

/// The largest body that is read. No form or document of Latchkey's comes close to it.
const LARGEST_BODY: usize = 64 * 1024;
/// How long a client may take to send the headers of a request.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// The shortest time that an idle connection stays open. actix-http reckons from a clock that lags half a second behind,
/// and never ends a time that has already passed by it.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_secs(1);
/// How long a client may take to close a connection that is closed here.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// How many seconds a shutdown waits for requests in flight.
const STOP_WITHIN: u64 = 30;
/// Nothing inline, and nothing from other sites.
const CONTENT_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                              form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// All routes, below the base path. A slash at the end of an address is taken away before they are looked at.
///
/// Actix tries one address after the other, and many need a regular expression. So what has an ending, such as `.json`, and
/// what has none are found without trying the others, and what is below an address only where the path begins with it.
fn routes(
    url: &PublicUrl,
    key: &SecretKey,
) -> Scope<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse, Error = Error, InitError = ()> + use<>,
> {
    // Where there is a base path, with a slash at the end or without.
    let home = at("").get(pages::elsewhere::own_account);
    let files = exactly_at("/static/{name}").get(static_files::show);
    let (data, health): (Vec<At>, Vec<At>) = api().into_iter().partition(At::has_ending);
    let (exports, pages): (Vec<At>, Vec<At>) = routes::pages().into_iter().partition(At::has_ending);
    let (below, questions): (Vec<At>, Vec<At>) = questions().into_iter().partition(|at| at.literal().is_some());
    let first = [home].into_iter().chain(health).chain(well_known()).chain(questions);
    let first = first.fold(web::scope(url.base_path()), |scope, at| scope.service(at));
    let first = below.into_iter().fold(first, |scope, at| {
        let beginning = [url.base_path(), at.literal().unwrap_or_default()].concat();
        let begins = guard::fn_guard(move |context| context.head().uri.path().starts_with(&beginning));
        scope.service(web::scope("").guard(begins).service(at))
    });
    let without_ending = guard::fn_guard(|context| !has_ending(context.head().uri.path()));
    let then = first.service(with_sessions(url, key, pages).guard(without_ending));
    let then = data.into_iter().chain([files]).fold(then, |scope, at| scope.service(at));
    then.service(with_sessions(url, key, exports)).wrap_fn(|mut request, next| {
        final_slash::ignore(&mut request);
        next.call(request)
    })
}

/// Pages, and an error page at every other address.
fn with_sessions(
    url: &PublicUrl,
    key: &SecretKey,
    pages: Vec<At>,
) -> Scope<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody + use<>>,
        Error = Error,
        InitError = (),
    > + use<>,
> {
    let scope = web::scope("").wrap(sessions(url, key)).wrap(from_fn(remembered_browser::set_cookie));
    let scope = scope.wrap(from_fn(ask_for_ending)).app_data(RememberedBrowsers::new(url, key));
    let scope = pages.into_iter().fold(scope, |scope, at| scope.service(at));
    scope.service(exactly_at("{anything:.*}").nothing_here())
}

/// The session cookie is encrypted and authenticated. It ends when the browser is closed or the session's token
/// expires.
fn sessions(url: &PublicUrl, key: &SecretKey) -> SessionMiddleware<CookieSessionStore> {
    // Over HTTPS the name of the cookie has the prefix `__Host-`, which requires the path `/`.
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

/// What browsers are told with every answer of an installation at `url`.
fn headers(url: &PublicUrl) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((X_FRAME_OPTIONS, "DENY"))
        // Not no-referrer, which makes browsers send `Origin: null` with our own forms.
        .add((REFERRER_POLICY, "same-origin"))
        .add((CACHE_CONTROL, "no-store"));
    // Only about this host: what else is below its name may not have https.
    if url.is_https() { headers.add((STRICT_TRANSPORT_SECURITY, "max-age=31536000")) } else { headers }
}

/// Adds all routes, and the data that an [`ApiUser`](crate::callers::api_user::ApiUser) extractor needs, to another
/// actix-web application. With `LATCHKEY_URL=https://example.org/keys` they are below `/keys`. See `examples/embed.rs`.
pub fn mount<'a>(app: &'a web::Data<App>, key: &'a SecretKey) -> impl FnOnce(&mut ServiceConfig) + use<'a> {
    move |config| {
        let limits = (PayloadConfig::new(LARGEST_BODY), FormConfig::default().limit(LARGEST_BODY));
        let routes = routes(&app.url, key).app_data(limits.0).app_data(limits.1);
        config.app_data(app.clone()).service(routes.wrap(headers(&app.url)).wrap(from_fn(request_log::log)));
    }
}

/// Serves on `listener` until it is stopped; requests in flight are then completed first. The caller handles signals,
/// and must call [`Recorder::stop`](crate::recorder::Recorder::stop) afterwards.
///
/// # Errors
/// Returns an error if the operating system cannot start a thread.
pub fn serve(app: web::Data<App>, key: SecretKey, listener: TcpListener) -> std::io::Result<Server> {
    let server = Server::build().disable_signals().shutdown_timeout(STOP_WITHIN);
    let stop = server.graceful_shutdown_signal();
    let keep_alive = match app.config.keep_alive.duration() {
        Duration::ZERO => KeepAlive::Disabled,
        duration => KeepAlive::Timeout(duration.max(SHORTEST_KEEP_ALIVE)),
    };
    // What actix_web::HttpServer does, which gives nobody its connections before it reads from them.
    let server = server.listen("latchkey", listener, move || {
        let stop = stop.clone();
        let stopping = move || {
            let stop = stop.clone();
            async move { stop.notified().await }
        };
        let application = actix_web::App::new()
            .app_data(app.clone())
            .app_data(PayloadConfig::new(LARGEST_BODY))
            .app_data(FormConfig::default().limit(LARGEST_BODY))
            .wrap(headers(&app.url))
            .wrap(from_fn(request_log::log))
            .service(routes(&app.url, &key));
        let application = application.into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(stopping)
            .keep_alive(keep_alive)
            .client_request_timeout(HEADERS_WITHIN)
            .client_disconnect_timeout(CLOSE_WITHIN)
            .finish(map_config(application, |()| AppConfig::default()));
        fn_service(|stream: TcpStream| async {
            let peer = stream.peer_addr().ok();
            Ok((WithoutOffers::on(stream), Protocol::Http1, peer))
        })
        .and_then(http)
    });
    Ok(server?.run())
}
