//! How long a session is valid, and how long a password that was given in it counts as recent.

use chrono::TimeDelta;

use crate::app::App;
use crate::clock::Timestamp;
use crate::models::keys::token::Token;

/// How long a password that was given in a session counts as recent, for steps that ask for it.
const PASSWORD_GIVEN_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// Whether a session is within its lifetime, counted from the sign-in, and its idle timeout, counted from its last use.
pub(super) fn is_current(app: &App, session: &Token, now: Timestamp) -> bool {
    let last_use = app.recorder.last_use.of(session).unwrap_or(session.created_on);
    let within = |since, limit: Option<TimeDelta>| limit.is_none_or(|limit| now - since < limit);
    within(session.created_on, app.config.session_lifetime.limit())
        && within(last_use, app.config.session_timeout.limit())
}

/// Whether a sensitive step in this session asks for the password again.
pub(super) fn asks_again(session: &Token, now: Timestamp) -> bool {
    // Compare the distance in both directions: a clock that was set back must not extend the time.
    (now - session.password_given_on()).abs() > PASSWORD_GIVEN_WITHIN
}
