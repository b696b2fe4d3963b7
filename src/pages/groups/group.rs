//! `/admin/groups/ID`: one group with its members, and the form that adds some.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::{Service, group, members_in_words, path_of};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::confirmation::Sensitive;
use crate::callers::session_user::AdminSession;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::models::groups::administration::GroupRefusal;
use crate::models::groups::group::{Group, GroupField};
use crate::models::groups::member_changes::MemberChanges;
use crate::models::groups::overview::GroupOverview;
use crate::models::kept_in::KeptIn;
use crate::models::people::search::{Criterion, FewTexts, People, TextTest};
use crate::models::people::user::User;
use crate::models::services::settings::words;
use crate::pages::form::{Field, PasswordAgain, error_summary};
use crate::pages::moment::Moment;
use crate::pages::paging::{Pager, Paging};
use crate::pages::people::{full_name, path_of as path_of_person, status_label};
use crate::pages::shell::{Flash, Shell, page, see_other_with};

/// The number of members on a page.
const PER_PAGE: i64 = 50;
/// The last page that can be opened.
const LAST_PAGE: i64 = 1_000_000;
/// So many members are found without a search.
const FEW: i64 = 10;

/// What may have been done to it just before.
const NOTICES: &[Flash] =
    &[Flash::GroupAdded, Flash::GroupChanged, Flash::GroupMembersAdded, Flash::GroupMembersRemoved];

#[derive(Template)]
#[template(path = "groups/group.html")]
struct GroupPage {
    shell: Shell,
    path: String,
    name: String,
    size: String,
    services: Vec<Service>,
    created: Moment,
    kept_in: KeptIn,
    members: Members,
    /// Who is to be added.
    logins: Field,
    again: PasswordAgain,
}

/// The members that the page shows.
#[derive(Default)]
struct Members {
    rows: Vec<Member>,
    /// How many were found, and which of them are shown.
    count: String,
    /// What is looked for; `None` if there are so few members that nobody has to search.
    search: Option<String>,
    /// What is wrong with the search, with the id of the field; empty: nothing.
    refused: Vec<(&'static str, String)>,
    pager: Pager,
}

struct Member {
    path: String,
    name: String,
    login: String,
    mail: String,
    status: Option<&'static str>,
}

/// The form that adds members.
#[derive(Deserialize)]
pub struct AddForm {
    logins: String,
}

impl GroupPage {
    async fn of(
        app: &App,
        shell: Shell,
        (whole, query): (GroupOverview, &str),
        (logins, again): (Field, PasswordAgain),
    ) -> Result<Self, AppError> {
        let members = Members::of(app, &shell, &whole, query).await?;
        let GroupOverview { group, members: number, services } = whole;
        Ok(Self {
            shell,
            path: path_of(group.id),
            size: members_in_words(number),
            services: services.into_iter().map(Service::from).collect(),
            created: Moment::new(group.created_on, app.clock.now()),
            kept_in: group.kept_in,
            name: group.name,
            members,
            logins,
            again,
        })
    }

    fn error_summary(&self) -> Vec<(&'static str, String)> {
        let of_form = error_summary(&[("logins", &self.logins), ("password", &self.again.field)]);
        self.members.refused.iter().cloned().chain(of_form).collect()
    }

    fn status(&self) -> StatusCode {
        if self.error_summary().is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }
}

impl Members {
    async fn of(app: &App, shell: &Shell, whole: &GroupOverview, query: &str) -> Result<Self, AppError> {
        let search = parameter(query, "name").unwrap_or_default().trim().to_owned();
        let shown_search = (whole.members > FEW || !search.is_empty()).then(|| search.clone());
        let mut people = whole.group.members();
        match FewTexts::words(&search) {
            Ok(words) => people.criteria.extend(words.map(|words| Criterion::Name(TextTest::Contains(words)))),
            Err(why) => {
                let refused = vec![("name", format!("The search {why}."))];
                return Ok(Self { search: shown_search, refused, ..Self::default() });
            }
        }
        let paging = Paging::asked(query, PER_PAGE, LAST_PAGE);
        let found = app.database.read(move |connection| people.find(connection, paging.skip(), PER_PAGE));
        let People { users, total } = found.await?;
        let address = |page: i64| {
            let mut query = form_urlencoded::Serializer::new(String::new());
            if !search.is_empty() {
                query.append_pair("name", &search);
            }
            if page > 1 {
                query.append_pair("page", &page.to_string());
            }
            shell.path(&format!("{}?{}", path_of(whole.group.id), query.finish()))
        };
        Ok(Self {
            rows: users.into_iter().map(Member::from).collect(),
            count: paging.count(total, ("member", "members")),
            pager: paging.pager_of(total, address),
            search: shown_search,
            refused: Vec::new(),
        })
    }
}

impl From<User> for Member {
    fn from(user: User) -> Self {
        Self {
            path: path_of_person(user.id),
            name: full_name(&user),
            status: status_label(user.status),
            login: user.login,
            mail: user.mail,
        }
    }
}

/// `GET /admin/groups/ID`, with the parameters `name` and `page`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    me: AdminSession,
) -> Result<HttpResponse, AppError> {
    let whole = group(&app, &request).await?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, NOTICES);
    let form = (Field::default(), PasswordAgain::of(&app, &me.token));
    let shown = GroupPage::of(&app, shell, (whole, request.query_string()), form).await?;
    page(shown.status(), &shown)
}

/// `POST /admin/groups/ID`: adds members.
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, 404 if no group has this id, 422 if it is kept in the file, 429
/// after too many wrong passwords, 503 if the hashing queue is full, or an error if a query fails.
pub async fn add_members(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    sensitive: Sensitive<AdminSession, AddForm>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    let confirmed = sensitive.confirm(&app, &request).await?;
    let logins = sensitive.form.logins;
    let (field, again) = match confirmed {
        Err(why) => (logins.into(), PasswordAgain::refused(why)),
        Ok(mandate) => {
            let changes = MemberChanges::adding(words(&logins));
            match mandate.write(move |tx| Group::change_members(tx, id, &changes)).await? {
                Ok(_) => return Ok(see_other_with(&app, &path_of(id), Flash::GroupMembersAdded)),
                Err(GroupRefusal::Invalid(errors)) => {
                    (Field::new(logins, GroupField::Members, &errors), PasswordAgain::default())
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
    };
    let (whole, shell) = (group(&app, &request).await?, Shell::of(&app, &request, &session)?);
    let again = GroupPage::of(&app, shell, (whole, ""), (field, again)).await?;
    page(StatusCode::UNPROCESSABLE_ENTITY, &again)
}
