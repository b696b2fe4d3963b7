//! Moves in the groups of people, after the people: each with its members, and again what has changed in Redmine since.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::*;

use super::ids::{RowIds, Table};
use super::options::{Conflicts, ImportError, Options};
use super::redmine::{Redmine, SourceGroup};
use super::report::{Kind, Report};
use super::rows::{self, ImportedMember, MemberRow};
use crate::clock::Timestamp;
use crate::db::DbConnection;
use crate::db::schema::{group_members, groups, imported_group_members, imported_groups, imported_users, users};
use crate::models::event::EventAction;
use crate::models::groups::administration::{lock_all, record};
use crate::models::groups::group::{Group, LONGEST_NAME, folded};
use crate::models::groups::member_changes::ResolvedChanges;
use crate::models::kept_in::KeptIn;
use crate::models::tx::Tx;
use crate::spans::count;

/// A row of `imported_groups`.
#[derive(Queryable, Selectable, Insertable, Clone)]
#[diesel(table_name = imported_groups)]
struct ImportedGroup {
    source_id: i64,
    group_id: i64,
    name: String,
    given_name: String,
    identity: String,
}

/// A row of `groups` that is new here.
#[derive(Insertable)]
#[diesel(table_name = groups)]
struct NewGroup<'a> {
    id: i64,
    name: &'a str,
    folded: String,
    created_on: Timestamp,
    updated_on: Timestamp,
}

/// Moves in all groups.
struct Moving<'a> {
    connection: &'a mut DbConnection,
    options: Options,
    report: &'a mut Report,
    ids: RowIds,
    /// The id here of everybody who was imported and is still there, by their id in Redmine.
    people: HashMap<i64, i64>,
}

/// Moves in the groups of `redmine`, whose people have been moved in before.
///
/// # Errors
/// Returns an error if a query fails.
pub fn move_in(
    redmine: &mut Redmine,
    connection: &mut DbConnection,
    options: Options,
    report: &mut Report,
) -> Result<(), ImportError> {
    lock_all(connection)?;
    let there = redmine.groups(options.zone, options.now)?;
    let known: Vec<ImportedGroup> = imported_groups::table.select(ImportedGroup::as_select()).load(connection)?;
    let mut known: HashMap<i64, ImportedGroup> = known.into_iter().map(|row| (row.source_id, row)).collect();
    let ids = RowIds::reserve(connection, Table::Groups, there.last().map_or(0, |group| group.source_id))?;
    let still_there = imported_users::table.inner_join(users::table.on(users::id.eq(imported_users::user_id)));
    let people = still_there.select((imported_users::source_id, imported_users::user_id));
    let people = people.load::<(i64, i64)>(connection)?.into_iter().collect();
    let mut moving = Moving { connection, options, report, ids, people };
    for mut group in there {
        moving.report.totals.groups.found += 1;
        let members: BTreeSet<i64> = redmine.members_of(group.source_id)?.into_iter().collect();
        match known.remove(&group.source_id).filter(|before| before.identity == group.identity) {
            Some(before) => moving.update(&mut group, &before, &members)?,
            None => moving.add(&mut group, &members)?,
        }
        group.entries().for_each(|entry| moving.report.note(entry));
    }
    Ok(moving.ids.move_sequence(moving.connection)?)
}

impl Moving<'_> {
    /// Adds a group that has not come before, with those of its members who are here.
    fn add(&mut self, group: &mut SourceGroup, members: &BTreeSet<i64>) -> Result<(), ImportError> {
        let id = self.ids.give(self.connection, &[group.source_id])?.remove(0);
        if id != group.source_id {
            let found = format!("cannot keep the id {}", group.source_id);
            group.note(Kind::GroupId, found, format!("has the id {id} in Latchkey"));
        }
        let name = self.free_name(group, id)?;
        let row = NewGroup {
            id,
            name: &name,
            folded: folded(&name),
            created_on: group.created_on,
            updated_on: self.options.now,
        };
        diesel::insert_into(groups::table).values(row).execute(self.connection)?;
        let here: Vec<i64> = members.iter().filter_map(|member| self.people.get(member).copied()).collect();
        let rows: Vec<_> = here.iter().map(|user_id| MemberRow { group_id: id, user_id: *user_id }).collect();
        rows::insert_members(self.connection, &rows)?;
        let told = format!("{name}: moved in with {}", count(here.len(), "member"));
        record(&mut Tx::of_command_line(self.connection, self.options.now), EventAction::GroupAdded, told)?;
        self.report.totals.groups.added += 1;
        self.report.totals.groups.members_added += here.len() as u64;
        self.remember(group, id, &name, members)
    }

    /// Brings what has changed in Redmine to a group that has come before.
    fn update(
        &mut self,
        group: &mut SourceGroup,
        before: &ImportedGroup,
        members: &BTreeSet<i64>,
    ) -> Result<(), ImportError> {
        let totals = &mut self.report.totals.groups;
        let Some(here) = Group::find(self.connection, before.group_id)? else {
            totals.deleted_here += 1;
            group.note(Kind::GroupDeleted, "was deleted in Latchkey", "left out");
            return Ok(());
        };
        if here.kept_in != KeptIn::Database {
            totals.unchanged += 1;
            group.note(Kind::Conflict, "is kept in the services file", "left as it is");
            return Ok(());
        }
        let name = self.renamed(group, before, &here)?;
        let has_changed = self.members_merged(group, &here, members)?;
        let totals = &mut self.report.totals.groups;
        match name != here.name || has_changed {
            true => totals.changed += 1,
            false => totals.unchanged += 1,
        }
        let given = if name == here.name { &before.given_name } else { &name };
        self.remember(group, here.id, given, members)
    }

    /// The name of the group after this import.
    fn renamed(
        &mut self,
        group: &mut SourceGroup,
        before: &ImportedGroup,
        here: &Group,
    ) -> Result<String, ImportError> {
        let is_renamed_there = group.name != before.name;
        let is_renamed_here = here.name != before.given_name;
        let overwrites = self.options.conflicts == Conflicts::Overwrite;
        if !(is_renamed_there || is_renamed_here && overwrites) {
            return Ok(here.name.clone());
        }
        if is_renamed_here && !overwrites {
            group.note(Kind::Conflict, "name was changed in Latchkey", "kept; use --overwrite to take Redmine's");
            return Ok(here.name.clone());
        }
        let name = self.free_name(group, here.id)?;
        if name != here.name {
            let named =
                (groups::name.eq(&name), groups::folded.eq(folded(&name)), groups::updated_on.eq(self.options.now));
            diesel::update(groups::table.find(here.id)).set(named).execute(self.connection)?;
            let told = format!("{}: now {name}", here.name);
            record(&mut Tx::of_command_line(self.connection, self.options.now), EventAction::GroupChanged, told)?;
            group.note(Kind::Changed, "name changed", "updated");
        }
        Ok(name)
    }

    /// Brings the changes of members; whoever was added or taken out here stays so, unless Redmine's values replace those
    /// here. Gives whether anything has changed.
    fn members_merged(
        &mut self,
        group: &mut SourceGroup,
        here: &Group,
        there: &BTreeSet<i64>,
    ) -> Result<bool, ImportError> {
        let came_before = imported_group_members::table
            .filter(imported_group_members::source_group_id.eq(group.source_id))
            .select(imported_group_members::source_user_id);
        let came_before: HashSet<i64> = came_before.load(self.connection)?.into_iter().collect();
        let members = group_members::table.filter(group_members::group_id.eq(here.id)).select(group_members::user_id);
        let members: BTreeSet<i64> = members.load(self.connection)?.into_iter().collect();
        let overwrites = self.options.conflicts == Conflicts::Overwrite;
        let id_of = |source_id: &i64| self.people.get(source_id).copied();
        let wanted: BTreeSet<i64> = there.iter().filter_map(id_of).collect();
        let (known, new): (Vec<i64>, Vec<i64>) = there.iter().partition(|member| came_before.contains(member));
        let taken_out: Vec<i64> = known.iter().filter_map(id_of).filter(|id| !members.contains(id)).collect();
        let mut add: BTreeSet<i64> = new.iter().filter_map(id_of).filter(|id| !members.contains(id)).collect();
        let left = came_before.iter().filter(|member| !there.contains(member)).filter_map(id_of);
        let mut remove: BTreeSet<i64> = left.filter(|id| members.contains(id)).collect();
        if overwrites {
            add.extend(&taken_out);
            remove.extend(members.difference(&wanted));
        } else if !taken_out.is_empty() {
            let found = format!("{} taken out in Latchkey", count(taken_out.len(), "member"));
            group.note(Kind::Conflict, found, "kept; use --overwrite to take Redmine's");
        }
        let has_changed = !add.is_empty() || !remove.is_empty();
        if has_changed {
            let found = format!("{} added, {} taken out", count(add.len(), "member"), remove.len());
            group.note(Kind::Changed, found, "updated");
        }
        let totals = &mut self.report.totals.groups;
        totals.members_added += add.len() as u64;
        totals.members_removed += remove.len() as u64;
        let tx = &mut Tx::of_command_line(self.connection, self.options.now);
        here.apply(tx, &ResolvedChanges { add, remove })?;
        Ok(has_changed)
    }

    /// The name in Redmine, if no other group here has it. A group that somebody made here may let its members in
    /// somewhere, so no others come into it.
    fn free_name(&mut self, group: &mut SourceGroup, id: i64) -> Result<String, ImportError> {
        let mut wanted = group.name.clone();
        for number in 1.. {
            let other = Group::find_by_name(self.connection, &wanted)?;
            if other.is_none_or(|other| other.id == id) {
                break;
            }
            if number == 1 {
                let found = format!("another group has the name {}", group.called);
                group.note(Kind::GroupName, found, "imported with another name");
            }
            let ending = match number {
                1 => format!(" (redmine-{})", group.source_id),
                number => format!(" (redmine-{}-{number})", group.source_id),
            };
            let beginning: String = group.name.chars().take(LONGEST_NAME - ending.len()).collect();
            wanted = beginning + &ending;
        }
        Ok(wanted)
    }

    /// Records what has come, in place of what came before.
    fn remember(
        &mut self,
        group: &SourceGroup,
        group_id: i64,
        given_name: &str,
        members: &BTreeSet<i64>,
    ) -> Result<(), ImportError> {
        let of_group = imported_groups::table.find(group.source_id);
        diesel::delete(of_group).execute(self.connection)?;
        let row = ImportedGroup {
            source_id: group.source_id,
            group_id,
            name: group.name.clone(),
            given_name: given_name.to_owned(),
            identity: group.identity.clone(),
        };
        diesel::insert_into(imported_groups::table).values(row).execute(self.connection)?;
        let of_group = imported_group_members::table;
        let of_group = of_group.filter(imported_group_members::source_group_id.eq(group.source_id));
        diesel::delete(of_group).execute(self.connection)?;
        let row = |member: &i64| ImportedMember { source_group_id: group.source_id, source_user_id: *member };
        let rows: Vec<_> = members.iter().map(row).collect();
        Ok(rows::store_imported_members(self.connection, &rows)?)
    }
}
