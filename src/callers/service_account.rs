//! Service accounts in addresses: a request about the keys of a service account names it there, and its owners are let in.

use std::borrow::Cow;

use actix_web::{HttpMessage, HttpRequest};

use super::mandate::Mandate;
use crate::app::App;
use crate::http::address::id_named;
use crate::http::error::AppError;
use crate::models::people::service_account::find_owned;
use crate::models::people::user::User;

/// What the table of routes calls the id of a service account.
const ID: &str = "service_account";
/// What stands below `/my` about a person, and below the address of a service account about that.
const SHARED: [&str; 2] = ["/tokens", "/notices"];

/// The service account that a request is about, left in the request's extensions for the page.
#[derive(Clone)]
pub struct AboutServiceAccount {
    id: i64,
    /// The login.
    pub login: String,
    /// The name.
    pub name: String,
}

impl AboutServiceAccount {
    /// The path that `path` stands for, one below `/my/tokens` or `/my/notices`: the same about this account.
    fn path(&self, path: &str) -> String {
        let rest = path.strip_prefix("/my").filter(|rest| SHARED.iter().any(|shared| rest.starts_with(shared)));
        rest.map_or_else(|| path.to_owned(), |rest| format!("{}{rest}", path_of(self.id)))
    }

    /// The path of the page that shows what happened to it.
    pub fn activity_path(&self) -> String {
        format!("{}/activity", path_of(self.id))
    }

    /// The one that `request` is about.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

/// The path below which the tokens of the service account with this id are.
pub fn path_of(id: i64) -> String {
    format!("/my/service-accounts/{id}")
}

/// `path`, if it is none below `/my/tokens` or `/my/notices`, or the request is about the person's own. Otherwise the same
/// of the service account that `about` names.
pub fn path_about<'p>(about: Option<&AboutServiceAccount>, path: &'p str) -> Cow<'p, str> {
    about.map_or(Cow::Borrowed(path), |account| Cow::Owned(account.path(path)))
}

/// Whose keys the request of `user` is about, with the authority over these: their own, or those of the service account
/// that the address names, if they own it.
///
/// # Errors
/// Returns 404 if there is no such service account, they do not own it, or it is locked.
pub(super) async fn holder_of_keys(
    app: &App,
    request: &HttpRequest,
    user: Box<User>,
    mandate: Mandate,
) -> Result<(Box<User>, Mandate), AppError> {
    if request.match_info().get(ID).is_none() {
        return Ok((user, mandate));
    }
    if mandate.is_acting() {
        return Err(AppError::Forbidden("You cannot look after a service account with X-Redmine-Switch-User."));
    }
    let (account, owner) = (id_named(request, ID)?, user.id);
    // Whoever is gone by now owns nothing, and is told that they are gone.
    let found = app.database.lookup(move |connection| match find_owned(connection, account, owner)? {
        Some(account) => Ok((Some(account), None)),
        None => Ok((None, User::find(connection, owner)?)),
    });
    let (found, user_now) = found.await?;
    let user = if found.is_some() { Some(&*user) } else { user_now.as_ref() };
    let mandate = mandate.about_keys_of(user, found.as_ref())?;
    let account = found.ok_or(AppError::NotFound)?;
    let about = AboutServiceAccount { id: account.id, login: account.login.clone(), name: account.lastname.clone() };
    request.extensions_mut().insert(about);
    Ok((Box::new(account), mandate))
}
