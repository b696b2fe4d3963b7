//! Notices on *My account*, and on the page of a service account's tokens, which stay until somebody dismisses them.

use actix_web::{HttpRequest, HttpResponse, web};

use super::moment::Moment;
use super::shell::see_other_about;
use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::service_account::AboutServiceAccount;
use crate::db::DbError;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::keys::notice::Notice;

/// The notice that a key was revoked because its secret was reported as leaked.
pub struct Banner {
    /// The id of the notice.
    pub id: i64,
    /// The name of the key.
    pub key: String,
    /// The last four characters of the reported secret.
    pub hint: String,
    /// When the key was revoked.
    pub revoked: Moment,
    /// The address that the report came from.
    pub address: String,
}

impl Banner {
    /// The banner for `notice`.
    pub fn new(app: &App, Notice { id, event }: Notice) -> Self {
        Self {
            id,
            key: event.key_title(),
            hint: event.key_hint(),
            revoked: Moment::new(event.created_on, app.clock.now()),
            address: event.address,
        }
    }
}

/// `POST /my/notices/ID`: dismisses a notice. The request is idempotent.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn seen(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<Harmless, NoFields>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let user_id = me.user.id;
    me.mandate.write(move |tx| Ok::<_, DbError>(Notice::seen(tx.connection, user_id, id)?)).await??;
    let page = if AboutServiceAccount::of(&request).is_some() { "/my/tokens" } else { "/my/account" };
    Ok(see_other_about(&app, &request, page))
}
