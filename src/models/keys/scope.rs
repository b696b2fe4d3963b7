//! What a key may do: in Latchkey itself, and on services.
//!
//! It is a long file because the word of a scope, what includes it, and what sets of scopes grant must agree.

use std::collections::BTreeSet;
use std::fmt;

use diesel::deserialize::FromSqlRow;
use diesel::expression::AsExpression;
use diesel::sql_types::Text;

use super::subject::Subject;
use crate::models::text_enum::{stored_as_text, text_enum};

text_enum! {
    /// A permission of a key in Latchkey itself. Write access includes read access.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Scope(as_str, description) {
        /// See the owner's account.
        AccountRead = ("account:read", "see your account"),
        /// Change the owner's names and mail address.
        AccountWrite = ("account:write", "change your name and email"),
        /// See the owner's keys.
        TokensRead = ("tokens:read", "see your keys"),
        /// Create, change, rotate and revoke the owner's keys, as far as these may do no more than the key itself.
        TokensWrite = ("tokens:write", "create, change and revoke keys that can do no more than this one"),
        /// See everybody's account.
        UsersRead = ("users:read", "see everybody's accounts"),
        /// Add, change and delete people, and act as one of them (Switch-User), except for administrators. Setting a
        /// password needs full access.
        UsersWrite = (
            "users:write",
            "add, change, delete and act as people who are not administrators, without setting passwords"
        ),
        /// See the services.
        ServicesRead = ("services:read", "see the services"),
        /// Add, change and remove services, and decide who may use them.
        ServicesWrite = ("services:write", "add, change and remove services, and decide who may use them"),
        /// See everybody's keys.
        KeysRead = ("keys:read", "see everybody's keys"),
        /// Revoke everybody's keys, as far as these may do no more than the key itself.
        KeysWrite = ("keys:write", "revoke everybody's keys that can do no more than this one"),
        /// See what happened to anybody's keys and account, and to services.
        AuditRead = ("audit:read", "see the audit log"),
    }
}

impl Scope {
    /// What the scope is about. People read the scopes about one subject together.
    pub fn subject(self) -> Subject {
        match self {
            Self::AccountRead | Self::AccountWrite => Subject::Account,
            Self::TokensRead | Self::TokensWrite => Subject::Keys,
            Self::UsersRead | Self::UsersWrite => Subject::People,
            Self::ServicesRead | Self::ServicesWrite => Subject::Services,
            Self::KeysRead | Self::KeysWrite => Subject::EverybodysKeys,
            Self::AuditRead => Subject::Audit,
        }
    }

    /// Whether only administrators can give the scope to a key.
    pub fn is_for_administrators(self) -> bool {
        self.subject().is_for_administrators()
    }

    /// The scope that includes this one.
    fn included_in(self) -> Option<Self> {
        match self {
            Self::AccountRead => Some(Self::AccountWrite),
            Self::TokensRead => Some(Self::TokensWrite),
            Self::UsersRead => Some(Self::UsersWrite),
            Self::ServicesRead => Some(Self::ServicesWrite),
            Self::KeysRead => Some(Self::KeysWrite),
            // Nobody writes to the audit log: it is added to by what happens.
            Self::AccountWrite
            | Self::TokensWrite
            | Self::UsersWrite
            | Self::ServicesWrite
            | Self::KeysWrite
            | Self::AuditRead => None,
        }
    }

    fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of scopes in Latchkey itself.
#[derive(FromSqlRow, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u16);

/// A word that is not a scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unknown scope: {0}. The scopes are {all}, and service:NAME:read and service:NAME:write", all = Scopes::ALL)]
pub struct UnknownScope(pub String);

impl Scopes {
    /// No scope.
    pub const NONE: Self = Self(0);
    /// Every scope: everything that the owner may do.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// The scopes that an administrator, or somebody who is none, can give to a key.
    pub fn open_to(is_admin: bool) -> Self {
        Scope::ALL.into_iter().filter(|scope| is_admin || !scope.is_for_administrators()).collect()
    }

    /// Parses the scopes of a row. Scopes that only a newer release knows are ignored, so they grant nothing.
    pub(crate) fn stored(text: &str) -> Self {
        Scope::ALL.into_iter().filter(|scope| text.split(' ').any(|word| word == scope.as_str())).collect()
    }

    /// The scopes in the set, in order. [`Self::grants`] may allow more, as write access includes read access.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Whether the set contains `scope`, or a scope that includes it.
    pub fn grants(self, scope: Scope) -> bool {
        let names = |scope: Scope| self.0 & scope.bit() != 0;
        names(scope) || scope.included_in().is_some_and(names)
    }

    /// Whether `others` grant everything that these scopes grant.
    pub fn is_within(self, others: Self) -> bool {
        self.iter().all(|scope| others.grants(scope))
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether only administrators can give one of the scopes to a key.
    pub fn are_for_administrators(self) -> bool {
        self.iter().any(Scope::is_for_administrators)
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

impl From<Scope> for Scopes {
    fn from(scope: Scope) -> Self {
        Self(scope.bit())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<_> = self.iter().map(Scope::as_str).collect();
        f.write_str(&words.join(" "))
    }
}

impl<DB> diesel::deserialize::FromSql<diesel::sql_types::Text, DB> for Scopes
where
    DB: diesel::backend::Backend,
    String: diesel::deserialize::FromSql<diesel::sql_types::Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> diesel::deserialize::Result<Self> {
        let text = <String as diesel::deserialize::FromSql<diesel::sql_types::Text, DB>>::from_sql(bytes)?;
        Ok(Self::stored(&text))
    }
}

text_enum! {
    /// How a service may be used. Write access includes read access.
    #[derive(AsExpression, FromSqlRow, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    #[diesel(sql_type = Text)]
    pub enum Access {
        /// With methods that only read.
        Read = "read",
        /// With all other methods, too.
        Write = "write",
    }
}

impl Access {
    /// Whether this access includes `other`.
    pub fn includes(self, other: Self) -> bool {
        self >= other
    }
}

// An unknown value grants the least.
stored_as_text!(Access, otherwise Read);

/// Permission to use a service: `service:NAME:read` or `service:NAME:write`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceScope {
    /// The name of the service.
    pub service: String,
    /// How it may be used.
    pub access: Access,
}

impl ServiceScope {
    /// Parses `service:NAME:read` or `service:NAME:write`.
    pub fn of_word(word: &str) -> Option<Self> {
        let (service, access) = word.strip_prefix("service:")?.split_once(':')?;
        let access = Access::of_text(access)?;
        is_service_name(service).then(|| Self { service: service.to_owned(), access })
    }

    /// What the scope allows, in words.
    pub fn description(&self) -> String {
        self.description_on(&self.service)
    }

    /// The same, with `title` in place of the service's name.
    pub fn description_on(&self, title: &str) -> String {
        match self.access {
            Access::Read => format!("read access to {title}"),
            Access::Write => format!("read and write access to {title}"),
        }
    }

    /// Whether this scope allows everything that `other` allows.
    fn includes(&self, other: &Self) -> bool {
        self.service == other.service && self.access.includes(other.access)
    }
}

impl fmt::Display for ServiceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service:{}:{}", self.service, self.access.as_str())
    }
}

/// The most characters of a service name.
pub const LONGEST_SERVICE_NAME: usize = 40;

/// Whether `text` is a valid service name: lowercase letters, digits and, between them, hyphens.
pub fn is_service_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty()
        && text.len() <= LONGEST_SERVICE_NAME
        && text.chars().all(plain)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// All scopes of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyScopes {
    /// The scopes in Latchkey itself.
    pub own: Scopes,
    /// The scopes on services.
    pub services: BTreeSet<ServiceScope>,
}

impl KeyScopes {
    /// No scope.
    pub const NONE: Self = Self { own: Scopes::NONE, services: BTreeSet::new() };

    /// Parses `words`, in any order.
    ///
    /// # Errors
    /// Returns the first word that is not a scope.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownScope> {
        words.into_iter().try_fold(Self::default(), |mut scopes, word| {
            if let Some(own) = Scope::of_text(word) {
                scopes.own.0 |= own.bit();
            } else if let Some(of_service) = ServiceScope::of_word(word) {
                scopes.services.insert(of_service);
            } else {
                return Err(UnknownScope(word.to_owned()));
            }
            Ok(scopes)
        })
    }

    /// Each scope as a word, in order.
    pub fn words(&self) -> impl Iterator<Item = String> {
        self.own.iter().map(|scope| scope.to_string()).chain(self.services.iter().map(ServiceScope::to_string))
    }

    /// What the scopes allow, in one sentence. Scopes that another one includes are left out.
    pub fn summary(&self) -> String {
        let is_included =
            |scope: &ServiceScope| self.services.iter().any(|other| other != scope && other.includes(scope));
        let own = self.own.iter().map(|scope| scope.description().to_owned());
        let widest = self.services.iter().filter(|scope| !is_included(scope)).map(ServiceScope::description);
        own.chain(widest).collect::<Vec<_>>().join("; ")
    }

    /// These scopes and those of `others`.
    pub fn union(&self, others: &Self) -> Self {
        Self { own: Scopes(self.own.0 | others.own.0), services: &self.services | &others.services }
    }

    /// What both these scopes and `others` grant.
    pub fn intersection(&self, others: &Self) -> Self {
        let own = Scope::ALL.into_iter().filter(|scope| self.own.grants(*scope) && others.own.grants(*scope)).collect();
        let within = |these: &Self, those: &Self| -> BTreeSet<ServiceScope> {
            let granted = |scope: &&ServiceScope| those.services.iter().any(|other| other.includes(scope));
            these.services.iter().filter(granted).cloned().collect()
        };
        Self { own, services: &within(self, others) | &within(others, self) }
    }

    /// Whether `others` grant everything that these scopes grant.
    pub fn is_within(&self, others: &Self) -> bool {
        let granted = |scope: &ServiceScope| others.services.iter().any(|other| other.includes(scope));
        self.own.is_within(others.own) && self.services.iter().all(granted)
    }

    /// Whether there are no scopes.
    pub fn is_empty(&self) -> bool {
        self.own.is_empty() && self.services.is_empty()
    }
}

impl From<Scopes> for KeyScopes {
    fn from(own: Scopes) -> Self {
        Self { own, services: BTreeSet::new() }
    }
}

impl fmt::Display for KeyScopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_scopes() -> impl Strategy<Value = Scopes> {
        (0..=Scopes::ALL.0).prop_map(Scopes)
    }

    #[test]
    fn to_write_includes_to_read_and_nothing_else() {
        let granted = |scope: Scope| Scope::ALL.into_iter().filter(move |it| Scopes::from(scope).grants(*it));
        let granted: Vec<_> = Scope::ALL.into_iter().map(|scope| granted(scope).collect::<Vec<_>>()).collect();
        use Scope::{
            AccountRead, AccountWrite, AuditRead, KeysRead, KeysWrite, ServicesRead, ServicesWrite, TokensRead,
            TokensWrite, UsersRead, UsersWrite,
        };
        let expected = [
            vec![AccountRead],
            vec![AccountRead, AccountWrite],
            vec![TokensRead],
            vec![TokensRead, TokensWrite],
            vec![UsersRead],
            vec![UsersRead, UsersWrite],
            vec![ServicesRead],
            vec![ServicesRead, ServicesWrite],
            vec![KeysRead],
            vec![KeysRead, KeysWrite],
            vec![AuditRead],
        ];
        assert_eq!(granted, expected);
    }

    #[test]
    fn a_word_that_is_no_scope_is_told_with_those_that_are() {
        let error = KeyScopes::of_words(["account:read", "admin"]).expect_err("no scope");
        let all = "account:read account:write tokens:read tokens:write users:read users:write services:read \
                   services:write keys:read keys:write audit:read, and service:NAME:read and service:NAME:write";
        assert_eq!(error.to_string(), format!("Unknown scope: admin. The scopes are {all}"));
        for word in ["service:wiki", "service:wiki:admin", "service::read", "service:Wiki:read", "service:-a:read", ""]
        {
            assert_eq!(KeyScopes::of_words([word]), Err(UnknownScope(word.to_owned())));
        }
    }

    #[test]
    fn to_write_on_a_service_includes_to_read_there_and_nowhere_else() {
        let scopes = |words: &str| KeyScopes::of_words(words.split(' ')).expect(words);
        let writes = scopes("account:read service:wiki:write");
        assert_eq!(writes.to_string(), "account:read service:wiki:write");
        for (words, is_within) in [
            ("service:wiki:read", true),
            ("service:wiki:read service:wiki:write", true),
            ("account:read", true),
            ("account:write", false),
            ("service:wik:read", false),
            ("service:wiki:read service:files:read", false),
        ] {
            assert_eq!(scopes(words).is_within(&writes), is_within, "{words}");
        }
        assert!(!writes.is_within(&scopes("account:read service:wiki:read")));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(scopes in any_scopes()) {
            prop_assert_eq!(Scopes::stored(&scopes.to_string()), scopes);
            prop_assert_eq!(KeyScopes::of_words(scopes.to_string().split_whitespace()), Ok(scopes.into()));
        }

        #[test]
        fn some_are_within_others_if_these_grant_all_that_they_grant(some in any_scopes(), others in any_scopes()) {
            let all_granted = Scope::ALL.into_iter().all(|scope| !some.grants(scope) || others.grants(scope));
            prop_assert_eq!(some.is_within(others), all_granted);
        }

        #[test]
        fn no_text_grants_what_it_does_not_name(text in "\\PC{0,40}|([a-z]+:(read|write) ?){0,4}") {
            for scope in Scopes::stored(&text).iter() {
                prop_assert!(text.split(' ').any(|word| word == scope.as_str()));
            }
            let _ = KeyScopes::of_words(text.split_whitespace());
        }

        #[test]
        fn words_are_read_as_they_are_written(
            own in any_scopes(),
            services in proptest::collection::btree_set(("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", any::<bool>()), 0..4),
        ) {
            let access = |writes| if writes { Access::Write } else { Access::Read };
            let services = services.into_iter().map(|(service, writes)| ServiceScope { service, access: access(writes) });
            let scopes = KeyScopes { own, services: services.collect() };
            let words: Vec<String> = scopes.words().collect();
            prop_assert_eq!(KeyScopes::of_words(words.iter().map(String::as_str)), Ok(scopes));
        }
    }
}
