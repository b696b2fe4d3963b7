//! The error of a process that cannot start.

/// Why a process cannot start, in one line that says what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);
