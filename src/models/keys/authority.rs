//! The limits of whoever creates or changes a key.

use super::scope::KeyScopes;
use crate::clock::Timestamp;

/// The limits of whoever creates or changes a key. No key may be given more scopes or a later expiry than these.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The scopes that they may give; `None`: everything that the person may do.
    pub scopes: Option<KeyScopes>,
    /// The latest expiry that they may give; `None`: no limit.
    pub expires_on: Option<Timestamp>,
}

impl Authority {
    /// The authority of a person who has signed in themselves.
    pub const OWNER: Self = Self { scopes: None, expires_on: None };
    /// The authority of somebody who has not authenticated.
    pub const NOTHING: Self = Self { scopes: Some(KeyScopes::NONE), expires_on: None };

    /// Whether they may do everything that the person may. Only they may do what could be turned into more than the scopes
    /// of a key allow: set passwords, look after administrators, revoke an API access key.
    pub fn is_full(&self) -> bool {
        self.scopes.is_none()
    }

    /// Whether a key that expires at `expires_on` stays within the limits.
    pub(super) fn outlives(&self, expires_on: Option<Timestamp>) -> bool {
        match (self.expires_on, expires_on) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(other)) => other <= own,
        }
    }

    /// The scopes that may be given, if `scopes` exceed them.
    pub(super) fn exceeded_by(&self, scopes: &KeyScopes) -> Option<&KeyScopes> {
        self.scopes.as_ref().filter(|own| !scopes.is_within(own))
    }
}
