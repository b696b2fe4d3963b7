//! The limits of whoever creates or changes a key.

use super::networks::Networks;
use super::scope::KeyScopes;
use crate::clock::Timestamp;

/// The limits of whoever creates or changes a key. No key may be given more scopes, other networks or a later expiry than
/// these.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The scopes that they may give; `None`: everything that the person may do.
    pub scopes: Option<KeyScopes>,
    /// The scopes that they may take away, by revoking or suspending a key; `None`: any.
    pub ends: Option<KeyScopes>,
    /// The latest expiry that they may give; `None`: no limit.
    pub expires_on: Option<Timestamp>,
    /// The networks that keys may be used from that they create or change; `None`: anywhere.
    pub networks: Option<Networks>,
}

impl Authority {
    /// The authority of a person who has signed in themselves.
    pub const OWNER: Self = Self { scopes: None, ends: None, expires_on: None, networks: None };
    /// The authority of somebody who has not authenticated.
    pub const NOTHING: Self =
        Self { scopes: Some(KeyScopes::NONE), ends: Some(KeyScopes::NONE), expires_on: None, networks: None };

    /// The authority of a key with these scopes, which has no other limits.
    pub fn of_scopes(scopes: KeyScopes) -> Self {
        Self { scopes: Some(scopes.clone()), ends: Some(scopes), ..Self::OWNER }
    }

    /// The authority of somebody over the keys of a service account that they own, if they may do `most` themselves. They
    /// may end any of its keys that they could end if it were theirs.
    pub fn over_service_account(self, most: &KeyScopes) -> Self {
        let scopes = self.scopes.map_or_else(|| most.clone(), |scopes| scopes.intersection(most));
        Self { scopes: Some(scopes), ..self }
    }

    /// Whether they own the service account whose keys this is about, and no key limits what they end.
    pub fn is_of_owner(&self) -> bool {
        self.scopes.is_some() && self.ends.is_none()
    }

    /// Whether they may do everything that the person may, from anywhere. Only they may do what could be turned into more
    /// than a key allows: set passwords, look after administrators.
    pub fn is_full(&self) -> bool {
        self.has_every_scope() && self.networks.is_none()
    }

    /// Whether they may do everything that the person may, if perhaps not from everywhere.
    pub(super) fn has_every_scope(&self) -> bool {
        self.scopes.is_none()
    }

    /// Whether a key with these networks stays within the limits.
    pub(super) fn reaches(&self, networks: Option<&Networks>) -> bool {
        match (&self.networks, networks) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(others)) => others.are_within(own),
        }
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
