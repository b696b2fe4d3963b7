//! *Mail that was not delivered*, for administrators: what the mail server refused, and what is still tried.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::{NoFields, Posted};
use crate::callers::session_user::AdminSession;
use crate::db::DbError;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::mails::outbox::{self, Troubled, Undelivered};
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

/// So many of each are shown.
const MOST: i64 = 100;

#[derive(Template)]
#[template(path = "mail/undelivered.html")]
struct MailsPage {
    shell: Shell,
    sends_mail: bool,
    length: i64,
    given_up: Vec<Row>,
    waiting: Vec<Row>,
}

struct Row {
    id: i64,
    to: String,
    told: &'static str,
    since: Moment,
    attempts: i64,
    answer: String,
}

impl Row {
    fn new(app: &App, mail: Undelivered) -> Self {
        Self {
            id: mail.id,
            to: mail.to,
            told: mail.kind.words(),
            since: Moment::new(mail.created_on, app.clock.now()),
            attempts: mail.attempts,
            answer: mail.answer,
        }
    }
}

/// `GET /admin/mails`
///
/// # Errors
/// Returns an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let found = app.database.read(|connection| {
        let mut undelivered = |troubled| outbox::undelivered(connection, troubled, MOST);
        let (given_up, waiting) = (undelivered(Troubled::GivenUp)?, undelivered(Troubled::Waiting)?);
        Ok((given_up, waiting, outbox::queue(connection)?.length))
    });
    let (given_up, waiting, length) = found.await?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::MailTriedAgain, Flash::MailGone]);
    let rows = |mails: Vec<Undelivered>| mails.into_iter().map(|mail| Row::new(&app, mail)).collect();
    let (given_up, waiting, sends_mail) = (rows(given_up), rows(waiting), app.config.sends_mail());
    page(StatusCode::OK, &MailsPage { shell, sends_mail, length, given_up, waiting })
}

/// `POST /admin/mails/ID/retry`: has a mail that was given up tried again.
///
/// # Errors
/// Returns an error if a query fails.
pub async fn retry(
    app: web::Data<App>,
    request: HttpRequest,
    Posted { who: me, form: NoFields {} }: Posted<Harmless<AdminSession>, NoFields>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let tried = me.mandate.write(move |tx| Ok::<_, DbError>(outbox::try_again(tx.connection, id, tx.now)?));
    let flash = if tried.await?? { Flash::MailTriedAgain } else { Flash::MailGone };
    Ok(see_other_with(&app, "/admin/mails", flash))
}
