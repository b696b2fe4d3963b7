//! The kinds of mail.

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use super::link::MailLink;
use crate::models::event::action::EventAction;
use crate::models::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// What a mail tells. The words say when it is sent.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[diesel(sql_type = Text)]
    pub enum MailKind(as_str, words) {
        /// A key was created.
        KeyMade = ("key_made", "A key of yours is created"),
        /// A new key took the place of another.
        KeyReset = ("key_reset", "A key of yours is reset"),
        /// A key has a new secret.
        KeyRotated = ("key_rotated", "A key of yours is rotated"),
        /// A key was changed so that it may do more, from more places or for longer.
        KeyWidened = ("key_widened", "A key of yours is changed so that it may do more"),
        /// A secret was reported as leaked.
        KeyLeaked = ("key_leaked", "A key of yours is reported as leaked"),
        /// A key was suspended.
        KeySuspended = ("key_suspended", "A key of yours is suspended"),
        /// A key will be suspended, because nobody uses it.
        KeyToEnd = ("key_to_end", "A key of yours will be suspended, because nobody uses it"),
        /// A key will expire.
        KeyExpiring = ("key_expiring", "A key of yours expires in 14, 3 or 1 days"),
        /// A key has expired, and something still uses it.
        KeyMissed = ("key_missed", "A key of yours has expired, and something still uses it"),
        /// The password was changed.
        PasswordChanged = ("password_changed", "Your password is changed"),
        /// The mail address was changed. The old address is told, too.
        MailChanged = ("mail_changed", "Your email address is changed"),
        /// Somebody asked for another mail address. The current one is told.
        NewAddressAsked = ("new_address_asked", "Another email address is asked for, at the address that you have"),
        /// The link by which a new mail address is confirmed.
        NewAddress = ("new_address", "You ask for another email address, at that address"),
        /// The second factor was changed.
        SecondFactorChanged = ("second_factor_changed", "Your second factor is changed"),
        /// The account was locked.
        Locked = ("locked", "Your account is locked"),
        /// Somebody signed in from where nobody had.
        NewSignIn = ("new_sign_in", "Somebody signs in as you from a new place"),
        /// Somebody asked for a new password.
        Recovery = ("recovery", "You ask for a new password"),
        /// An administrator created the account.
        AccountMade = ("account_made", "An administrator creates your account"),
        /// What administrators should look at, once a week.
        Weekly = ("weekly", "Once a week, what an administrator should look at"),
        /// A kind that only a newer release knows.
        Unknown = ("unknown", "Something that this release does not know"),
    }
}

// An older release leaves such a mail to a newer one.
stored_as_text!(MailKind, otherwise Unknown);

impl MailKind {
    /// Those that people may do without. All others protect the account, and nobody can switch them off.
    pub const OPTIONAL: [Self; 5] =
        [Self::KeyExpiring, Self::KeyMissed, Self::KeySuspended, Self::KeyToEnd, Self::Weekly];

    /// Whether people may do without it.
    pub fn is_optional(self) -> bool {
        Self::OPTIONAL.contains(&self)
    }

    /// Whether it protects an account, so that nobody can do without it.
    pub fn is_always_sent(self) -> bool {
        !self.is_optional() && self != Self::Unknown
    }

    /// The link with a secret that it has.
    pub fn link(self) -> Option<MailLink> {
        match self {
            Self::Recovery | Self::AccountMade => Some(MailLink::Password),
            Self::NewAddress => Some(MailLink::Address),
            Self::KeyMade
            | Self::KeyReset
            | Self::KeyRotated
            | Self::KeyWidened
            | Self::KeyLeaked
            | Self::KeySuspended
            | Self::KeyToEnd
            | Self::KeyExpiring
            | Self::KeyMissed
            | Self::PasswordChanged
            | Self::MailChanged
            | Self::NewAddressAsked
            | Self::SecondFactorChanged
            | Self::Locked
            | Self::NewSignIn
            | Self::Weekly
            | Self::Unknown => None,
        }
    }

    /// Whether what comes up within an hour is put together into one mail. Whoever is to follow a link waits for it.
    pub fn is_put_together(self) -> bool {
        self.link().is_none()
    }

    /// Whether somebody whose account is locked is told, too: what happened just before may be why it is.
    pub fn is_for_the_locked(self) -> bool {
        self.is_always_sent() && self.is_put_together()
    }

    /// What a person, or the owners of a service account, are told of an event about them; `None`: nothing.
    pub fn of_event(action: EventAction) -> Option<Self> {
        match action {
            EventAction::KeyCreated => Some(Self::KeyMade),
            EventAction::KeyReset => Some(Self::KeyReset),
            EventAction::KeyRotated => Some(Self::KeyRotated),
            EventAction::KeyLeaked => Some(Self::KeyLeaked),
            EventAction::KeySuspended => Some(Self::KeySuspended),
            EventAction::KeyToEnd => Some(Self::KeyToEnd),
            EventAction::ExpiredKeyRefused => Some(Self::KeyMissed),
            EventAction::PasswordChanged => Some(Self::PasswordChanged),
            EventAction::SecondFactorCleared => Some(Self::SecondFactorChanged),
            EventAction::Locked => Some(Self::Locked),
            EventAction::SignedIn => Some(Self::NewSignIn),
            EventAction::SignInRefused
            // Only one that gives more is told, by whoever knows that it does.
            | EventAction::KeyChanged
            | EventAction::KeyRevoked
            | EventAction::KeyFirstUsed
            | EventAction::KeyExpired
            | EventAction::KeyCleared
            | EventAction::ScopeRefused
            | EventAction::KeyResumed
            | EventAction::SuspendedKeyRevoked
            | EventAction::KeyExempted
            | EventAction::KeyNotExempted
            | EventAction::SuspendedKeyRefused
            | EventAction::ElsewhereKeyRefused
            | EventAction::Unlocked
            | EventAction::AccountCreated
            | EventAction::AccountChanged
            | EventAction::AccountDeleted
            | EventAction::OwnersChanged
            | EventAction::AdminGranted
            | EventAction::AdminRevoked
            | EventAction::ServiceAdded
            | EventAction::ServiceChanged
            | EventAction::ServiceRemoved
            | EventAction::GroupAdded
            | EventAction::GroupChanged
            | EventAction::GroupDeleted
            | EventAction::AddedToGroup
            | EventAction::TakenOutOfGroup
            | EventAction::Unknown => None,
        }
    }
}
