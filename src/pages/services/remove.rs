//! `/admin/services/ID/remove`: asks first, and says which keys lose what.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{path_of, service};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::posted_form::NoFields;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::overview::{Dependents, ServiceOverview};
use crate::models::services::service::Service;
use crate::pages::count;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "services/remove.html")]
struct RemovePage {
    shell: Shell,
    path: String,
    name: String,
    title: String,
    place: String,
    /// Which keys lose what.
    loss: String,
    last_used: Option<Moment>,
    is_closed: bool,
    again: PasswordAgain,
}

impl RemovePage {
    fn new(app: &App, shell: Shell, whole: ServiceOverview, again: PasswordAgain) -> Self {
        let ServiceOverview { service, settings, dependents } = whole;
        Self {
            shell,
            path: path_of(service.id),
            place: service.place(),
            loss: loss(&service.name, &dependents),
            last_used: dependents.last_used_on.map(|time| Moment::new(time, app.clock.now())),
            is_closed: service.kept_in.is_closed(),
            name: service.name,
            title: settings.title,
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// `GET /admin/services/ID/remove`
///
/// # Errors
/// 403 for others; there is none with this id; it stands in the file; those of the database.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let whole = service(&app, &request).await?;
    if !whole.service.kept_in.can_be_removed() {
        return Err(ServiceRefusal::InFile(whole.service.name).into());
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &RemovePage::new(&app, shell, whole, again))
}

/// `POST /admin/services/ID/remove`
///
/// # Errors
/// 403 for others; there is none with this id; it stands in the file; too many wrong passwords; hashing is busy; those
/// of the database.
pub async fn remove(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let whole = service(&app, &request).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = RemovePage::new(&app, shell, whole, PasswordAgain::refused(why));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let id = whole.service.id;
    mandate.write(move |tx| Service::remove(tx, id)).await??;
    Ok(see_other_with(&app, "/admin/services", Flash::ServiceRemoved))
}

fn loss(name: &str, dependents: &Dependents) -> String {
    let keys = |number: usize| count(number, "key");
    let whose = match dependents.people {
        1 => "of 1 person".to_owned(),
        several => format!("of {several} people"),
    };
    let lose = |number: usize| if number == 1 { "loses" } else { "lose" };
    match (dependents.reading_keys, dependents.writing_keys) {
        (0, 0) => format!("No key has a scope of {name}, so no key changes."),
        (0, writing) => format!("{} {whose} {} service:{name}:write.", keys(writing), lose(writing)),
        (reading, 0) => format!("{} {whose} {} service:{name}:read.", keys(reading), lose(reading)),
        (reading, writing) => format!(
            "{} {whose} {lose_all}: {} service:{name}:write, {} service:{name}:read.",
            keys(reading + writing),
            keys(writing),
            keys(reading),
            lose_all = "lose their scopes"
        ),
    }
}
