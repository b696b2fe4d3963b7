//! *Mail*: which mails a person gets, and in which time zone these tell times.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use chrono_tz::TZ_VARIANTS;

use crate::app::App;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::{Fields, Posted};
use crate::callers::recovery::is_offered;
use crate::callers::session_user::SessionUser;
use crate::db::DbError;
use crate::http::error::AppError;
use crate::models::mails::kind::MailKind;
use crate::models::mails::wishes;
use crate::pages::form::{Choice, Field, error_summary};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "mail/wishes.html")]
struct MailPage {
    shell: Shell,
    address: String,
    optional: Vec<Choice>,
    always: Vec<&'static str>,
    zone: Field,
    zones: Vec<&'static str>,
}

impl MailPage {
    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("time_zone", &self.zone)])
    }
}

/// `GET /my/mail`
///
/// # Errors
/// Returns 404 if no mail is sent, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: SessionUser,
) -> Result<HttpResponse, AppError> {
    is_offered(&app)?;
    let id = me.user.id;
    let known = app
        .database
        .lookup(move |connection| Ok((wishes::unwanted_by(connection, id)?, wishes::zone_name(connection, id)?)));
    let (unwanted, zone) = known.await?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::MailSaved]);
    let wanted = MailKind::OPTIONAL.into_iter().filter(|kind| !unwanted.contains(kind)).collect();
    let shown = shown(shell, (&me.user.mail, me.user.admin), wanted, Field::from(zone));
    page(StatusCode::OK, &shown)
}

/// `POST /my/mail`
///
/// # Errors
/// Returns 404 if no mail is sent, or an error if a query fails.
pub async fn save(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<Harmless, Fields>,
) -> Result<HttpResponse, AppError> {
    is_offered(&app)?;
    let sent =
        |name: &'static str| form.iter().filter(move |(field, _)| field == name).map(|(_, value)| value.as_str());
    let kinds = sent("mail").filter_map(MailKind::of_text).filter(|kind| kind.is_optional());
    // Administrators' mails are not offered to others, whose choice of them stays.
    let wanted: Vec<MailKind> = kinds.collect();
    let zone = sent("time_zone").next().unwrap_or_default().trim().to_owned();
    if !wishes::is_zone(&zone) {
        let shell = Shell::of(&app, &request, &session)?;
        let errors =
            vec!["Time zone is not known: choose one such as Europe/Berlin, or leave it empty for UTC".to_owned()];
        let shown = shown(shell, (&me.user.mail, me.user.admin), wanted, Field { value: zone, errors });
        return page(StatusCode::UNPROCESSABLE_ENTITY, &shown);
    }
    let (id, offered) = (me.user.id, offered(me.user.admin));
    me.mandate
        .write(move |tx| {
            wishes::want(tx.connection, id, &offered, &wanted)?;
            wishes::set_zone(tx.connection, id, &zone)?;
            Ok::<_, DbError>(())
        })
        .await??;
    Ok(see_other_with(&app, "/my/mail", Flash::MailSaved))
}

/// The optional kinds that somebody can choose.
fn offered(admin: bool) -> Vec<MailKind> {
    MailKind::OPTIONAL.into_iter().filter(|kind| admin || *kind != MailKind::Weekly).collect()
}

fn shown(shell: Shell, (address, admin): (&str, bool), wanted: Vec<MailKind>, zone: Field) -> MailPage {
    let choices = offered(admin).into_iter().map(|kind| Choice {
        id: String::new(),
        value: kind.as_str().to_owned(),
        label: kind.words().to_owned(),
        detail: String::new(),
        is_chosen: wanted.contains(&kind),
    });
    MailPage {
        shell,
        address: address.to_owned(),
        optional: Choice::numbered("mail", choices),
        always: MailKind::ALL.into_iter().filter(|kind| kind.is_always_sent()).map(MailKind::words).collect(),
        zone,
        zones: TZ_VARIANTS.iter().map(|zone| zone.name()).collect(),
    }
}
