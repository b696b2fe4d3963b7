//! What a key may do.

use std::fmt;

use diesel::deserialize::FromSqlRow;

/// One thing that a key may do. To write includes to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// See who its owner is.
    AccountRead,
    /// Change its owner's names and mail.
    AccountWrite,
    /// See its owner's keys.
    TokensRead,
    /// Make, change, rotate and revoke its owner's keys.
    TokensWrite,
    /// See everybody.
    UsersRead,
    /// Add, change and delete people, and act as one of them.
    UsersWrite,
}

impl Scope {
    /// Each of them, in the order in which they are written and shown.
    pub const ALL: [Self; 6] =
        [Self::AccountRead, Self::AccountWrite, Self::TokensRead, Self::TokensWrite, Self::UsersRead, Self::UsersWrite];

    /// As stored, presented and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccountRead => "account:read",
            Self::AccountWrite => "account:write",
            Self::TokensRead => "tokens:read",
            Self::TokensWrite => "tokens:write",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
        }
    }

    /// What it lets a program do, in words.
    pub fn description(self) -> &'static str {
        match self {
            Self::AccountRead => "see your account",
            Self::AccountWrite => "change your name and email",
            Self::TokensRead => "see your keys",
            Self::TokensWrite => "make, change and revoke your keys",
            Self::UsersRead => "see everybody's accounts",
            Self::UsersWrite => "add, change and delete people, and act as them",
        }
    }

    /// Whether only administrators can give it to a key.
    pub fn is_for_administrators(self) -> bool {
        matches!(self, Self::UsersRead | Self::UsersWrite)
    }

    /// The scope that includes this one, besides itself.
    fn included_in(self) -> Option<Self> {
        match self {
            Self::AccountRead => Some(Self::AccountWrite),
            Self::TokensRead => Some(Self::TokensWrite),
            Self::UsersRead => Some(Self::UsersWrite),
            Self::AccountWrite | Self::TokensWrite | Self::UsersWrite => None,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a key may do, all of it.
#[derive(FromSqlRow, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(u8);

/// A word that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no scope; there are {all}", all = Scopes::ALL)]
pub struct UnknownScope(pub String);

impl Scopes {
    /// Nothing at all.
    pub const NONE: Self = Self(0);
    /// Everything that its owner may do.
    pub const ALL: Self = Self((1 << Scope::ALL.len()) - 1);

    /// Those of `words`, in any order.
    ///
    /// # Errors
    /// The first that is none.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownScope> {
        words.into_iter().try_fold(Self::NONE, |scopes, word| {
            let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
            scope.map(|scope| Self(scopes.0 | scope.bit())).ok_or_else(|| UnknownScope(word.to_owned()))
        })
    }

    /// As stored. What a newer release may have written there grants nothing to this one.
    pub(crate) fn stored(text: &str) -> Self {
        let known = Scope::ALL.into_iter().filter(|scope| text.split(' ').any(|word| word == scope.as_str()));
        Self(known.fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Those that are named, in their order; what `grants` says may be more.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.0 & scope.bit() != 0)
    }

    /// Whether `scope` is among them, by its name or because one that includes it is.
    pub fn grants(self, scope: Scope) -> bool {
        let names = |scope: Scope| self.0 & scope.bit() != 0;
        names(scope) || scope.included_in().is_some_and(names)
    }

    /// Whether `others` grant everything that these do.
    pub fn is_within(self, others: Self) -> bool {
        self.iter().all(|scope| others.grants(scope))
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether only administrators can give one of them to a key.
    pub fn are_for_administrators(self) -> bool {
        self.iter().any(Scope::is_for_administrators)
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
        use Scope::{AccountRead, AccountWrite, TokensRead, TokensWrite, UsersRead, UsersWrite};
        let expected = [
            vec![AccountRead],
            vec![AccountRead, AccountWrite],
            vec![TokensRead],
            vec![TokensRead, TokensWrite],
            vec![UsersRead],
            vec![UsersRead, UsersWrite],
        ];
        assert_eq!(granted, expected);
    }

    #[test]
    fn a_word_that_is_no_scope_is_told_with_those_that_are() {
        let error = Scopes::of_words(["account:read", "admin"]).expect_err("no scope");
        let all = "account:read account:write tokens:read tokens:write users:read users:write";
        assert_eq!(error.to_string(), format!("admin is no scope; there are {all}"));
    }

    proptest! {
        #[test]
        fn what_is_stored_is_read_back(scopes in any_scopes()) {
            prop_assert_eq!(Scopes::stored(&scopes.to_string()), scopes);
            prop_assert_eq!(Scopes::of_words(scopes.to_string().split_whitespace()), Ok(scopes));
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
            let _ = Scopes::of_words(text.split_whitespace());
        }
    }
}
