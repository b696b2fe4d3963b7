//! `/admin/services`: every service.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::settings::who_reads;
use super::{keys_in_words, path_of};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::natural::natural_key;
use crate::models::services::admitted::Admitted;
use crate::models::services::overview::ServiceOverview;
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page};

#[derive(Template)]
#[template(path = "services/list.html")]
struct ListPage {
    shell: Shell,
    services: Vec<Row>,
    count: String,
    /// Whether there are any services, found or not.
    are_there_any: bool,
    /// What is looked for; `None` if there are so few services that nobody has to search.
    search: Option<String>,
}

/// So many services are found without a search.
const FEW: usize = 5;

struct Row {
    path: String,
    name: String,
    title: String,
    place: String,
    state: Option<&'static str>,
    may_read: String,
    may_write: String,
    keys: String,
    last_used: Option<Moment>,
}

/// `GET /admin/services`, with the parameter `name`
///
/// # Errors
/// 403 for others; those of the database.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let pending = app.recorder.service_uses.latest();
    let all = app.database.read(ServiceOverview::of_all).await?;
    let now = app.clock.now();
    let search = parameter(request.query_string(), "name").unwrap_or_default().trim().to_owned();
    let (are_there_any, are_many) = (!all.is_empty(), all.len() > FEW);
    let found = all.into_iter().filter(|service| is_found(service, &search));
    let mut services: Vec<Row> = found.map(|service| Row::new(&service.with_uses(&pending), now)).collect();
    services.sort_by_cached_key(|service| (natural_key(&service.title), service.name.clone()));
    let count = match services.len() {
        1 => "1 service".to_owned(),
        several => format!("{several} services"),
    };
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::ServiceRemoved]);
    let search = (are_many || !search.is_empty()).then_some(search);
    page(StatusCode::OK, &ListPage { shell, services, count, are_there_any, search })
}

/// Whether what is looked for stands in the title, the name or the place of the service, whatever the case.
fn is_found(ServiceOverview { service, settings, .. }: &ServiceOverview, search: &str) -> bool {
    let search = search.to_lowercase();
    [&settings.title, &service.name, &service.place()].iter().any(|text| text.to_lowercase().contains(&search))
}

impl Row {
    fn new(ServiceOverview { service, settings, dependents }: &ServiceOverview, now: Timestamp) -> Self {
        Self {
            path: path_of(service.id),
            name: service.name.clone(),
            title: settings.title.clone(),
            place: service.place(),
            state: service.kept_in.label(),
            may_read: who_reads(settings, Admitted::in_words),
            may_write: settings.writers.in_words(),
            keys: keys_in_words(dependents),
            last_used: dependents.last_used_on.map(|time| Moment::new(time, now)),
        }
    }
}
