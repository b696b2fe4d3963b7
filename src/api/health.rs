//! What load balancers and service managers ask.

use actix_web::{HttpResponse, web};

use crate::app::App;
use crate::db::is_migrated;

/// `GET /healthz`: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: the database answers, and has the migrations that this release needs.
pub async fn readyz(app: web::Data<App>) -> HttpResponse {
    match app.database.read(is_migrated).await {
        Ok(true) => HttpResponse::Ok().body("ready\n"),
        Ok(false) => {
            HttpResponse::ServiceUnavailable().body("the database lacks migrations: run latchkey migrate run\n")
        }
        Err(error) => {
            tracing::warn!(%error, "not ready");
            HttpResponse::ServiceUnavailable().body("the database does not answer\n")
        }
    }
}
