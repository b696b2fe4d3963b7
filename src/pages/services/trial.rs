//! `/admin/services/ID/try`: tries a key on a service. The answer is the one that a proxy would get, by the same
//! function, once Latchkey trusts it, and says why. Nothing is recorded, and the key is shown nowhere again.

use std::net::IpAddr;

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};
use askama::Template;

use super::proxy::{obstacle, trusts_proxies};
use super::trial_form::TrialForm;
use super::{path_of, service};
use crate::app::App;
use crate::auth::credentials::Credentials;
use crate::auth::rates::Rates;
use crate::callers::confirmation::Harmless;
use crate::callers::posted_form::Posted;
use crate::callers::session_user::AdminSession;
use crate::clock::{Timestamp, expiry_in_words};
use crate::db::DbError;
use crate::forward_auth;
use crate::forward_auth::decision::{Decision, Refusal};
use crate::forward_auth::question::Question;
use crate::http::error::AppError;
use crate::models::keys::networks::Networks;
use crate::models::keys::scope::Access;
use crate::models::keys::scope_group::capitalized;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::people::user::{User, UserStatus};
use crate::models::services::service::Service;
use crate::pages::shell::{Shell, page};
use crate::secret::Secret;

#[derive(Template)]
#[template(path = "services/trial.html")]
struct TrialPage {
    shell: Shell,
    path: String,
    title: String,
    host: String,
    trial: TrialForm,
    /// Why no proxy can be answered about the service; empty: one can.
    obstacle: &'static str,
    /// Whether Latchkey answers any proxy.
    trusts_proxies: bool,
    /// What came of it; `None`: nothing was tried yet.
    answer: Option<Answered>,
}

impl TrialPage {
    fn new(app: &App, shell: Shell, service: &Service, trial: TrialForm) -> Self {
        Self {
            obstacle: obstacle(app, service),
            trusts_proxies: trusts_proxies(app),
            shell,
            path: path_of(service.id),
            title: service.settings.title.clone(),
            host: service.settings.host.clone(),
            trial,
            answer: None,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        self.trial.error_summary()
    }
}

/// What would be answered, and why.
struct Answered {
    status: StatusCode,
    /// In whole sentences.
    why: Vec<String>,
    /// What the client would read; empty: the request would go on.
    text: String,
    headers: Vec<(String, String)>,
}

/// `GET /admin/services/ID/try`
///
/// # Errors
/// 403 for others; there is none with this id; those of the database.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let service = service(&app, &request).await?.service;
    let trial = TrialForm::of(&service, app.addresses.of(&request));
    let shell = Shell::of(&app, &request, &session)?;
    page(StatusCode::OK, &TrialPage::new(&app, shell, &service, trial))
}

/// `POST /admin/services/ID/try`
///
/// # Errors
/// 403 for others; there is none with this id; those of the database.
pub async fn answer(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    Posted { who: me, form }: Posted<Harmless<AdminSession>, TrialForm>,
) -> Result<HttpResponse, AppError> {
    let service = service(&app, &request).await?.service;
    let key = Some(form.key.trim()).filter(|key| !key.is_empty()).map(Secret::presented);
    let trial = form.checked();
    if !trial.error_summary().is_empty() {
        let shell = Shell::of(&app, &request, &session)?;
        return page(StatusCode::UNPROCESSABLE_ENTITY, &TrialPage::new(&app, shell, &service, trial));
    }
    // It looks whose key it is as a write would, under the mandate: who is no administrator any more learns nothing.
    let digest = key.as_ref().map(Secret::digest);
    let held = me.mandate.write(move |tx| -> Result<Option<(Token, User)>, DbError> {
        let Some(digest) = digest else { return Ok(None) };
        let Some(token) = Token::find_key(tx.connection, &digest)? else { return Ok(None) };
        Ok(User::find(tx.connection, token.user_id)?.map(|owner| (token, owner)))
    });
    let held = held.await??;
    let address = trial.address_or(app.addresses.of(&request));
    let about_key = match (&key, &held) {
        (None, _) => "No key was given.".to_owned(),
        (Some(_), Some((token, owner))) => about(&app, token, owner, (address, app.clock.now())),
        (Some(key), None) if key.is_mistyped() => {
            "This is not a whole key: a part of it is missing or mistyped.".to_owned()
        }
        (Some(_), None) => "No key has this secret: it never was one, or it was revoked.".to_owned(),
    };
    let (method, path) = (&trial.tried_method.value, &trial.tried_path.value);
    let credentials = key.map_or(Credentials::Absent, Credentials::Bearer);
    let decision = match Question::of_request(service.settings.host.clone(), method.clone(), path, credentials) {
        Ok(question) => Decision::about(&app, question, address, Rates::foresee).await,
        Err(unreadable) => Decision { key: None, service: None, outcome: Err(unreadable.into()) },
    };
    let mut why = vec![about_key];
    why.extend(reasons(&service, &trial, &decision));
    let (status, text, headers) = match forward_auth::response(&app, decision.outcome) {
        Ok(response) => (response.status(), String::new(), told(&response)),
        Err(error) if error.status_code().is_server_error() => return Err(error),
        Err(error) => {
            let response = error.error_response();
            (response.status(), error.to_string(), told(&response))
        }
    };
    let answer = Some(Answered { status, why, text, headers });
    let shell = Shell::of(&app, &request, &session)?;
    page(StatusCode::OK, &TrialPage { answer, ..TrialPage::new(&app, shell, &service, trial) })
}

/// The headers of an answer, as they are usually written.
fn told(response: &HttpResponse) -> Vec<(String, String)> {
    let written = |name: &str| match name {
        "www-authenticate" => "WWW-Authenticate".to_owned(),
        "ratelimit" => "RateLimit".to_owned(),
        "ratelimit-policy" => "RateLimit-Policy".to_owned(),
        name => name.split('-').map(capitalized).collect::<Vec<_>>().join("-"),
    };
    let headers = response.headers().iter();
    let mut told: Vec<_> = headers
        .map(|(name, value)| (written(name.as_str()), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    told.sort();
    told
}

/// Whose key it is, and why it is refused everywhere, if it is.
fn about(app: &App, token: &Token, owner: &User, (address, now): (IpAddr, Timestamp)) -> String {
    let login = &owner.login;
    let key = match &token.name {
        Some(name) => format!("The key is {login}’s access token “{name}”."),
        None => format!("The key is {login}’s {}.", token.action.label()),
    };
    let why_not = match (owner.status, token.action) {
        (UserStatus::Locked, _) => format!(" The account of {login} is locked."),
        (UserStatus::Registered, _) => format!(" The account of {login} is not active yet."),
        (UserStatus::Active, TokenAction::Feeds) => " It opens the Atom feed and nothing else.".to_owned(),
        (UserStatus::Active, TokenAction::Api) if !app.config.api_access_keys => {
            " API access keys are turned off on this server.".to_owned()
        }
        _ if !token.may_be_used_from(address) => {
            let from = token.networks.as_ref().map(Networks::summary).unwrap_or_default();
            format!(" It may not be used from {address}, only from {from}.")
        }
        _ if !token.is_over(now) && token.is_suspended(now) => " It is suspended.".to_owned(),
        _ if !token.is_over(now) => String::new(),
        _ => match (token.retired_on.filter(|retired| *retired <= now), token.expires_on) {
            (Some(_), expires_on) if expires_on.is_none_or(|expires_on| expires_on > now) => {
                " This secret of it was replaced by a newer one.".to_owned()
            }
            (_, Some(expires_on)) => format!(" It {}.", expiry_in_words(expires_on).replacen("expires", "expired", 1)),
            _ => " It is no longer valid.".to_owned(),
        },
    };
    key + &why_not
}

/// Why a request is answered so, beside what is wrong with the key itself.
fn reasons(tried: &Service, trial: &TrialForm, decision: &Decision) -> Vec<String> {
    let (method, path) = (&trial.tried_method.value, &trial.tried_path.value);
    let service = decision.service.as_ref().unwrap_or(tried);
    let (title, asked) = (&service.settings.title, service.access_of(method));
    let counts_as = match asked {
        Access::Read => format!("{method} counts as reading on {title}"),
        Access::Write => format!("{method} counts as writing on {title}"),
    };
    let owner = decision.key.as_ref().and_then(|key| key.found.verified.as_ref().ok()).map(|(_, owner)| &owner.login);
    let reason = match (&decision.outcome, owner) {
        (Ok(_), Some(login)) => format!("{counts_as}, which the key has the scope for and {login} is admitted to."),
        (Ok(_), None) => format!("{counts_as}, which it lets anybody do without a key."),
        (Err(Refusal::NoKey), _) => format!("{counts_as}, which it lets nobody do without a key."),
        (Err(Refusal::Key { .. } | Refusal::Undecided(_)), _) => String::new(),
        (Err(Refusal::Unreadable(unreadable)), _) => unreadable.to_string(),
        (Err(Refusal::NoService), _) => format!("No service is at {}{path}.", tried.settings.host),
        (Err(Refusal::NoApiAccessKeys), _) => format!("{title} takes access tokens only, no API access keys."),
        (Err(Refusal::Scope(missing)), _) => format!("{counts_as}, and the key lacks the scope for that: {missing}."),
        (Err(Refusal::NotAdmitted(_)), login) => {
            format!("{counts_as}, and {title} does not admit {} to that.", login.map_or("its owner", String::as_str))
        }
        (Err(Refusal::TooMany(..)), _) => {
            format!("The key has sent as many requests to {title} as it may in a minute.")
        }
    };
    let elsewhere =
        (service.id != tried.id).then(|| format!("{path} belongs to another service on this host, {title}."));
    elsewhere.into_iter().chain(Some(reason).filter(|reason| !reason.is_empty())).collect()
}
