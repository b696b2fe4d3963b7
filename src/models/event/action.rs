//! The kinds of events.

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use crate::models::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// The kind of an event. In the words, `{key}` stands for the title of the key that the event is about.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, Hash)]
    #[diesel(sql_type = Text)]
    pub enum EventAction(as_str, words) {
        /// The person signed in with their password, in a browser.
        SignedIn = ("signed_in", "Signed in"),
        /// Somebody tried to sign in with a wrong password.
        SignInRefused = ("sign_in_refused", "Wrong password"),
        /// A first key of its kind, or another access token, was created.
        KeyCreated = ("key_created", "{key} created"),
        /// A new key replaced the one before.
        KeyReset = ("key_reset", "{key} reset"),
        /// The key was revoked.
        KeyRevoked = ("key_revoked", "{key} revoked"),
        /// A key, or a new secret of it, was used for the first time.
        KeyFirstUsed = ("key_first_used", "{key} first used"),
        /// The name, note, scopes, expiry or networks of a key were changed.
        KeyChanged = ("key_changed", "{key} changed"),
        /// The key was rotated: it has a new secret.
        KeyRotated = ("key_rotated", "{key} rotated"),
        /// The key expired: requests with it are refused from now on.
        KeyExpired = ("key_expired", "{key} expired"),
        /// A key that expired long ago was removed automatically.
        KeyCleared = ("key_cleared", "{key} deleted: it expired long ago"),
        /// A program presented an expired key.
        ExpiredKeyRefused = ("expired_key_refused", "{key} refused: it has expired"),
        /// A program asked for something that the scopes of the key do not allow.
        ScopeRefused = ("scope_refused", "{key} refused: it may not do this"),
        /// The key was suspended: requests with it are refused for now.
        KeySuspended = ("key_suspended", "{key} suspended"),
        /// The key is no longer suspended.
        KeyResumed = ("key_resumed", "{key} switched on again"),
        /// The key was revoked at the end of its suspension, as somebody had chosen.
        SuspendedKeyRevoked = ("suspended_key_revoked", "{key} revoked at the end of its suspension"),
        /// The key will be suspended, because nobody uses it.
        KeyToEnd = ("key_to_end", "{key} will be suspended: nobody uses it"),
        /// An administrator had the key kept although nobody uses it.
        KeyExempted = ("key_exempted", "{key} exempted from ending unused"),
        /// An administrator had the key treated as any other.
        KeyNotExempted = ("key_not_exempted", "{key} no longer exempted from ending unused"),
        /// A program presented a suspended key.
        SuspendedKeyRefused = ("suspended_key_refused", "{key} refused: it is suspended"),
        /// A program presented the key from an address that it may not be used from.
        ElsewhereKeyRefused = ("elsewhere_key_refused", "{key} refused: it may not be used from this address"),
        /// The key was revoked because somebody reported its secret as leaked.
        KeyLeaked = ("key_leaked", "{key} revoked: its secret was reported as leaked"),
        /// The password was changed.
        PasswordChanged = ("password_changed", "Password changed"),
        /// The account was locked.
        Locked = ("locked", "Account locked"),
        /// The account was unlocked.
        Unlocked = ("unlocked", "Account unlocked"),
        /// An administrator created the account.
        AccountCreated = ("account_created", "Account created"),
        /// An administrator changed the login, names or mail address.
        AccountChanged = ("account_changed", "Account changed"),
        /// The person deleted somebody else's account.
        AccountDeleted = ("account_deleted", "Account deleted"),
        /// An administrator gave the service account to others.
        OwnersChanged = ("owners_changed", "Owners changed"),
        /// The person became an administrator.
        AdminGranted = ("admin_granted", "Made an administrator"),
        /// The person is no longer an administrator.
        AdminRevoked = ("admin_revoked", "No longer an administrator"),
        /// The second factor was cleared: a password alone is enough again.
        SecondFactorCleared = ("second_factor_cleared", "Second factor cleared"),
        /// The administrator added a service.
        ServiceAdded = ("service_added", "Service added"),
        /// The administrator changed the settings of a service.
        ServiceChanged = ("service_changed", "Service changed"),
        /// The administrator removed a service for good.
        ServiceRemoved = ("service_removed", "Service removed"),
        /// The administrator added a group.
        GroupAdded = ("group_added", "Group added"),
        /// The administrator gave a group another name.
        GroupChanged = ("group_changed", "Group changed"),
        /// The administrator deleted a group.
        GroupDeleted = ("group_deleted", "Group deleted"),
        /// The person became a member of a group.
        AddedToGroup = ("added_to_group", "Added to a group"),
        /// The person is no longer a member of a group.
        TakenOutOfGroup = ("taken_out_of_group", "Taken out of a group"),
        /// A kind of event that only a newer release knows.
        Unknown = ("unknown", "An event that this release does not know"),
    }
}

// An older release still shows the event, without knowing what it was.
stored_as_text!(EventAction, otherwise Unknown);

impl EventAction {
    /// Whether somebody was refused something. The audit log knows it of events of newer releases, too, by their text.
    pub(super) fn is_refusal(self) -> bool {
        self.as_str().ends_with("refused")
    }
}
