//! A group: its row, the rules for its name, and how it is found.

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::schema::{group_members, groups, users};
use crate::db::{DbConnection, lower};
use crate::models::kept_in::KeptIn;
use crate::models::natural::natural_key;
use crate::models::people::search::{Criterion, FewTexts, GroupTest, PeopleSearch};
use crate::models::people::user::{User, UserStatus, login_errors};
use crate::models::rules::{FieldError, Labelled, name_errors};

/// What stands before the name of a group where logins can stand, too. No login has a colon.
pub const PREFIX: &str = "group:";
/// The most characters of a name, as in Redmine.
pub const LONGEST_NAME: usize = 255;

/// A row of `groups`.
#[derive(Queryable, Selectable, Clone, Debug, PartialEq, Eq)]
#[diesel(table_name = groups)]
pub struct Group {
    /// The id, which is never used again.
    pub id: i64,
    /// The name, which is unique regardless of case.
    pub name: String,
    /// Where its members are kept. Out of the file it has none, so that it lets nobody in.
    pub kept_in: KeptIn,
    /// When the group was added.
    pub created_on: Timestamp,
    /// When its name or its members were last changed.
    pub updated_on: Timestamp,
}

/// The parts of a group that a rule can be broken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupField {
    /// The name.
    Name,
    /// The members.
    Members,
}

impl Labelled for GroupField {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Members => "Members",
        }
    }
}

/// Every rule of names that `name` breaks by itself. Lists of names have commas between them.
pub fn group_name_errors(name: &str) -> Vec<FieldError<GroupField>> {
    let mut errors = name_errors(GroupField::Name, name, LONGEST_NAME);
    if name.contains(',') {
        errors.push(FieldError::new(GroupField::Name, "cannot have a comma"));
    }
    errors
}

/// The name by which a group is found, whatever the case: that of all letters, and alike on both databases.
pub(crate) fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

impl Group {
    /// The group with this id.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        groups::table.find(id).select(Self::as_select()).first(connection).optional()
    }

    /// The group with this name, in any case. The database is not asked for a text that cannot be a name.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn find_by_name(connection: &mut DbConnection, name: &str) -> QueryResult<Option<Self>> {
        if !group_name_errors(name).is_empty() {
            return Ok(None);
        }
        groups::table.filter(groups::folded.eq(folded(name))).select(Self::as_select()).first(connection).optional()
    }

    /// The groups with these names, in any case, by id. No group can be deleted before the transaction ends; the locks are
    /// taken in the order of ids, as otherwise two transactions could deadlock.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub(crate) fn hold_named<'a>(
        connection: &mut DbConnection,
        names: impl IntoIterator<Item = &'a str>,
    ) -> QueryResult<Vec<Self>> {
        let possible = names.into_iter().filter(|name| group_name_errors(name).is_empty());
        let named: Vec<String> = possible.map(folded).collect();
        if named.is_empty() {
            return Ok(Vec::new());
        }
        let named = groups::table.filter(groups::folded.eq_any(named)).order(groups::id);
        match connection {
            DbConnection::Sqlite(it) => named.select(Self::as_select()).load(it),
            DbConnection::Postgres(it) => named.select(Self::as_select()).for_key_share().load(it),
        }
    }

    /// The names of those whose members are kept there, in order.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn names_kept_in(connection: &mut DbConnection, kept_in: KeptIn) -> QueryResult<Vec<String>> {
        groups::table.filter(groups::kept_in.eq(kept_in)).order(groups::folded).select(groups::name).load(connection)
    }

    /// Every group, in the order in which people count.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn all(connection: &mut DbConnection) -> QueryResult<Vec<Self>> {
        let mut all: Vec<Self> = groups::table.select(Self::as_select()).load(connection)?;
        all.sort_by_cached_key(|group| (natural_key(&group.name), group.id));
        Ok(all)
    }

    /// The groups whose names have all of these words, in the order in which people count; `None`: all groups.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn search(connection: &mut DbConnection, words: Option<&FewTexts>) -> QueryResult<Vec<Self>> {
        let mut all = Self::all(connection)?;
        all.retain(|group| words.is_none_or(|words| words.are_in(&group.name)));
        Ok(all)
    }

    /// The groups that a person is in.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn of_person(connection: &mut DbConnection, user_id: i64) -> QueryResult<Vec<Self>> {
        let theirs = group_members::table.inner_join(groups::table).filter(group_members::user_id.eq(user_id));
        let mut theirs: Vec<Self> = theirs.select(Self::as_select()).load(connection)?;
        theirs.sort_by_cached_key(|group| (natural_key(&group.name), group.id));
        Ok(theirs)
    }

    /// Its members with these logins.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn members_with(&self, connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<User>> {
        let logins: Vec<String> =
            logins.iter().filter(|login| login_errors(login).is_empty()).map(|it| it.to_ascii_lowercase()).collect();
        let with_logins = group_members::table.inner_join(users::table).filter(lower(users::login).eq_any(logins));
        let members = with_logins.filter(group_members::group_id.eq(self.id)).order(lower(users::login));
        members.select(User::as_select()).load(connection)
    }

    /// The search for its members, whatever their status.
    pub fn members(&self) -> PeopleSearch {
        let of_any_status = Criterion::Status(UserStatus::ALL.to_vec());
        PeopleSearch {
            criteria: vec![of_any_status, Criterion::Groups(GroupTest::AnyOf(vec![self.id]))],
            order: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_can_be_seen_and_stands_in_a_list() {
        let told = |name: &str| group_name_errors(name).iter().map(FieldError::message).collect::<Vec<_>>();
        for good in ["Writers", "QA team", "Entwickler (extern)", "group:x", "ß", &"x".repeat(255)] {
            assert_eq!(told(good), Vec::<String>::new(), "{good}");
        }
        for (name, problem) in [
            (" ", "Name cannot be blank"),
            ("a, b", "Name cannot have a comma"),
            ("a\nb", "Name contains an invisible character (U+000A)"),
            (&*"x".repeat(256), "Name is too long (maximum is 255 characters)"),
        ] {
            assert_eq!(told(name), [problem], "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_found_in_any_case(name in "\\PC{1,20}") {
            prop_assert_eq!(folded(&folded(&name)), folded(&name));
            prop_assert_eq!(folded(&format!(" {name} ")), folded(&name));
        }
    }
}
