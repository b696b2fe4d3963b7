//! How long a session lasts, and how long a password that was given in it does.

use chrono::TimeDelta;

use crate::app::App;
use crate::clock::Timestamp;
use crate::models::keys::token::Token;

/// How long a password that was given in a session does for steps that ask for it.
const PASSWORD_GIVEN_WITHIN: TimeDelta = TimeDelta::minutes(15);

/// Whether a session has neither outlived its lifetime, since the sign-in, nor its timeout, since its last use.
pub(super) fn is_current(app: &App, session: &Token, now: Timestamp) -> bool {
    let last_use = app.recorder.last_use.of(session).unwrap_or(session.created_on);
    let within = |since, limit: Option<TimeDelta>| limit.is_none_or(|limit| now - since < limit);
    within(session.created_on, app.config.session_lifetime.limit())
        && within(last_use, app.config.session_timeout.limit())
}

/// Whether a step in this session asks for the password again.
pub(super) fn asks_again(session: &Token, now: Timestamp) -> bool {
    // Either way: a clock that was set back must not make it last longer.
    (now - session.password_given_on()).abs() > PASSWORD_GIVEN_WITHIN
}
