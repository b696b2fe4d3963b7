//! `/my/tokens/new`: the form for a new access token, and its result.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{Offered, TokenFields, TokenForm, with_unclear};
use super::list::full;
use super::shown::ShownToken;
use super::{command_to_try, path_of};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::idempotency::{Issued, OnceRefusal};
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyField, KeyPolicy};
use crate::models::keys::token::TokenAction;
use crate::models::rules::FieldError;
use crate::models::tx::Tx;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Shell, page};

#[derive(Template)]
#[template(path = "tokens/new.html")]
struct NewPage {
    shell: Shell,
    fields: TokenFields,
    password: PasswordAgain,
    after: String,
    /// Why no more tokens can be created; empty if they can.
    full: String,
    /// What this form has already done, if it was sent before.
    already: Already,
}

/// What a form that is sent again has already done.
#[derive(Default)]
enum Already {
    /// The form is sent for the first time.
    #[default]
    Nothing,
    /// It created this token.
    Created(Box<ShownToken>),
    /// It created a token, which has been revoked since.
    Revoked,
}

impl NewPage {
    fn is_repeated(&self) -> bool {
        !matches!(self.already, Already::Nothing)
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.password.error_summary_after(&self.fields.error_summary())
    }
}

/// The page that shows a new secret.
#[derive(Template)]
#[template(path = "tokens/made.html")]
pub(super) struct MadePage {
    pub shell: Shell,
    pub heading: String,
    /// What happened to the previous secret; empty if there was none.
    pub before: String,
    pub secret: String,
    pub command: String,
    pub path: String,
}

/// `GET /my/tokens/new`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    let (held, after) = held(&app, me.user.id).await?;
    let offered = Offered::to(&app, &me.user, &me.mandate).await?;
    let shown = NewPage {
        shell: Shell::of(&app, &request, &session)?,
        fields: TokenFields::new((&app, &request), &offered, TokenForm::blank(&app), None, &[]),
        password: PasswordAgain::of(&app, &me.token),
        after,
        full: full(&app, held.len()),
        already: Already::Nothing,
    };
    page(StatusCode::OK, &shown)
}

/// `POST /my/tokens`: creates the token and shows the secret. A form that is sent twice, as by a reload, creates one token
/// (see `TokenForm::once`).
///
/// # Errors
/// Returns 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<SessionUser, TokenForm>,
) -> Result<HttpResponse, AppError> {
    let after = match sensitive.form.after.as_str() {
        "" => None,
        id => Some(
            id.parse::<i64>()
                .map_err(|_| AppError::BadRequest("The form does not name one of your access tokens.".into()))?,
        ),
    };
    let (new, unclear) = sensitive.form.new_key(app.clock.now())?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let offered = Offered::to(&app, &sensitive.user, &sensitive.without_power()).await?;
    let Sensitive { user, form, .. } = sensitive;
    let shell = Shell::of(&app, &request, &session)?;
    let again = |fields, password| NewPage {
        shell,
        fields,
        password,
        after: after.map(|id| id.to_string()).unwrap_or_default(),
        full: String::new(),
        already: Already::Nothing,
    };
    let confirmed = match confirmed {
        Ok(confirmed) => confirmed,
        Err(why) => {
            let fields = TokenFields::new((&app, &request), &offered, form, None, &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again(fields, PasswordAgain::refused(why)));
        }
    };
    let (user_id, policy, once) = (user.id, KeyPolicy::of(&app.config), form.once(&app, user.id));
    let make = move |tx: &mut Tx<'_>| Key::make(tx, user_id, &new, &policy);
    let made = confirmed.write(move |tx| Issued::once(tx, Some(once), make)).await?;
    let fields = |errors: &[FieldError<KeyField>]| TokenFields::new((&app, &request), &offered, form, None, errors);
    match made {
        Ok(Issued::Now(key, secret)) => {
            let shown = MadePage {
                shell: again(fields(&[]), PasswordAgain::default()).shell,
                heading: format!("“{}” created", key.name.clone().unwrap_or_default()),
                before: String::new(),
                secret: secret.expose().to_owned(),
                command: command_to_try(&app, &key, &secret),
                path: path_of(key.id),
            };
            page(StatusCode::OK, &shown)
        }
        Err(OnceRefusal::Key(KeyRefusal::Invalid(errors))) => {
            let fields = fields(&with_unclear(errors, unclear));
            page(StatusCode::UNPROCESSABLE_ENTITY, &again(fields, PasswordAgain::default()))
        }
        Err(OnceRefusal::Key(KeyRefusal::ShutsOut(address))) => {
            let fields = fields(&[]).asking(address);
            page(StatusCode::UNPROCESSABLE_ENTITY, &again(fields, PasswordAgain::default()))
        }
        Err(OnceRefusal::Key(KeyRefusal::TooMany(held))) => {
            let full = full(&app, held);
            page(StatusCode::UNPROCESSABLE_ENTITY, &NewPage { full, ..again(fields(&[]), PasswordAgain::default()) })
        }
        Ok(Issued::Before(key)) => {
            let already = Already::Created(Box::new(ShownToken::new(&app, &key)));
            sent_again(&app, user_id, already, again(fields(&[]), PasswordAgain::default())).await
        }
        Err(OnceRefusal::RevokedSince) => {
            sent_again(&app, user_id, Already::Revoked, again(fields(&[]), PasswordAgain::default())).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The answer to a form that was sent before: what it has `already` done, and the form, which creates another token now.
async fn sent_again(app: &App, user_id: i64, already: Already, again: NewPage) -> Result<HttpResponse, AppError> {
    let (held, after) = held(app, user_id).await?;
    page(StatusCode::CONFLICT, &NewPage { after, full: full(app, held.len()), already, ..again })
}

/// The person's access tokens, newest first, and the value of the field `after` for a new form.
async fn held(app: &App, user_id: i64) -> Result<(Vec<Key>, String), AppError> {
    let held = app.database.read(move |connection| {
        let keys = Key::of_user(connection, user_id, &[TokenAction::Access])?;
        Ok((keys, Key::latest_made(connection, user_id)?))
    });
    let (mut keys, latest) = held.await?;
    keys.reverse();
    Ok((keys, latest.map(|id| id.to_string()).unwrap_or_default()))
}
