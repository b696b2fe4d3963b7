//! `/admin/services/ID`: one service, whose settings can be changed here unless they are kept in the file.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::proxies::Proxy;
use super::settings::{Fact, ServiceForm, facts};
use super::{keys_in_words, path_of, service};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::rules::FieldError;
use crate::models::services::administration::ServiceRefusal;
use crate::models::services::overview::ServiceOverview;
use crate::models::services::service::Service;
use crate::models::services::settings::ServiceField;
use crate::pages::form::PasswordAgain;
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

/// What may have been done to it just before.
const NOTICES: &[Flash] = &[Flash::ServiceAdded, Flash::ServiceChanged];

#[derive(Template)]
#[template(path = "services/service.html")]
struct ServicePage {
    shell: Shell,
    path: String,
    name: String,
    title: String,
    keys: String,
    last_used: Option<Moment>,
    /// The form; `None`: it is kept in the file.
    fields: Option<ServiceForm>,
    /// The settings as they are.
    facts: Vec<Fact>,
    is_closed: bool,
    can_be_removed: bool,
    /// Whether somebody else has changed it since the form was opened.
    is_outdated: bool,
    again: PasswordAgain,
}

impl ServicePage {
    /// The page with `form` in it, as it was sent; `None`: as the service is.
    fn new(
        app: &App,
        shell: Shell,
        whole: ServiceOverview,
        form: Option<ServiceForm>,
        errors: &[FieldError<ServiceField>],
    ) -> Self {
        let ServiceOverview { service, settings, dependents } = whole;
        let is_kept_here = service.kept_in.can_be_changed();
        Self {
            shell,
            path: path_of(service.id),
            name: service.name.clone(),
            title: settings.title.clone(),
            keys: keys_in_words(&dependents),
            last_used: dependents.last_used_on.map(|time| Moment::new(time, app.clock.now())),
            facts: facts(&service, &settings),
            is_closed: service.kept_in.is_closed(),
            can_be_removed: service.kept_in.can_be_removed(),
            is_outdated: false,
            again: PasswordAgain::default(),
            fields: is_kept_here.then(|| {
                let form = form.unwrap_or_else(|| ServiceForm::of(&service, settings));
                form.seeing(&service).with_errors(errors)
            }),
        }
    }

    fn proxies(&self) -> [Proxy; 4] {
        Proxy::ALL
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.again.error_summary_after(self.fields.as_ref().map_or(&[], |fields| &fields.error_summary))
    }
}

/// `GET /admin/services/ID`
///
/// # Errors
/// 403 for others; there is none with this id; those of the database.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let whole = service(&app, &request).await?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, NOTICES);
    let again = PasswordAgain::of(&app, &me.token);
    page(StatusCode::OK, &ServicePage { again, ..ServicePage::new(&app, shell, whole, None, &[]) })
}

/// `POST /admin/services/ID`
///
/// # Errors
/// 403 for others; there is none with this id; it is kept in the file; too many wrong passwords; hashing is busy; those
/// of the database.
pub async fn change(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, ServiceForm>,
) -> Result<HttpResponse, AppError> {
    let (id, changes) = (id_of(&request)?, sensitive.form.changes()?);
    let confirmed = sensitive.confirm(&app, &request).await?;
    let form = sensitive.form;
    let mandate = match confirmed {
        Ok(mandate) => mandate,
        Err(why) => {
            let (whole, shell) = (service(&app, &request).await?, Shell::of(&app, &request, &session)?);
            let again = PasswordAgain::refused(why);
            let shown = ServicePage { again, ..ServicePage::new(&app, shell, whole, Some(form), &[]) };
            return page(StatusCode::UNPROCESSABLE_ENTITY, &shown);
        }
    };
    let changed = mandate.write(move |tx| Service::change(tx, id, &changes)).await?;
    let (status, errors) = match changed {
        Ok(_) => return Ok(see_other_with(&app, &path_of(id), Flash::ServiceChanged)),
        Err(ServiceRefusal::Invalid(errors)) => (StatusCode::UNPROCESSABLE_ENTITY, errors),
        Err(ServiceRefusal::ChangedMeanwhile) => (StatusCode::CONFLICT, Vec::new()),
        Err(refusal) => return Err(refusal.into()),
    };
    let whole = service(&app, &request).await?;
    let shell = Shell::of(&app, &request, &session)?;
    let is_outdated = status == StatusCode::CONFLICT;
    let again = ServicePage { is_outdated, ..ServicePage::new(&app, shell, whole, Some(form), &errors) };
    page(status, &again)
}
