//! *Keys*, for administrators: everybody's keys, found by what holds for them, and several of them suspended or revoked at
//! once.

mod chosen;
pub mod list;
pub mod revoke;
pub mod suspend;

use crate::app::App;
use crate::models::keys::list::ListedKey;
use crate::pages::people::key::{Facts, shown};
use crate::pages::tokens::shown::ShownToken;

/// The path of the list.
const LIST: &str = "/admin/keys";

/// A key in a list of keys of several people.
struct Row {
    key: ShownToken,
    facts: Facts,
    owner_login: String,
    /// The titles of the services on which it was used, the latest use first; may be empty.
    services: String,
}

impl Row {
    fn new(app: &App, listed: &ListedKey) -> Self {
        let facts = Facts::of(app, &listed.key, &listed.owner);
        let services: Vec<&str> = listed.services.iter().map(|used| used.title.as_str()).collect();
        Self {
            key: shown(app, &listed.key, &facts),
            owner_login: listed.owner.login.clone(),
            services: services.join(", "),
            facts,
        }
    }
}
