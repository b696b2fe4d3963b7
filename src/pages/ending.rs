//! What people are told of keys that end because nobody uses them.

use super::moment::{Due, Moment};
use crate::app::App;
use crate::http::error::AppError;
use crate::models::keys::ending::{Course, Ending};
use crate::models::keys::key::Key;
use crate::models::keys::token::TokenAction;

/// A key that will be suspended because nobody uses it.
pub struct EndingKey {
    /// Its kind, and its name if it has one.
    pub title: String,
    /// The path of its page; `None`: it has none of its own.
    pub path: Option<String>,
    /// The latest time at which it may have been used.
    pub quiet_since: Moment,
    /// When it will be suspended.
    pub due: Due,
}

impl EndingKey {
    /// Those among `keys`, in their order.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn all_of(app: &App, keys: &[Key]) -> Result<Vec<Self>, AppError> {
        if app.config.unused_keys.limit().is_none() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = keys.iter().map(|key| key.id).collect();
        let endings = app.database.lookup(move |connection| Ending::of_keys(connection, &ids)).await?;
        let of_key = |key: &Key| Self::new(app, key, endings.get(&key.id).unwrap_or(&Ending::default()));
        Ok(keys.iter().filter_map(of_key).collect())
    }

    /// `key`, if it is one.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub async fn of(app: &App, key: &Key) -> Result<Option<Self>, AppError> {
        if app.config.unused_keys.limit().is_none() {
            return Ok(None);
        }
        let id = key.id;
        let ending = app.database.lookup(move |connection| Ending::of_key(connection, id)).await?;
        Ok(Self::new(app, key, &ending))
    }

    fn new(app: &App, key: &Key, ending: &Ending) -> Option<Self> {
        let (now, after) = (app.clock.now(), app.config.unused_keys.limit()?);
        let quiet_since = key.quiet_since(key.last_use(|secret| app.recorder.last_use.of(secret)));
        match ending.course(quiet_since, after, now) {
            Course::Told(due) if key.works(now) => Some(Self {
                title: key.title(),
                path: (key.action == TokenAction::Access).then(|| format!("/my/tokens/{}", key.id)),
                quiet_since: Moment::new(quiet_since, now),
                due: Due::new(due, now),
            }),
            _ => None,
        }
    }
}
