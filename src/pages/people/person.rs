//! `/admin/users/ID`: one person, and the actions on their account.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{Holdings, full_name, holdings, list_of_keys, path_of, person, status_label};
use crate::app::App;
use crate::callers::session_user::AdminSession;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::groups::group::Group;
use crate::models::kept_in::KeptIn;
use crate::models::people::service_account::{kept_in, owners_of};
use crate::models::people::user::{User, UserStatus};
use crate::pages::groups;
use crate::pages::keys::KeyPanel;
use crate::pages::moment::Moment;
use crate::pages::shell::{Flash, Shell, page, see_other};
use crate::pages::tokens::shown::ShownToken;

/// The results of an action that this page can announce.
const NOTICES: &[Flash] = &[
    Flash::PersonAdded,
    Flash::ServiceAccountAdded,
    Flash::OwnersChanged,
    Flash::PersonChanged,
    Flash::PersonLocked,
    Flash::PersonUnlocked,
    Flash::PersonPasswordSet,
    Flash::PersonKeyRevoked,
    Flash::PersonKeyGone,
];

#[derive(Template)]
#[template(path = "people/person.html")]
struct PersonPage {
    shell: Shell,
    path: String,
    name: String,
    user: User,
    status: &'static str,
    created: Moment,
    last_sign_in: Option<Moment>,
    password_set: Option<Moment>,
    keys: [KeyPanel; 2],
    tokens: Vec<ShownToken>,
    /// The groups that they are in, by path and name.
    groups: Vec<(String, String)>,
    /// Where the list of everybody's keys shows those of this person.
    list_path: String,
    /// The people who own it, if it is a service account.
    owners: Vec<User>,
    /// Where its name and owners are kept, if it is a service account.
    kept_in: KeptIn,
    /// Whether no owner is active.
    has_no_owner: bool,
    /// The button that locks or unlocks the account; `None` for the administrator's own account.
    action: Option<Action>,
}

impl PersonPage {
    fn has_keys(&self) -> bool {
        !self.tokens.is_empty() || self.keys.iter().any(|panel| panel.key.is_some())
    }
}

struct Action {
    path: String,
    label: &'static str,
}

/// `GET /admin/users/ID`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if nobody has this id, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let user = person(&app, &request).await?;
    let moment = |time| Moment::new(time, app.clock.now());
    let path = path_of(user.id);
    let Holdings { keys, tokens, .. } = holdings(&app, &user).await?;
    let id = user.id;
    let found = app.database.read(move |connection| {
        Ok((owners_of(connection, id)?, kept_in(connection, id)?, Group::of_person(connection, id)?))
    });
    let (owners, kept_in, groups) = found.await?;
    let (last, label) = match user.status {
        UserStatus::Active => ("lock", "Lock"),
        UserStatus::Registered => ("unlock", "Activate"),
        UserStatus::Locked => ("unlock", "Unlock"),
    };
    let shell = Shell::of(&app, &request, &session)?.saying(&request, NOTICES);
    let shown = PersonPage {
        list_path: shell.path(&list_of_keys(&user.login)),
        shell,
        name: full_name(&user),
        status: status_label(user.status).unwrap_or("Active"),
        created: moment(user.created_on),
        last_sign_in: user.last_login_on.map(moment),
        password_set: user.passwd_changed_on.filter(|_| user.password_hash.is_some()).map(moment),
        keys,
        tokens,
        has_no_owner: owners.iter().all(|owner| !owner.is_active()),
        owners,
        kept_in,
        groups: groups.into_iter().map(|group| (groups::path_of(group.id), group.name)).collect(),
        action: (user.id != me.user.id).then(|| Action { path: format!("{path}/{last}"), label }),
        path,
        user,
    };
    page(StatusCode::OK, &shown)
}

/// `GET /users/ID`: the page behind the API's `Location` header, for a browser that follows it.
///
/// # Errors
/// Returns 404 if the address contains no valid id.
pub async fn home(app: web::Data<App>, request: HttpRequest) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    Ok(see_other(&app.url.path(&path_of(id))))
}
