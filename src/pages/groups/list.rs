//! `/admin/groups`: the list of groups, with a search by name.

use actix_session::Session;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::{members_in_words, path_of};
use crate::app::App;
use crate::auth::credentials::parameter;
use crate::callers::session_user::AdminSession;
use crate::http::error::AppError;
use crate::models::groups::group::Group;
use crate::models::groups::overview::GroupOverview;
use crate::models::people::search::FewTexts;
use crate::pages::paging::{Pager, Paging};
use crate::pages::shell::{Flash, Shell, page};

/// The number of groups on a page.
const PER_PAGE: i64 = 50;
/// So many groups are found without a search.
const FEW: i64 = 5;

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    shell: Shell,
    groups: Vec<Row>,
    count: String,
    /// Whether there are any groups, found or not.
    are_there_any: bool,
    /// What is looked for; `None` if there are so few groups that nobody has to search.
    search: Option<String>,
    /// What is wrong with the search, with the id of the field; empty: nothing.
    refused: Vec<(&'static str, String)>,
    pager: Pager,
}

struct Row {
    path: String,
    name: String,
    state: Option<&'static str>,
    members: String,
    /// The services that admit it; empty: none.
    services: String,
}

/// `GET /admin/groups`, with the parameters `name` and `page`
///
/// # Errors
/// Returns 403 for anybody who is not an administrator, or an error if a query fails.
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    session: Session,
    _: AdminSession,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string().to_owned();
    let search = parameter(&query, "name").unwrap_or_default().trim().to_owned();
    let words = FewTexts::words(&search).map_err(|too_long| format!("The search {too_long}."));
    let refused: Vec<_> = words.as_ref().err().map(|why| ("name", why.clone())).into_iter().collect();
    let read = app.database.read(move |connection| {
        let all = Group::search(connection, None)?;
        let number = rows(&all);
        let is_found = |group: &Group| match &words {
            Ok(words) => words.as_ref().is_none_or(|words| words.are_in(&group.name)),
            Err(_) => false,
        };
        let found: Vec<Group> = all.into_iter().filter(is_found).collect();
        let total = rows(&found);
        let paging = Paging::asked_of(&query, PER_PAGE, total);
        Ok((GroupOverview::of_these(connection, paging.rows(found))?, total, number, paging))
    });
    let (groups, total, number, paging) = read.await?;
    let shell = Shell::of(&app, &request, &session)?.saying(&request, &[Flash::GroupDeleted]);
    let address = |page: i64| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !search.is_empty() {
            query.append_pair("name", &search);
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        shell.path(&format!("/admin/groups?{}", query.finish()))
    };
    let status = if refused.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shown = ListPage {
        groups: groups.into_iter().map(Row::from).collect(),
        count: if refused.is_empty() { paging.count(total, ("group", "groups")) } else { String::new() },
        are_there_any: number > 0,
        pager: paging.pager_of(total, address),
        search: (number > FEW || !search.is_empty()).then_some(search),
        refused,
        shell,
    };
    page(status, &shown)
}

fn rows(groups: &[Group]) -> i64 {
    i64::try_from(groups.len()).unwrap_or(i64::MAX)
}

impl From<GroupOverview> for Row {
    fn from(GroupOverview { group, members, services }: GroupOverview) -> Self {
        Self {
            path: path_of(group.id),
            state: group.kept_in.label(),
            members: members_in_words(members),
            services: services.into_iter().map(|service| service.title).collect::<Vec<_>>().join(", "),
            name: group.name,
        }
    }
}
