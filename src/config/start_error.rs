//! Why a process cannot start.

/// Why a process cannot start, in one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);
