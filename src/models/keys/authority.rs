//! What whoever makes or changes a key may do themselves.

use super::scope::KeyScopes;
use crate::clock::Timestamp;

/// What whoever makes or changes a key may do themselves: no key may do more, or live longer.
#[derive(Clone, Debug)]
pub struct Authority {
    /// What they may do; `None`: everything that the person may.
    pub scopes: Option<KeyScopes>,
    /// Until when; `None`: for ever.
    pub expires_on: Option<Timestamp>,
}

impl Authority {
    /// That of the person themself.
    pub const OWNER: Self = Self { scopes: None, expires_on: None };
    /// That of whoever was not let in as anybody.
    pub const NOTHING: Self = Self { scopes: Some(KeyScopes::NONE), expires_on: None };

    /// Whether they may act until `expires_on` themselves.
    pub(super) fn outlives(&self, expires_on: Option<Timestamp>) -> bool {
        match (self.expires_on, expires_on) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => other <= own,
        }
    }

    /// Whether they may do all that `scopes` say, until `expires_on`.
    pub(super) fn covers(&self, scopes: &KeyScopes, expires_on: Option<Timestamp>) -> bool {
        self.exceeded_by(scopes).is_none() && self.outlives(expires_on)
    }

    /// What they may do, if `scopes` are more than that.
    pub(super) fn exceeded_by(&self, scopes: &KeyScopes) -> Option<&KeyScopes> {
        self.scopes.as_ref().filter(|own| !scopes.is_within(own))
    }
}
