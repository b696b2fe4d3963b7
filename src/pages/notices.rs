//! What a person is told on *My account* until they say that they have seen it.

use actix_web::{HttpRequest, HttpResponse, web};

use super::moment::Moment;
use super::shell::see_other;
use crate::app::App;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::session_user::SessionUser;
use crate::db::DbError;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::keys::notice::Notice;

/// A key that was revoked because its secret was reported as leaked.
pub struct Banner {
    /// Names what it is about.
    pub id: i64,
    /// The key, in words.
    pub key: String,
    /// The last four characters of the secret that was reported.
    pub hint: String,
    /// When.
    pub revoked: Moment,
    /// Where the report came from.
    pub address: String,
}

impl Banner {
    /// The one that tells `notice`.
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

/// `POST /my/notices/ID`: it has been seen. Sent twice, it is done once.
///
/// # Errors
/// Those of the database.
pub async fn seen(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<SessionUser, NoFields>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let user_id = me.user.id;
    me.mandate.write(move |tx| Ok::<_, DbError>(Notice::seen(tx.connection, user_id, id)?)).await??;
    Ok(see_other(&app.url.path("/my/account")))
}
