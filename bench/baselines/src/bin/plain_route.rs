//! Measures what actix-web alone can do with as many workers: one route without middleware, which returns JSON like
//! `/users/current.json`. `LATCHKEY_BIND` is the address.

use actix_web::web::{self, Json};
use actix_web::{App, HttpServer};
use mimalloc::MiMalloc;
use serde::Serialize;

/// The product's, so that what differs is not the allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Serialize)]
struct Document {
    user: User,
}

#[derive(Serialize)]
struct User {
    id: i64,
    login: &'static str,
    admin: bool,
    firstname: &'static str,
    lastname: &'static str,
    mail: &'static str,
    created_on: &'static str,
    updated_on: &'static str,
    last_login_on: Option<&'static str>,
    passwd_changed_on: Option<&'static str>,
    twofa_scheme: Option<&'static str>,
}

async fn current() -> Json<Document> {
    Json(Document {
        user: User {
            id: 1,
            login: "person1",
            admin: false,
            firstname: "First",
            lastname: "Last",
            mail: "person1@example.org",
            created_on: "2026-01-31T10:00:00Z",
            updated_on: "2026-01-31T10:00:00Z",
            last_login_on: None,
            passwd_changed_on: None,
            twofa_scheme: None,
        },
    })
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::var("LATCHKEY_BIND").map_err(std::io::Error::other)?;
    HttpServer::new(|| App::new().route("/users/current.json", web::get().to(current))).bind(address)?.run().await
}
