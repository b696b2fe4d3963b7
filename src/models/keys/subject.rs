//! What a scope in Latchkey itself is about.

use crate::models::text_enum::text_enum;

text_enum! {
    /// What a scope is about: the first part of its word. The words for people are the heading of such scopes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Subject(as_str, title) {
        /// The owner's account.
        Account = ("account", "Your account"),
        /// The owner's keys.
        Keys = ("tokens", "Your keys"),
        /// Everybody's accounts.
        People = ("users", "People"),
        /// The services, as administrators manage them.
        Services = ("services", "Services"),
        /// The keys of everybody.
        EverybodysKeys = ("keys", "Everybody's keys"),
        /// What happened to everybody's keys and accounts, and to services.
        Audit = ("audit", "Audit log"),
    }
}

impl Subject {
    /// Whether only administrators can give the scopes about it to a key.
    pub fn is_for_administrators(self) -> bool {
        match self {
            Self::Account | Self::Keys => false,
            Self::People | Self::Services | Self::EverybodysKeys | Self::Audit => true,
        }
    }
}
