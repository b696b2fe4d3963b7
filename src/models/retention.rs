//! How long rows are kept that come with what people do.

use chrono::TimeDelta;

use crate::clock::Timestamp;
use crate::config::Config;

/// The most rows that are removed in one transaction. Small batches let other writers in between.
pub const BATCH: i64 = 1000;

/// The settings for it. `None`: for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// How long events are kept.
    pub activity: Option<TimeDelta>,
    /// How long entries of the audit log are kept.
    pub audit: Option<TimeDelta>,
    /// How long expired access tokens and sessions that are over are kept.
    pub expired: Option<TimeDelta>,
    /// How long a key may go unused before it ends.
    pub unused_keys: Option<TimeDelta>,
    /// How long requests with an idempotency key are remembered.
    pub idempotency: Option<TimeDelta>,
    /// How long a session lasts since the sign-in.
    pub session_lifetime: Option<TimeDelta>,
    /// How long a session lasts since it was last used.
    pub session_timeout: Option<TimeDelta>,
}

impl Retention {
    /// What the settings say.
    pub fn of(config: &Config) -> Self {
        Self {
            activity: config.activity_retention.limit(),
            audit: config.audit_kept.limit(),
            expired: config.expired_retention.limit(),
            unused_keys: config.unused_keys.limit(),
            idempotency: config.idempotency_retention.limit(),
            session_lifetime: config.session_lifetime.limit(),
            session_timeout: config.session_timeout.limit(),
        }
    }
}

/// The time before which something is old that is kept for `kept`; the beginning of all times if it is kept for ever.
pub fn kept_since(now: Timestamp, kept: Option<TimeDelta>) -> Timestamp {
    kept.and_then(|kept| now.checked_sub_signed(kept)).unwrap_or_default()
}
