//! `/admin/services/ID/proxy`: the settings of the reverse proxy for a service, ready to copy.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::proxies::{OwnPlace, Place, Proxied, Proxy, Settings};
use super::{path_of, service};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::forward_auth::own_host;
use crate::http::error::AppError;
use crate::models::services::service::{Service, ServiceLookup};
use crate::pages::shell::{Shell, page};

#[derive(Template)]
#[template(path = "services/proxy.html")]
struct ProxyPage {
    shell: Shell,
    path: String,
    title: String,
    host: String,
    proxy: Proxy,
    /// Why there are no settings; empty: there are.
    obstacle: &'static str,
    /// Whether Latchkey knows its own host.
    knows_own_host: bool,
    /// Whether Latchkey answers any proxy.
    trusts_proxies: bool,
    proxied: Proxied,
    files: Vec<Settings>,
}

impl ProxyPage {
    fn proxies(&self) -> [Proxy; 4] {
        Proxy::ALL
    }

    fn places(&self) -> &[Place] {
        self.proxied.places_for(self.proxy)
    }

    /// Whether the settings are about other services as well.
    fn is_shared(&self) -> bool {
        self.places().len() > 1
    }

    fn leaves_key(&self) -> bool {
        self.proxied.leaves_key(self.proxy)
    }
}

/// Why no proxy can be answered about the service, whatever is sent; empty: one can.
pub(super) fn obstacle(app: &App, service: &Service) -> &'static str {
    if service.kept_in.is_closed() {
        "This service is closed, so Latchkey refuses every request to it."
    } else if own_host(app).as_ref() == Some(&service.settings.host) {
        "This is the host of Latchkey itself (LATCHKEY_URL), where it answers no proxy. Give one of them another host."
    } else {
        ""
    }
}

/// Whether Latchkey answers any proxy.
pub(super) fn trusts_proxies(app: &App) -> bool {
    !app.config.trusted_proxies.is_empty()
}

/// `GET /admin/services/ID/proxy`; `for` names the proxy.
///
/// # Errors
/// 403 for others; there is no such service or proxy; those of the database.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let named = parameter(request.query_string(), "for").unwrap_or_else(|| Proxy::Nginx.as_str().to_owned());
    let proxy = Proxy::of_text(&named).ok_or(AppError::NotFound)?;
    let service = service(&app, &request).await?.service;
    let host = service.settings.host.clone();
    let open = app.services.look_up(ServiceLookup { host: host.clone(), visitor: None }).await?;
    let open: Vec<Service> = open.into_iter().map(|(service, _)| service).collect();
    let latchkey = OwnPlace::of(&app);
    let obstacle = obstacle(&app, &service);
    let proxied = Proxied::new(latchkey, &service, &open);
    let files = if obstacle.is_empty() { proxied.settings(proxy)? } else { Vec::new() };
    let shown = ProxyPage {
        shell: Shell::of(&app, &request, &session)?,
        path: path_of(service.id),
        title: service.settings.title.clone(),
        knows_own_host: app.config.url.is_some(),
        trusts_proxies: trusts_proxies(&app),
        host,
        proxy,
        obstacle,
        proxied,
        files,
    };
    page(StatusCode::OK, &shown)
}
