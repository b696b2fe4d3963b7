//! A small service that accepts Latchkey's keys on its own routes, and has Latchkey's pages below `/keys`:
//!
//!     LATCHKEY_URL=http://127.0.0.1:3000/keys cargo run --example embed
//!
//! Add a person first: `cargo run -- user add alice --mail alice@example.org`. With a key that they create at
//! `/keys/my/tokens`, `curl -H "Authorization: Bearer $KEY" http://127.0.0.1:3000/report.json` gets a response, and the
//! page shows when that was.

use std::error::Error;
use std::net::TcpListener;

use actix_web::dev::Server;
use actix_web::{App, HttpResponse, HttpServer, web};
use clap::Parser;
use latchkey::embed::{self, AccountRead, ApiUser, Clock, Config, SecretKey, at};

/// Latchkey's settings; those of the service itself would stand beside them.
#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    latchkey: Config,
}

#[allow(dead_code, reason = "a test brings its own")]
fn main() -> Result<(), Box<dyn Error>> {
    let Settings { latchkey: config } = Settings::parse();
    let _log = embed::start_log(&config.log)?;
    embed::migrate(&config.database_url)?;
    let key = config.load_secret_key()?;
    let listener = config.bind.listen()?;
    let latchkey = embed::App::start(config, listener.local_addr()?, Clock::system())?;
    let latchkey = web::Data::new(latchkey);
    let served = actix_web::rt::System::new().block_on(serve(latchkey.clone(), key, listener)?);
    // Write the last uses that are still in memory.
    latchkey.recorder.stop();
    Ok(served?)
}

/// Serves until it is stopped.
pub fn serve(latchkey: web::Data<embed::App>, key: SecretKey, listener: TcpListener) -> std::io::Result<Server> {
    let server = HttpServer::new(move || {
        App::new().service(at("/report.json").get(report)).configure(embed::mount(&latchkey, &key))
    });
    Ok(server.listen(listener)?.run())
}

/// For callers with a key that may see its owner's account. The type in the signature is all that is needed for that.
async fn report(me: ApiUser<AccountRead>) -> HttpResponse {
    HttpResponse::Ok().json(format!("{}'s report", me.user.login))
}
