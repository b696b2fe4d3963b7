//! How groups become what a file says of them.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::administration::{lock_all, record};
use super::group::{Group, folded};
use super::member_changes::ResolvedChanges;
use crate::db::schema::{group_members, groups};
use crate::models::event::EventAction;
use crate::models::kept_in::KeptIn;
use crate::models::people::by_login;
use crate::models::tx::Tx;

/// What became of a group because of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdoptedGroup {
    /// It is new.
    Added,
    /// Other members, or another spelling of its name.
    Changed,
    /// Administrators kept it until now.
    TakenOver,
    /// It had left the file, and has members again.
    Reopened,
    /// It stands there no more, and has no members.
    Closed,
}

impl AdoptedGroup {
    /// What it is in the audit log, unless that has the members one by one.
    fn in_words(self) -> Option<(EventAction, &'static str)> {
        match self {
            Self::Added => Some((EventAction::GroupAdded, "it is in the services file")),
            Self::Changed => None,
            Self::TakenOver => Some((EventAction::GroupChanged, "its members now come from the services file")),
            Self::Reopened => Some((EventAction::GroupChanged, "it is open again, as it is back in the services file")),
            Self::Closed => Some((EventAction::GroupChanged, "it is closed, as it is no longer in the services file")),
        }
    }
}

/// What came of the groups of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupAdoption {
    /// The groups that something became of.
    pub done: Vec<(String, AdoptedGroup)>,
    /// Logins that nobody has, by the group that names them.
    pub unknown: Vec<(String, Vec<String>)>,
}

impl Group {
    /// Makes the groups what the file says of them, by name and logins, which break no rule by themselves, and takes all
    /// members out of those that stood there and do no more. Those that are as they should be are left alone. Services
    /// are locked already, if they are adopted, too.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn adopt(tx: &mut Tx<'_>, file: &[(String, Vec<String>)]) -> QueryResult<GroupAdoption> {
        lock_all(tx.connection)?;
        let mut adoption = GroupAdoption::default();
        for (name, logins) in file {
            let logins: Vec<&str> = logins.iter().map(String::as_str).collect();
            let people = by_login::hold(tx.connection, &logins)?;
            let there: BTreeSet<String> = people.iter().map(|(_, login)| login.to_ascii_lowercase()).collect();
            let is_unknown = |login: &&&str| !there.contains(&login.trim().to_ascii_lowercase());
            let unknown: Vec<String> = logins.iter().filter(is_unknown).map(ToString::to_string).collect();
            if !unknown.is_empty() {
                adoption.unknown.push((name.clone(), unknown));
            }
            let done = Self::adopt_one(tx, name, people.into_iter().map(|(id, _)| id).collect())?;
            adoption.done.extend(done.map(|done| (name.clone(), done)));
        }
        let in_file: BTreeSet<String> = file.iter().map(|(name, _)| folded(name)).collect();
        let left = Self::all(tx.connection)?.into_iter().filter(|group| group.kept_in == KeptIn::File);
        for group in left.filter(|group| !in_file.contains(&folded(&group.name))) {
            group.keep_in(tx, &group.name, KeptIn::LeftFile)?;
            group.set_members(tx, BTreeSet::new())?;
            tell(tx, &group.name, AdoptedGroup::Closed)?;
            adoption.done.push((group.name, AdoptedGroup::Closed));
        }
        Ok(adoption)
    }

    /// Makes one group what the file says of it.
    fn adopt_one(tx: &mut Tx<'_>, name: &str, members: BTreeSet<i64>) -> QueryResult<Option<AdoptedGroup>> {
        let before = Self::find_by_name(tx.connection, name)?;
        let (group, done) = match before {
            None => (Self::insert(tx, name, KeptIn::File)?, Some(AdoptedGroup::Added)),
            Some(group) => {
                let done = match group.kept_in {
                    KeptIn::Database => Some(AdoptedGroup::TakenOver),
                    KeptIn::LeftFile => Some(AdoptedGroup::Reopened),
                    KeptIn::File => (group.name != name).then_some(AdoptedGroup::Changed),
                };
                if done.is_some() {
                    group.keep_in(tx, name, KeptIn::File)?;
                }
                (Self { name: name.to_owned(), ..group }, done)
            }
        };
        if let Some(done) = done {
            tell(tx, name, done)?;
        }
        let has_changed = group.set_members(tx, members)?;
        Ok(done.or(has_changed.then_some(AdoptedGroup::Changed)))
    }

    fn keep_in(&self, tx: &mut Tx<'_>, name: &str, kept_in: KeptIn) -> QueryResult<()> {
        let kept = (groups::name.eq(name), groups::kept_in.eq(kept_in), groups::updated_on.eq(tx.now));
        diesel::update(groups::table.find(self.id)).set(kept).execute(tx.connection).map(|_| ())
    }

    /// Makes these people the members, and gives whether they were others before.
    fn set_members(&self, tx: &mut Tx<'_>, members: BTreeSet<i64>) -> QueryResult<bool> {
        let before = group_members::table.filter(group_members::group_id.eq(self.id)).select(group_members::user_id);
        let before: BTreeSet<i64> = before.load(tx.connection)?.into_iter().collect();
        let remove = before.difference(&members).copied().collect();
        let changes = ResolvedChanges { add: members.difference(&before).copied().collect(), remove };
        self.apply(tx, &changes)?;
        Ok(before != members)
    }
}

fn tell(tx: &mut Tx<'_>, name: &str, done: AdoptedGroup) -> QueryResult<()> {
    match done.in_words() {
        Some((action, what)) => record(tx, action, format!("{name}: {what}")),
        None => Ok(()),
    }
}
