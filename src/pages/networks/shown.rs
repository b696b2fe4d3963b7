//! The networks of a key as pages show them.

use crate::models::keys::key::Key;
use crate::models::keys::networks::Networks;

/// The networks of a key.
pub struct ShownNetworks {
    /// Each of them.
    pub all: Vec<String>,
    /// The first few, in a line.
    pub summary: String,
}

impl ShownNetworks {
    /// The networks of `key`; `None`: it may be used from anywhere.
    pub fn of(key: &Key) -> Option<Self> {
        let shown = |networks: &Networks| Self { all: networks.words().collect(), summary: networks.summary() };
        key.networks.as_ref().map(shown)
    }
}
