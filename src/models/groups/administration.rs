//! How groups come, change and go. One thing at a time is done about any of them, so that what a rule was checked against
//! still holds when it is stored.
//!
//! Transactions that lock several things take the locks in one order, as otherwise they could deadlock: people's rows by
//! the mandate, then the table of services, then that of groups, then rows of people or groups that they refer to, by id.

use std::collections::BTreeSet;

use diesel::prelude::*;

use super::group::{Group, GroupField, folded, group_name_errors};
use super::member_changes::{MemberChanges, ResolvedChanges};
use super::overview::admitting;
use crate::db::schema::{group_members, groups};
use crate::db::{DbConnection, DbError, write_error};
use crate::models::event::{EventAction, NewEvent};
use crate::models::kept_in::KeptIn;
use crate::models::rules::{FieldError, messages};
use crate::models::tx::Tx;

/// How many groups administrators may add up to.
const MOST_GROUPS: i64 = 1000;

/// Why nothing was done about a group.
#[derive(Debug, thiserror::Error)]
pub enum GroupRefusal {
    /// There is none with this id.
    #[error("There is no such group")]
    Gone,
    /// Rules that are broken.
    #[error("{}", messages(.0).join("; "))]
    Invalid(Vec<FieldError<GroupField>>),
    /// What stands in the file is changed there.
    #[error("The group {0} is defined in the file that LATCHKEY_SERVICES names: change it there and restart Latchkey")]
    InFile(String),
    /// It has no members any more.
    #[error("The group {0} is no longer in the file that LATCHKEY_SERVICES names: put it back there, or delete it")]
    LeftFile(String),
    /// The name that was given to confirm is another one.
    #[error("confirm is not the name of this group")]
    OtherName,
    /// Services admit it, of which whoever deletes it has not been told.
    #[error(
        "The group {0} is admitted by {services}: confirm by its name that its members may lose this",
        services = .1.join(" and ")
    )]
    Admitted(String, Vec<String>),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbError),
}

write_error!(GroupRefusal);

/// What whoever deletes a group knows of the services that admit it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// They have named the group, whichever services admit it.
    Name(String),
    /// They have been shown these services, by name.
    Services(BTreeSet<String>),
}

impl Consent {
    /// They know of no service.
    pub fn none() -> Self {
        Self::Services(BTreeSet::new())
    }
}

impl Group {
    /// Adds a group with these members, by login.
    ///
    /// # Errors
    /// [`GroupRefusal`]
    pub fn add(tx: &mut Tx<'_>, name: &str, logins: &[String]) -> Result<Self, GroupRefusal> {
        lock_all(tx.connection)?;
        let name = name.trim();
        let mut errors = name_errors(tx.connection, None, name)?;
        let groups: i64 = groups::table.count().get_result(tx.connection)?;
        if groups >= MOST_GROUPS {
            let too_many = format!("cannot be added: there are {MOST_GROUPS} groups, the most there may be");
            errors.push(FieldError::new(GroupField::Name, too_many));
        }
        let changes = match MemberChanges::adding(logins.to_vec()).resolve(tx.connection)? {
            Ok(changes) => changes,
            Err(wrong) => return Err(GroupRefusal::Invalid([errors, wrong].concat())),
        };
        if !errors.is_empty() {
            return Err(GroupRefusal::Invalid(errors));
        }
        let group = Self::insert(tx, name, KeptIn::Database)?;
        record(tx, EventAction::GroupAdded, name.to_owned())?;
        group.apply(tx, &changes)?;
        Ok(group)
    }

    /// Gives a group that is not kept in a file another name. What it is admitted to stays.
    ///
    /// # Errors
    /// [`GroupRefusal`]
    pub fn rename(tx: &mut Tx<'_>, id: i64, name: &str) -> Result<Self, GroupRefusal> {
        let group = Self::lock_to_change(tx, id)?;
        let name = name.trim();
        if group.name == name {
            return Ok(group);
        }
        let errors = name_errors(tx.connection, Some(id), name)?;
        if !errors.is_empty() {
            return Err(GroupRefusal::Invalid(errors));
        }
        let named = (groups::name.eq(name), groups::folded.eq(folded(name)), groups::updated_on.eq(tx.now));
        diesel::update(groups::table.find(id)).set(named).execute(tx.connection)?;
        record(tx, EventAction::GroupChanged, format!("{}: now {name}", group.name))?;
        Ok(Self { name: name.to_owned(), updated_on: tx.now, ..group })
    }

    /// Adds people to a group that is not kept in a file, and takes others out. What the group gave them is gone at their
    /// next request.
    ///
    /// # Errors
    /// [`GroupRefusal`]
    pub fn change_members(tx: &mut Tx<'_>, id: i64, changes: &MemberChanges) -> Result<Self, GroupRefusal> {
        let group = Self::lock_to_change(tx, id)?;
        let changes = changes.resolve(tx.connection)?.map_err(GroupRefusal::Invalid)?;
        group.apply(tx, &changes)?;
        Ok(Self::find(tx.connection, id)?.unwrap_or(group))
    }

    /// Deletes a group for good. Services that admit it no longer admit its members by it, which nobody may find out only
    /// afterwards.
    ///
    /// # Errors
    /// [`GroupRefusal`]
    pub fn delete(tx: &mut Tx<'_>, id: i64, consent: &Consent) -> Result<Self, GroupRefusal> {
        lock_all(tx.connection)?;
        let group = Self::lock_row(tx.connection, id)?.ok_or(GroupRefusal::Gone)?;
        if !group.kept_in.can_be_removed() {
            return Err(GroupRefusal::InFile(group.name));
        }
        let services = admitting(tx.connection, &[id])?.remove(&id).unwrap_or_default();
        let services: Vec<String> = services.into_iter().map(|service| service.name).collect();
        match consent {
            Consent::Name(name) if folded(name) != folded(&group.name) => return Err(GroupRefusal::OtherName),
            Consent::Services(known) if !services.iter().all(|name| known.contains(name)) => {
                return Err(GroupRefusal::Admitted(group.name, services));
            }
            Consent::Name(_) | Consent::Services(_) => {}
        }
        diesel::delete(groups::table.find(id)).execute(tx.connection)?;
        let admitted = match services.is_empty() {
            true => String::new(),
            false => format!(", which {} admitted", services.join(" and ")),
        };
        record(tx, EventAction::GroupDeleted, format!("{}{admitted}", group.name))?;
        Ok(group)
    }

    /// Locks the group, which must be one that administrators change.
    fn lock_to_change(tx: &mut Tx<'_>, id: i64) -> Result<Self, GroupRefusal> {
        lock_all(tx.connection)?;
        let group = Self::find(tx.connection, id)?.ok_or(GroupRefusal::Gone)?;
        group.can_be_changed()?;
        Ok(group)
    }

    /// Whether administrators change its name and members.
    ///
    /// # Errors
    /// It is kept in the file, or was: [`GroupRefusal`].
    pub fn can_be_changed(&self) -> Result<(), GroupRefusal> {
        match self.kept_in {
            KeptIn::Database => Ok(()),
            KeptIn::File => Err(GroupRefusal::InFile(self.name.clone())),
            KeptIn::LeftFile => Err(GroupRefusal::LeftFile(self.name.clone())),
        }
    }

    /// The group, which no service can begin to admit before the transaction ends. One that is just doing so is waited
    /// for.
    fn lock_row(connection: &mut DbConnection, id: i64) -> QueryResult<Option<Self>> {
        let row = groups::table.find(id);
        match connection {
            DbConnection::Sqlite(it) => row.select(Self::as_select()).first(it),
            DbConnection::Postgres(it) => row.select(Self::as_select()).for_update().first(it),
        }
        .optional()
    }

    pub(super) fn insert(tx: &mut Tx<'_>, name: &str, kept_in: KeptIn) -> QueryResult<Self> {
        let values = (
            groups::name.eq(name),
            groups::folded.eq(folded(name)),
            groups::kept_in.eq(kept_in),
            groups::created_on.eq(tx.now),
            groups::updated_on.eq(tx.now),
        );
        diesel::insert_into(groups::table).values(values).execute(tx.connection)?;
        groups::table.filter(groups::folded.eq(folded(name))).select(Self::as_select()).first(tx.connection)
    }

    /// Makes the changes, and tells each person whom they are about. What is so already is left alone.
    pub(crate) fn apply(&self, tx: &mut Tx<'_>, changes: &ResolvedChanges) -> QueryResult<()> {
        let named: Vec<i64> = changes.add.union(&changes.remove).copied().collect();
        let members = group_members::table.filter(group_members::group_id.eq(self.id));
        let members = members.filter(group_members::user_id.eq_any(named)).select(group_members::user_id);
        let members: BTreeSet<i64> = members.load(tx.connection)?.into_iter().collect();
        let (added, removed): (Vec<i64>, Vec<i64>) = (
            changes.add.difference(&members).copied().collect(),
            changes.remove.intersection(&members).copied().collect(),
        );
        for id in &added {
            let values = (group_members::group_id.eq(self.id), group_members::user_id.eq(id));
            diesel::insert_into(group_members::table).values(values).execute(tx.connection)?;
        }
        let gone = group_members::table.filter(group_members::group_id.eq(self.id));
        diesel::delete(gone.filter(group_members::user_id.eq_any(&removed))).execute(tx.connection)?;
        if !added.is_empty() || !removed.is_empty() {
            diesel::update(groups::table.find(self.id)).set(groups::updated_on.eq(tx.now)).execute(tx.connection)?;
        }
        let of = |action| move |id: i64| (id, action);
        let told = added.into_iter().map(of(EventAction::AddedToGroup));
        for (id, action) in told.chain(removed.into_iter().map(of(EventAction::TakenOutOfGroup))) {
            NewEvent::of_person(id, action).detail(self.name.clone()).record(tx)?;
        }
        Ok(())
    }
}

/// Has everybody else wait who wants to change groups or their members, until the transaction ends; whoever only reads them
/// goes on, and so do foreign keys that refer to them. SQLite has one writer anyway.
pub(crate) fn lock_all(connection: &mut DbConnection) -> QueryResult<()> {
    if let DbConnection::Postgres(postgres) = connection {
        diesel::sql_query("LOCK TABLE groups IN SHARE ROW EXCLUSIVE MODE").execute(postgres)?;
    }
    Ok(())
}

/// Every rule of names that `name` breaks as that of the group with this id; `None`: it is that of a new one.
fn name_errors(connection: &mut DbConnection, id: Option<i64>, name: &str) -> QueryResult<Vec<FieldError<GroupField>>> {
    let mut errors = group_name_errors(name);
    let other = Group::find_by_name(connection, name)?;
    if other.is_some_and(|other| Some(other.id) != id) {
        errors.push(FieldError::new(GroupField::Name, "has already been taken"));
    }
    Ok(errors)
}

/// Tells what somebody did about a group, in their own activity.
pub(crate) fn record(tx: &mut Tx<'_>, action: EventAction, detail: String) -> QueryResult<()> {
    NewEvent::of_nobody(action).detail(detail).record(tx)
}
