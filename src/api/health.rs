//! What load balancers and service managers ask.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use crate::app::App;
use crate::db::migrations::is_migrated;

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "isHealthy",
    summary = "Whether the process answers",
    security(()),
    responses((status = 200, description = "It does.", body = String, content_type = "text/plain")),
)]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database answers, and has the migrations that this release needs.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "isReady",
    summary = "Whether the database answers, with every migration that this release needs",
    security(()),
    responses(
        (status = 200, description = "It does.", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, or lacks some.", body = String, content_type = "text/plain"),
    ),
)]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    match app.database.read(is_migrated).await {
        Ok(true) => text(HttpResponse::Ok(), "ready\n"),
        Ok(false) => text(
            HttpResponse::ServiceUnavailable(),
            "the database does not fit this release: see latchkey migrate status\n",
        ),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            text(HttpResponse::ServiceUnavailable(), "the database does not answer\n")
        }
    }
}

fn text(mut response: HttpResponseBuilder, text: &'static str) -> HttpResponse {
    response.content_type(ContentType::plaintext()).body(text)
}
