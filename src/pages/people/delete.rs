//! `/admin/users/ID/delete`: asks for confirmation first, and says what goes with the person.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Holdings, full_name, holdings, path_of, person};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::posted_form::NoFields;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::people::administration;
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::user::{User, UserStatus};
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::keys::KeyPanel;
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page, see_other_with};
use crate::pages::tokens::shown::ShownToken;

#[derive(Template)]
#[template(path = "people/delete.html")]
struct DeletePage {
    shell: Shell,
    path: String,
    name: String,
    keys: Vec<KeyPanel>,
    tokens: Vec<ShownToken>,
    /// How many keys go with the person.
    count: usize,
    /// The latest use of any of the keys.
    latest_use: Option<Moment>,
    is_locked: bool,
    again: PasswordAgain,
}

impl DeletePage {
    async fn of(app: &App, shell: Shell, user: &User, again: PasswordAgain) -> Result<Self, AppError> {
        let Holdings { keys, tokens, latest_use, .. } = holdings(app, user).await?;
        let keys: Vec<KeyPanel> = keys.into_iter().filter(|panel| panel.key.is_some()).collect();
        Ok(Self {
            shell,
            path: path_of(user.id),
            name: full_name(user),
            count: keys.len() + tokens.len(),
            keys,
            tokens,
            latest_use,
            is_locked: user.status == UserStatus::Locked,
            again,
        })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// `GET /admin/users/ID/delete`
///
/// # Errors
/// Returns 422 for one's own account, 403 for anybody who is not an administrator, 404 if nobody has this id, or an
/// error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == me.user.id {
        return Err(PersonRefusal::OwnAccount.into());
    }
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &DeletePage::of(&app, shell, &user, again).await?)
}

/// `POST /admin/users/ID/delete`
///
/// # Errors
/// Returns 422 for one's own account, 403 for anybody who is not an administrator, 404 if nobody has this id, 429 after
/// too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn delete(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, NoFields>,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = DeletePage::of(&app, shell, &user, PasswordAgain::refused(why)).await?;
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    mandate.write_about(user.id, move |tx| administration::delete(tx, user.id)).await??;
    Ok(see_other_with(&app, "/admin/users", Flash::PersonDeleted))
}
