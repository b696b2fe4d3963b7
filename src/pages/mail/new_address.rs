//! A new mail address: the page that the link leads to which was sent there, and what *My account* offers until then.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{over_page, take_token};
use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::mail_link::ByLink;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::recovery::is_offered;
use crate::callers::session_user::MaybeSignedIn;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::mails::link::MailLink;
use crate::models::people::new_address::NewAddress;
use crate::models::people::user::SaveError;
use crate::models::rules::messages;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "mail/new_address.html")]
struct ConfirmPage {
    shell: Shell,
    login: String,
    before: String,
    new: String,
    /// Why the address cannot be taken, in sentences, for the button with that id.
    errors: Vec<(&'static str, String)>,
}

/// `GET /new-address`, to which the link of the mail leads.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    MaybeSignedIn(_): MaybeSignedIn,
) -> Result<HttpResponse, AppError> {
    if let Some(moved) = take_token(MailLink::Address, &app, &request, &session)? {
        return Ok(moved);
    }
    answer(StatusCode::OK, &app, (&request, &session), Vec::new()).await
}

/// `POST /new-address`: the address takes the place of the person's, and the link is used up. A mailbox that opens links by
/// itself only gets the page: it takes a person to send the form.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn confirm(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: MaybeSignedIn(me), form: NoFields {} }: Posted<MaybeSignedIn, NoFields>,
) -> Result<HttpResponse, AppError> {
    let found = MailLink::Address.followed(&app, &request, &session).await?;
    let Some(ByLink { user, mandate, .. }) = found else { return over(&app, &request, &session) };
    let id = user.id;
    match mandate.write(move |tx| NewAddress::confirm(tx, id)).await {
        Ok(Ok(true)) => {
            MailLink::Address.forget(&session);
            let next = if me.is_some() { "/my/account" } else { "/login" };
            Ok(see_other_with(&app, next, Flash::AddressConfirmed))
        }
        Ok(Ok(false)) | Err(AppError::Unauthorized { .. }) => over(&app, &request, &session),
        Ok(Err(SaveError::Invalid(errors))) => {
            let errors = messages(&errors);
            answer(StatusCode::UNPROCESSABLE_ENTITY, &app, (&request, &session), errors).await
        }
        Ok(Err(error)) => Err(error.into()),
        Err(error) => Err(error),
    }
}

/// `POST /my/new-address/send`: sends the link once more.
///
/// # Errors
/// Returns 404 if no mail is sent, or an error if a query fails.
pub async fn send_again(
    app: web::Data<App>,
    Posted { who: me, form: NoFields {} }: Posted<Harmless, NoFields>,
) -> Result<HttpResponse, AppError> {
    is_offered(&app)?;
    let user = me.user;
    let flash = match me.mandate.write(move |tx| NewAddress::send_again(tx, &user)).await? {
        Ok(true) => Flash::AddressLinkSent,
        Ok(false) => Flash::AddressGone,
        Err(SaveError::Invalid(_)) => Flash::AddressLinksTooMany,
        Err(error) => return Err(error.into()),
    };
    Ok(see_other_with(&app, "/my/account", flash))
}

/// `POST /my/new-address/forget`: the person keeps the address that they have.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn forget(
    app: web::Data<App>,
    Posted { who: me, form: NoFields {} }: Posted<Harmless, NoFields>,
) -> Result<HttpResponse, AppError> {
    let id = me.user.id;
    let forgotten = me.mandate.write(move |tx| Ok::<_, DbError>(NewAddress::forget(tx.connection, id)?)).await??;
    let flash = if forgotten { Flash::AddressForgotten } else { Flash::AddressGone };
    Ok(see_other_with(&app, "/my/account", flash))
}

/// The page with the form, or that of a link which does not work.
async fn answer(
    status: StatusCode,
    app: &web::Data<App>,
    (request, session): (&HttpRequest, &Session),
    errors: Vec<String>,
) -> Result<HttpResponse, AppError> {
    let found = MailLink::Address.followed(app, request, session).await?;
    let Some(ByLink { user, .. }) = found else { return over(app, request, session) };
    let id = user.id;
    let Some(new) = app.database.lookup(move |connection| NewAddress::of(connection, id)).await? else {
        return over(app, request, session);
    };
    let shell = Shell::of(app, request, session)?;
    let errors = errors.into_iter().map(|error| ("confirm", error)).collect();
    page(status, &ConfirmPage { shell, login: user.login, before: user.mail, new: new.address, errors })
}

fn over(app: &App, request: &HttpRequest, session: &Session) -> Result<HttpResponse, AppError> {
    over_page(Shell::of(app, request, session)?, "/my/account", "Go to my account to ask for another link")
}
