//! `/my/tokens/new`: the form for a new access token, and its result.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::form::{Offered, TokenFields, TokenForm, in_place_of_expiry};
use super::list::full;
use super::shown::ShownToken;
use super::{command_to_try, path_of};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::SessionUser;
use crate::http::error::AppError;
use crate::models::keys::key::{Key, KeyRefusal};
use crate::models::keys::key_request::{KeyField, KeyPolicy};
use crate::models::keys::token::TokenAction;
use crate::models::people::user::User;
use crate::models::rules::FieldError;
use crate::pages::form::PasswordAgain;
use crate::pages::shell::{Shell, page};

/// How many of the tokens created in the meantime are shown, at most. The form itself created the latest one, if any.
const MOST_SHOWN: usize = 3;

#[derive(Template)]
#[template(path = "tokens/new.html")]
struct NewPage {
    shell: Shell,
    fields: TokenFields,
    password: PasswordAgain,
    after: String,
    /// Why no more tokens can be created; empty if they can.
    full: String,
    /// The tokens created in the meantime, perhaps by this same form; `None` if that is not why the form is shown
    /// again.
    meanwhile: Option<Vec<ShownToken>>,
}

impl NewPage {
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
    let shown = NewPage {
        shell: Shell::of(&app, &request, &session)?,
        fields: TokenFields::new(&app, Offered::to(&app, &me.user).await?, TokenForm::blank(&app), None, &[]),
        password: PasswordAgain::of(&app, &me.token),
        after,
        full: full(&app, held.len()),
        meanwhile: None,
    };
    page(StatusCode::OK, &shown)
}

/// `POST /my/tokens`: creates the token and shows the secret. A form that is sent twice creates one token (it is
/// idempotent, by the field `after`).
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
    let Sensitive { user, form, .. } = sensitive;
    let shell = Shell::of(&app, &request, &session)?;
    let offered = Offered::to(&app, &user).await?;
    let again = |fields, password| NewPage {
        shell,
        fields,
        password,
        after: after.map(|id| id.to_string()).unwrap_or_default(),
        full: String::new(),
        meanwhile: None,
    };
    let confirmed = match confirmed {
        Ok(confirmed) => confirmed,
        Err(why) => {
            let fields = TokenFields::new(&app, offered, form, None, &[]);
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again(fields, PasswordAgain::refused(why)));
        }
    };
    let (user_id, policy) = (user.id, KeyPolicy::of(&app.config));
    let made = confirmed.write(move |tx| {
        User::lock_row(tx.connection, user_id)?;
        if Key::latest_made(tx.connection, user_id)? != after {
            return Ok(None);
        }
        Key::make(tx, user_id, &new, &policy).map(Some)
    });
    let made = made.await?;
    let fields = |errors: &[FieldError<KeyField>]| TokenFields::new(&app, offered, form, None, errors);
    match made {
        Ok(Some((key, secret))) => {
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
        Err(KeyRefusal::Invalid(errors)) => {
            let fields = fields(&in_place_of_expiry(errors, unclear));
            page(StatusCode::UNPROCESSABLE_ENTITY, &again(fields, PasswordAgain::default()))
        }
        Err(KeyRefusal::TooMany(held)) => {
            let full = full(&app, held);
            page(StatusCode::UNPROCESSABLE_ENTITY, &NewPage { full, ..again(fields(&[]), PasswordAgain::default()) })
        }
        Err(refusal) => Err(refusal.into()),
        Ok(None) => {
            let (held, latest) = self::held(&app, user_id).await?;
            let since = held.iter().filter(|key| after.is_none_or(|after| key.id > after)).take(MOST_SHOWN);
            let meanwhile = Some(since.map(|key| ShownToken::new(&app, key)).collect());
            let full = full(&app, held.len());
            let shown = NewPage { after: latest, full, meanwhile, ..again(fields(&[]), PasswordAgain::default()) };
            page(StatusCode::CONFLICT, &shown)
        }
    }
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
