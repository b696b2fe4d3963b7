//! `/my/service-accounts/ID/activity`: what happened to a service account and its keys, for its owners.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};

use crate::app::App;
use crate::callers::service_account::path_of;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::pages::activity::{Whose, page_of};
use crate::pages::shell::Shell;

/// `GET /my/service-accounts/ID/activity`
///
/// # Errors
/// Returns 404 for anybody who does not own it, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let own = path_of(me.user.id);
    let whose = Whose { path: format!("{own}/activity"), back: format!("{own}/tokens"), name: me.user.lastname };
    page_of(&app, &request, Shell::of(&app, &request, &session)?, me.user.id, Some(whose)).await
}
