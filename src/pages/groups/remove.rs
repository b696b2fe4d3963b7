//! `/admin/groups/ID/remove`: the members that were ticked in the list are taken out, after a question.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{Service, group, path_of};
use crate::app::App;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::groups::group::Group;
use crate::models::groups::member_changes::{MOST_AT_ONCE, MemberChanges};
use crate::models::groups::overview::GroupOverview;
use crate::models::people::user::User;
use crate::pages::form::{PasswordAgain, error_summary};
use crate::pages::people::full_name;
use crate::pages::shell::{Flash, Shell, page, see_other_with};

#[derive(Template)]
#[template(path = "groups/remove.html")]
struct RemovePage {
    shell: Shell,
    path: String,
    name: String,
    services: Vec<Service>,
    /// The members that were chosen, by name and login.
    members: Vec<(String, String)>,
    /// Their logins, with blanks between.
    chosen: String,
    /// Who that is: `Alice Archer`, or `3 members`.
    who: String,
    again: PasswordAgain,
}

/// The form of the question.
#[derive(Deserialize)]
pub struct RemoveForm {
    /// The logins, with blanks between.
    #[serde(default)]
    chosen: String,
}

impl RemovePage {
    fn new(shell: Shell, whole: GroupOverview, members: Vec<User>, again: PasswordAgain) -> Self {
        let GroupOverview { group, services, .. } = whole;
        Self {
            shell,
            path: path_of(group.id),
            name: group.name,
            services: services.into_iter().map(Service::from).collect(),
            who: match members.as_slice() {
                [only] => full_name(only),
                several => format!("{} members", several.len()),
            },
            chosen: members.iter().map(|user| user.login.as_str()).collect::<Vec<_>>().join(" "),
            members: members.into_iter().map(|user| (full_name(&user), user.login)).collect(),
            again,
        }
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[("password", &self.again.field)])
    }
}

/// `GET /admin/groups/ID/remove`, with a parameter `logins` for each member.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if there are too many members or
/// the group is kept in the file, or an error if a query fails.
pub async fn ask(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let whole = group(&app, &request).await?;
    whole.group.can_be_changed()?;
    let parameters = form_urlencoded::parse(request.query_string().as_bytes());
    let logins = parameters.filter(|(name, _)| name == "logins").map(|(_, login)| login.into_owned());
    let members = members(&app, &whole.group, logins.collect()).await?;
    let (shell, again) = (Shell::of(&app, &request, &session)?, PasswordAgain::of(&app, &me.token));
    page(StatusCode::OK, &RemovePage::new(shell, whole, members, again))
}

/// `POST /admin/groups/ID/remove`: all of them at once. Whoever is no member any more is left alone.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if there are too many members or
/// the group is kept in the file, 429 after too many wrong passwords, 503 if the hashing queue is full, or an error if a
/// query fails.
pub async fn remove(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, RemoveForm>,
) -> Result<HttpResponse, AppError> {
    let whole = group(&app, &request).await?;
    let logins = sensitive.form.chosen.split_whitespace().map(str::to_owned).collect();
    let members = members(&app, &whole.group, logins).await?;
    let mandate = match sensitive.confirm(&app, &request).await? {
        Ok(mandate) => mandate,
        Err(why) => {
            let shell = Shell::of(&app, &request, &session)?;
            let again = RemovePage::new(shell, whole, members, PasswordAgain::refused(why));
            return page(StatusCode::UNPROCESSABLE_ENTITY, &again);
        }
    };
    let id = whole.group.id;
    let changes = MemberChanges::removing(members.into_iter().map(|user| user.login).collect());
    mandate.write(move |tx| Group::change_members(tx, id, &changes)).await??;
    Ok(see_other_with(&app, &path_of(id), Flash::GroupMembersRemoved))
}

/// The members with these logins, as far as they are members.
async fn members(app: &App, group: &Group, logins: Vec<String>) -> Result<Vec<User>, AppError> {
    if logins.len() > MOST_AT_ONCE {
        let too_many = format!("{} members are too many at once: choose at most {MOST_AT_ONCE}.", logins.len());
        return Err(AppError::Invalid(vec![too_many]));
    }
    let group = group.clone();
    app.database.read(move |connection| group.members_with(connection, &logins)).await.map_err(AppError::from)
}
