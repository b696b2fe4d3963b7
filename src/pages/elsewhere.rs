//! Addresses that links and habits lead to, many of them from Redmine, where Latchkey has the page at another one. They
//! ask for nothing: the page that they lead to does.

use actix_web::{HttpRequest, HttpResponse, web};

use super::shell::see_other;
use crate::app::App;
use crate::auth::credentials::parameter;

/// `GET /`, `/my`, `/my/page` and `/users/current`
pub async fn own_account(app: web::Data<App>) -> HttpResponse {
    see_other(&app.url.path("/my/account"))
}

/// `GET /users`, with the parameters that the list of people has, too.
pub async fn people(app: web::Data<App>, request: HttpRequest) -> HttpResponse {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["name", "status", "sort", "page"] {
        if let Some(value) = parameter(request.query_string(), name) {
            query.append_pair(name, &value);
        }
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    see_other(&app.url.path(&format!("/admin/users{separator}{query}")))
}

/// `GET /users/new`
pub async fn new_person(app: web::Data<App>) -> HttpResponse {
    see_other(&app.url.path("/admin/users/new"))
}
