//! The links with a secret that mails have.

use crate::models::keys::token::TokenAction;

/// What the link of a mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailLink {
    /// Somebody chooses a password.
    Password,
    /// Somebody confirms a new mail address.
    Address,
}

impl MailLink {
    /// The kind of its token.
    pub fn action(self) -> &'static TokenAction {
        match self {
            Self::Password => &TokenAction::Recovery,
            Self::Address => &TokenAction::NewAddress,
        }
    }

    /// The page that it leads to.
    pub fn path(self) -> &'static str {
        match self {
            Self::Password => "/lost-password/choose",
            Self::Address => "/new-address",
        }
    }
}
