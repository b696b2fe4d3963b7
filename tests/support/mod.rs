//! The one harness: a Latchkey that runs, over a database of its own, and people and programs who use it.

pub mod browser;
pub mod caddy;
pub mod command_line;
pub mod cookie;
pub mod daemon;
pub mod database;
pub mod envoy;
pub mod form;
pub mod hashing;
pub mod load;
pub mod log;
pub mod machine;
pub mod mariadb;
pub mod nginx;
pub mod panics;
pub mod php;
pub mod process;
pub mod proxied;
pub mod proxy_settings;
pub mod redmine;
pub mod relay;
pub mod site;
pub mod smtp;
pub mod traefik;
pub mod upstream;
pub mod visitor;
pub mod wire;
pub mod world;
pub mod xml;

use std::time::{Duration, Instant};

pub use command_line::CommandLine;
pub use database::Db;
pub use database::Db::{Postgres, Sqlite};
pub use hashing::HeldThreads;
pub use process::Process;
pub use site::{Key, Site};
pub use smtp::MailServer;
pub use visitor::{Page, Visitor};

/// Everybody's password, until they change it.
pub const PASSWORD: &str = "a-test-password-9f3c";

/// Waits until something has happened that nobody tells of; panics when that takes too long.
pub async fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !happened() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What an answer was: status, headers and text, for tests that look at more than one of them.
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body of text") }
    }

    /// The same, with the secret noted that it gives away, if it does: it must not stand in the log.
    pub fn noted(self) -> Self {
        let document: serde_json::Value = serde_json::from_str(&self.text).unwrap_or_default();
        if let Some(secret) = document["secret"].as_str() {
            log::note_secret(secret);
        }
        self
    }

    /// A header's value; `None`: it is not there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header in ASCII"))
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }
}
