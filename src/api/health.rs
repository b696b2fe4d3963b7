//! What load balancers and service managers ask.

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, HttpResponseBuilder, web};

use crate::app::App;
use crate::db::migrations::is_migrated;
use crate::http::error::{AppError, Cause};

/// `GET /healthz`: the process answers.
#[utoipa::path(
    get,
    path = "/healthz",
    operation_id = "isHealthy",
    summary = "Check that the process answers",
    security(()),
    responses((status = 200, description = "All is well.", body = String, content_type = "text/plain")),
)]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database answers, and has the migrations that this release needs, and no thread of the process is
/// gone.
#[utoipa::path(
    get,
    path = "/readyz",
    operation_id = "isReady",
    summary = "Check that Latchkey can serve requests: the database answers, has every migration, and all threads run",
    security(()),
    responses(
        (status = 200, description = "All is well.", body = String, content_type = "text/plain"),
        (status = 503, description = "The database does not answer or lacks migrations, or a thread has ended.", body = String, content_type = "text/plain"),
    ),
)]
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    let gone = app.gone_threads();
    if !gone.is_empty() {
        let why = format!("a thread is gone, and the process has to be restarted: {}", gone.join(", "));
        return not_ready(&why, Some(Cause::Mistake(why.clone())));
    }
    match app.database.read(is_migrated).await {
        Ok(true) => text(HttpResponse::Ok(), "ready"),
        Ok(false) => not_ready("the database does not fit this release: see latchkey migrate status", None),
        Err(error) => not_ready("the database does not answer", AppError::from(error).cause()),
    }
}

fn not_ready(why: &str, cause: Option<Cause>) -> HttpResponse {
    let mut response = HttpResponse::ServiceUnavailable();
    if let Some(cause) = cause {
        response.extensions_mut().insert(cause);
    }
    text(response, why)
}

fn text(mut response: HttpResponseBuilder, text: &str) -> HttpResponse {
    response.content_type(ContentType::plaintext()).body(format!("{text}\n"))
}
