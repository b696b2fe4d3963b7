//! `/admin/services`: every service.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::settings::who_reads;
use super::{keys_in_words, path_of, state_label};
use crate::app::App;
use crate::callers::session_user::AdminSession;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::settings::Admitted;
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page};

#[derive(Template)]
#[template(path = "services/list.html")]
struct ListPage {
    shell: Shell,
    services: Vec<Row>,
    count: String,
}

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

/// `GET /admin/services`
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
    let services: Vec<Row> = all.into_iter().map(|service| Row::new(&service.with_uses(&pending), now)).collect();
    let count = match services.len() {
        1 => "1 service".to_owned(),
        several => format!("{several} services"),
    };
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::ServiceRemoved]);
    page(StatusCode::OK, &ListPage { shell, services, count })
}

impl Row {
    fn new(ServiceOverview { service, settings, dependents }: &ServiceOverview, now: Timestamp) -> Self {
        Self {
            path: path_of(service.id),
            name: service.name.clone(),
            title: settings.title.clone(),
            place: service.place(),
            state: state_label(service),
            may_read: who_reads(settings, Admitted::in_words),
            may_write: settings.writers.in_words(),
            keys: keys_in_words(dependents),
            last_used: dependents.last_used_on.map(|time| Moment::new(time, now)),
        }
    }
}
