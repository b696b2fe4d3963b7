//! How groups become what a file says of them.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::administration::{lock_all, record};
use super::group::{Group, folded};
use super::member_changes::ResolvedChanges;
use crate::db::schema::{group_members, groups};
use crate::models::event::EventAction;
use crate::models::kept_in::{Adopted, KeptIn};
use crate::models::people::by_login;
use crate::models::tx::Tx;

/// What came of the groups of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupAdoption {
    /// The groups that something became of.
    pub done: Vec<(String, Adopted)>,
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
            let unknown = by_login::unknown(&logins, &people);
            if !unknown.is_empty() {
                let unknown = unknown.into_iter().map(str::to_owned).collect();
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
            tell(tx, &group.name, Adopted::Closed)?;
            adoption.done.push((group.name, Adopted::Closed));
        }
        Ok(adoption)
    }

    /// Makes one group what the file says of it.
    fn adopt_one(tx: &mut Tx<'_>, name: &str, members: BTreeSet<i64>) -> QueryResult<Option<Adopted>> {
        let before = Self::find_by_name(tx.connection, name)?;
        let (group, done) = match before {
            None => (Self::insert(tx, name, KeptIn::File)?, Some(Adopted::Added)),
            Some(group) => {
                let done = Adopted::of(group.kept_in, group.name != name);
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
        Ok(done.or(has_changed.then_some(Adopted::Changed)))
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

/// Records it in the audit log, unless that has the members one by one.
fn tell(tx: &mut Tx<'_>, name: &str, done: Adopted) -> QueryResult<()> {
    let action = match done {
        Adopted::Changed => return Ok(()),
        Adopted::Added => EventAction::GroupAdded,
        Adopted::TakenOver | Adopted::Reopened | Adopted::Closed => EventAction::GroupChanged,
    };
    record(tx, action, format!("{name}: {}", done.in_words("members")))
}
