//! `/admin/users/ID/activity`: the activity of somebody else, as they see it themselves.

use actix_session::Session;
use actix_web::{HttpRequest, HttpResponse, web};

use super::{full_name, path_of, person};
use crate::app::App;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::pages::activity::{Whose, page_of};
use crate::pages::shell::{Shell, see_other};

/// `GET /admin/users/ID/activity`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    if user.id == me.user.id {
        return Ok(see_other(&app.url.path("/activity")));
    }
    let back = path_of(user.id);
    let whose = Whose { path: format!("{back}/activity"), back, name: full_name(&user) };
    page_of(&app, &request, Shell::of(&app, &request, &session)?, user.id, Some(whose)).await
}
