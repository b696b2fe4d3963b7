//! The frame around every page, and how a page becomes a response.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, ContentType, LOCATION};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use askama::Template;

use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::draft::{self, Opened, Typed};
use crate::callers::service_account::{AboutServiceAccount, path_about};
use crate::callers::session_user::form_token;
use crate::callers::verify::SignedInAs;
use crate::config::public_url::PublicUrl;
use crate::http::error::AppError;
use crate::models::text_enum::text_enum;

/// The frame of a page, as `templates/base.html` shows it.
pub struct Shell {
    url: PublicUrl,
    /// The login of the person who is signed in.
    pub login: Option<String>,
    /// Whether that person is an administrator.
    pub is_admin: bool,
    /// Whether mail is sent, so that pages may promise it.
    pub sends_mail: bool,
    /// The CSRF token that every form of the page carries.
    pub form_token: String,
    /// What the form of the page says about where it was opened.
    pub opened: String,
    /// The result of the previous action, if the page announces one.
    pub notice: Option<&'static str>,
    /// What the person typed into the form of the page before their session ended.
    typed: Option<Typed>,
    /// The service account whose keys the page is about; `None`: it is about the person's own.
    pub service_account: Option<AboutServiceAccount>,
}

/// What a page says whose form shows a draft.
const TYPED: &str = "The form has what you typed before your session ended. Check it and send it again.";

impl Shell {
    /// The frame of the page that answers `request`, with a CSRF token for its forms.
    ///
    /// # Errors
    /// Returns an error if the cookie cannot be written.
    pub fn of(app: &App, request: &HttpRequest, session: &Session) -> Result<Self, AppError> {
        let typed = draft::typed(app, request, session);
        let (form_token, notice) = (form_token(session)?, typed.as_ref().map(|_| TYPED));
        Ok(Self { form_token, notice, typed, ..Self::without_form(app, request) })
    }

    /// The frame of an error page, whose only form signs out. A visitor who is not signed in gets no new cookie: the
    /// 404 for a missing image must not replace the CSRF token of the page that shows it.
    ///
    /// # Errors
    /// Returns an error if the cookie cannot be written.
    pub fn of_error(app: &App, request: &HttpRequest, session: &Session) -> Result<Self, AppError> {
        match Self::without_form(app, request) {
            stranger @ Self { login: None, .. } => Ok(stranger),
            _ => Self::of(app, request, session),
        }
    }

    /// Announces the result of the previous action, if the address names one and this page allows it in `notices`.
    pub fn saying(self, request: &HttpRequest, notices: &[Flash]) -> Self {
        let named = parameter(request.query_string(), "notice").and_then(|name| Flash::of_text(&name));
        let notice = named.filter(|notice| notices.contains(notice));
        Self { notice: notice.map(Flash::text).or(self.notice), ..self }
    }

    fn without_form(app: &App, request: &HttpRequest) -> Self {
        Self {
            url: app.url.clone(),
            login: request.extensions().get::<SignedInAs>().map(|who| who.login.clone()),
            is_admin: request.extensions().get::<SignedInAs>().is_some_and(|who| who.admin),
            sends_mail: app.config.sends_mail(),
            form_token: String::new(),
            opened: Opened::here(request).field(),
            notice: None,
            typed: None,
            service_account: AboutServiceAccount::of(request),
        }
    }

    /// The value of a field: what was typed before the session ended, otherwise `value`.
    pub fn typed<'a>(&'a self, name: &str, value: &'a str) -> &'a str {
        self.typed.as_ref().and_then(|typed| typed.value(name)).unwrap_or(value)
    }

    /// Whether a choice is made: as it was before the session ended, otherwise as `is_chosen` says.
    pub fn is_chosen(&self, name: &str, value: &str, is_chosen: &bool) -> bool {
        self.typed.as_ref().map_or(*is_chosen, |typed| typed.has(name, value))
    }

    /// The address of `path` for links on a page. On a page about a service account, those below `/my/tokens` and
    /// `/my/notices` lead to its own.
    pub fn path(&self, path: &str) -> String {
        self.url.path(&path_about(self.service_account.as_ref(), path))
    }
}

text_enum! {
    /// The result of an action, which the next page announces. The redirect carries its name in the address (a flash
    /// message).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Flash(as_str, text) {
        /// Names and email were saved.
        AccountSaved = ("account_saved", "Your account has been saved."),
        /// The password was changed.
        PasswordChanged = ("password_changed", "Your password has been changed. Other sessions have been signed out."),
        /// The password was chosen by a link.
        PasswordChosen = ("password_chosen", "Your password has been set. Sign in with it."),
        /// Somebody asked for a link to choose a password.
        LinkAsked = (
            "link_asked",
            "If an account has this login or email, a link is on its way. It can take a few minutes to arrive."
        ),
        /// The link to confirm a new mail address was sent once more.
        AddressLinkSent = ("address_link_sent", "The link has been sent again. It can take a few minutes to arrive."),
        /// It was not, as it was sent too often.
        AddressLinksTooMany = (
            "address_links_too_many",
            "No link was sent: three were sent within an hour. Wait before you ask for another."
        ),
        /// Somebody keeps the mail address that they have.
        AddressForgotten = ("address_forgotten", "Mail goes on to the address that you have."),
        /// No new mail address waits.
        AddressGone = ("address_gone", "No new address waits to be confirmed any more."),
        /// A new mail address was confirmed.
        AddressConfirmed = ("address_confirmed", "Your email address has been changed."),
        /// Which mails somebody gets was saved.
        MailSaved = ("mail_saved", "Your choice of mails has been saved."),
        /// A mail is tried again.
        MailTriedAgain = ("mail_tried_again", "The mail will be tried again."),
        /// The mail to try again is not there any more.
        MailGone = ("mail_gone", "This mail is no longer here: it was sent, or given up long ago."),
        /// The session was ended.
        SignedOut = ("signed_out", "You have signed out."),
        /// A secret was reported as leaked.
        LeakReported = (
            "leak_reported",
            "Thank you. If it was the secret of a key, the key has been revoked and its owner is told."
        ),
        /// A person was added.
        PersonAdded = ("person_added", "The account has been created. Tell them the login and password."),
        /// A service account was made.
        ServiceAccountAdded = ("service_account_added", "The service account has been created. Its owners can create access tokens for it."),
        /// A service account has other owners.
        OwnersChanged = ("owners_changed", "The owners have been changed."),
        /// A person was locked.
        PersonLocked = ("person_locked", "The account has been locked. Its sessions have ended, and its keys no longer work."),
        /// A person was unlocked or activated.
        PersonUnlocked = ("person_unlocked", "The account is active. They can sign in, and their keys work."),
        /// An administrator set a person's password.
        PersonPasswordSet = (
            "person_password_set",
            "The password has been set and their sessions have ended. Tell them the new password."
        ),
        /// An administrator changed a person's login, names, mail address or role.
        PersonChanged = ("person_changed", "The account has been changed."),
        /// A person was deleted.
        PersonDeleted = ("person_deleted", "The account has been deleted, with its keys, sessions and activity."),
        /// An administrator revoked a person's key.
        PersonKeyRevoked = ("person_key_revoked", "The key has been revoked. No program can use it any more."),
        /// The key that an administrator wanted to revoke does not exist.
        PersonKeyGone = ("person_key_gone", "This key no longer exists: it was already revoked, reset or deleted."),
        /// The name, note, scopes or expiry of an access token were changed.
        TokenChanged = ("token_changed", "The access token has been changed."),
        /// An access token was revoked.
        TokenRevoked = ("token_revoked", "The access token has been revoked. No program can use it any more."),
        /// The access token to revoke does not exist.
        TokenGone = ("token_gone", "This access token no longer exists: it was already revoked, or it expired long ago."),
        /// The API access key was revoked.
        ApiKeyRevoked = ("api_key_revoked", "Your API access key has been revoked. No program can use it any more."),
        /// The Atom access key was revoked.
        AtomKeyRevoked = ("atom_key_revoked", "Your Atom access key has been revoked. No program can use it any more."),
        /// The API or Atom access key to revoke does not exist.
        KeyGone = (
            "key_gone",
            "No key was revoked: you have already sent this form, or the key has changed since you opened it."
        ),
        /// A key was suspended.
        KeySuspended = (
            "key_suspended",
            "The key has been suspended. Requests with it are refused, and Latchkey notes who sends them."
        ),
        /// A key was switched on again.
        KeyResumed = ("key_resumed", "The key works again."),
        /// Where a key may be used from was saved.
        KeyLimited = ("key_limited", "The allowed networks have been saved. They apply from the next request."),
        /// A key was exempted from ending unused.
        KeyExempted = ("key_exempted", "The key is kept although nobody uses it."),
        /// A key is no longer exempted from that.
        KeyNotExempted = ("key_not_exempted", "The key ends like any other if nobody uses it."),
        /// A service was added.
        ServiceAdded = ("service_added", "The service has been added. Now set up the proxy: this page has its settings."),
        /// The settings of a service were saved.
        ServiceChanged = ("service_changed", "The service has been saved. The changes apply from the next request."),
        /// A service was removed.
        ServiceRemoved = ("service_removed", "The service has been removed. No key has its scopes any more."),
        /// A group was added.
        GroupAdded = ("group_added", "The group has been added. Services can admit it now."),
        /// A group was renamed.
        GroupChanged = ("group_changed", "The group has been renamed. What it is admitted to stays."),
        /// People were added to a group.
        GroupMembersAdded = ("group_members_added", "They are members now. What services admit the group to applies from the next request."),
        /// People were taken out of a group.
        GroupMembersRemoved = ("group_members_removed", "They are no longer members. What the group gave them is gone at the next request."),
        /// A group was deleted.
        GroupDeleted = ("group_deleted", "The group has been deleted."),
    }
}

/// Renders a page. No cache may store it.
///
/// # Errors
/// Returns an error if the template cannot be rendered.
pub fn page(status: StatusCode, template: &impl Template) -> Result<HttpResponse, AppError> {
    let html = template.render().map_err(AppError::internal)?;
    Ok(HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .content_type(ContentType::html())
        .body(html))
}

/// Redirects to `location` with 303, so that the browser follows with GET.
pub fn see_other(location: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, location)).finish()
}

/// Redirects to the page at `path` in answer to `request`; see [`Shell::path`].
pub fn see_other_about(app: &App, request: &HttpRequest, path: &str) -> HttpResponse {
    see_other(&app.url.path(&path_about(AboutServiceAccount::of(request).as_ref(), path)))
}

/// The same, and the page announces `notice`.
pub fn see_other_about_with(app: &App, request: &HttpRequest, path: &str, notice: Flash) -> HttpResponse {
    see_other_about(app, request, &format!("{path}?notice={}", notice.as_str()))
}

/// Redirects to the page at `path`, which announces `notice`.
pub fn see_other_with(app: &App, path: &str, notice: Flash) -> HttpResponse {
    see_other(&app.url.path(&format!("{path}?notice={}", notice.as_str())))
}
