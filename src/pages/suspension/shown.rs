//! The suspension of a key as pages show it, and who was refused meanwhile.

use crate::app::App;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::keys::refused_use::RefusedUse;
use crate::models::keys::suspension::{Afterwards, Suspension};
use crate::pages::moment::{Due, Moment};

/// The suspension of a key.
pub struct ShownSuspension {
    /// When the key was suspended.
    pub since: Moment,
    /// What becomes of the key when the suspension ends by itself.
    pub then: &'static str,
    /// When that is; `None`: it does not end by itself.
    pub due: Option<Due>,
}

/// Who was refused with a key while it was suspended.
pub struct Refusals {
    /// Whether the key is suspended now.
    pub is_suspended: bool,
    /// The clients, the latest first.
    pub clients: Vec<ShownClient>,
}

/// A client that was refused.
pub struct ShownClient {
    /// The user agent; may be empty.
    pub agent: String,
    /// The address.
    pub address: String,
    /// Where it sent its requests: the title of a service, or Latchkey itself.
    pub place: String,
    /// How many requests were refused.
    pub times: i64,
    /// When the first of several was refused.
    pub first: Option<Moment>,
    /// When the last was refused.
    pub last: Moment,
}

impl ShownSuspension {
    /// `suspension` as seen at `now`.
    pub fn new(suspension: &Suspension, now: Timestamp) -> Self {
        Self {
            since: Moment::new(suspension.since, now),
            then: match suspension.end.afterwards() {
                Afterwards::Resume => "works again",
                Afterwards::Revoke => "will be revoked",
            },
            due: suspension.end.at().map(|at| Due::new(at, now)),
        }
    }
}

impl Refusals {
    /// Who was refused with the key that has this id.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn of(app: &App, key_id: i64, suspension: Option<&Suspension>) -> Result<Self, AppError> {
        let all = app.database.lookup(move |connection| RefusedUse::of_key(connection, key_id)).await?;
        let now = app.clock.now();
        Ok(Self {
            is_suspended: suspension.is_some(),
            clients: all.into_iter().map(|refused| ShownClient::new(refused, now)).collect(),
        })
    }

    /// Whether there is anything to show: a key that was never suspended has nothing.
    pub fn are_shown(&self) -> bool {
        self.is_suspended || !self.clients.is_empty()
    }
}

impl ShownClient {
    fn new(refused: RefusedUse, now: Timestamp) -> Self {
        let place = match refused.service.is_empty() {
            true => "Latchkey".to_owned(),
            false => refused.title.unwrap_or(refused.service),
        };
        Self {
            agent: refused.agent,
            address: refused.address,
            place,
            times: refused.times,
            first: (refused.times > 1).then(|| Moment::new(refused.first_on, now)),
            last: Moment::new(refused.last_on, now),
        }
    }
}
