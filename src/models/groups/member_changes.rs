//! Who is to be added to a group, and who is to be taken out.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::group::{Group, GroupField, PREFIX};
use crate::db::DbConnection;
use crate::models::people::by_login;
use crate::models::rules::{FieldError, Problem};

/// The most people that one request adds or takes out. Each is told, and others want to write, too.
pub const MOST_AT_ONCE: usize = 100;

/// Who is to be added to a group, and who is to be taken out, by login in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberChanges {
    /// Who is added; those who are members already stay.
    pub add: Vec<String>,
    /// Who is taken out; those who are no members stay away.
    pub remove: Vec<String>,
}

/// The same by id, each once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvedChanges {
    pub add: BTreeSet<i64>,
    pub remove: BTreeSet<i64>,
}

impl MemberChanges {
    /// That people are added.
    pub fn adding(logins: Vec<String>) -> Self {
        Self { add: logins, remove: Vec::new() }
    }

    /// That people are taken out.
    pub fn removing(logins: Vec<String>) -> Self {
        Self { add: Vec::new(), remove: logins }
    }

    /// Finds the people, who cannot be deleted before the transaction ends. Inside, returns all that is wrong.
    pub(super) fn resolve(
        &self,
        connection: &mut DbConnection,
    ) -> QueryResult<Result<ResolvedChanges, Vec<FieldError<GroupField>>>> {
        let wrong = |problem: String| FieldError::new(GroupField::Members, Problem::sentence(problem));
        let number = self.add.len() + self.remove.len();
        if number > MOST_AT_ONCE {
            let problem = format!("{number} members are too many at once: send at most {MOST_AT_ONCE}");
            return Ok(Err(vec![wrong(problem)]));
        }
        let named: Vec<&str> = self.add.iter().chain(&self.remove).map(String::as_str).collect();
        let found = by_login::hold(connection, &named)?;
        let ids: BTreeMap<String, i64> = found.iter().map(|(id, login)| (login.to_ascii_lowercase(), *id)).collect();
        let id_of = |login: &String| ids.get(&login.trim().to_ascii_lowercase()).copied();
        let unknown: Vec<&str> =
            self.add.iter().chain(&self.remove).filter(|login| id_of(login).is_none()).map(|it| it.trim()).collect();
        let mut errors: Vec<_> = unknown_problems(connection, &unknown)?.into_iter().map(wrong).collect();
        let [add, remove] =
            [&self.add, &self.remove].map(|logins| logins.iter().filter_map(id_of).collect::<BTreeSet<i64>>());
        if let Some((_, both)) = found.iter().find(|(id, _)| add.contains(id) && remove.contains(id)) {
            errors.push(wrong(format!("{both} cannot be added and taken out at once")));
        }
        Ok(if errors.is_empty() { Ok(ResolvedChanges { add, remove }) } else { Err(errors) })
    }
}

/// What is wrong with names that are nobody's logins. Some may be those of groups.
fn unknown_problems(connection: &mut DbConnection, unknown: &[&str]) -> QueryResult<Vec<String>> {
    let name = |word: &str| word.strip_prefix(PREFIX).unwrap_or(word).trim().to_owned();
    let names: Vec<String> = unknown.iter().map(|word| name(word)).collect();
    let of_groups = Group::hold_named(connection, names.iter().map(String::as_str))?;
    let is_group = |word: &str| {
        let folded = name(word).to_lowercase();
        word.starts_with(PREFIX) || of_groups.iter().any(|group| group.name.to_lowercase() == folded)
    };
    let (groups, nobodies): (Vec<&str>, Vec<&str>) = unknown.iter().copied().partition(|word| is_group(word));
    let mut problems = by_login::nobody(&nobodies).into_iter().collect::<Vec<_>>();
    problems.extend(groups.first().map(|word| {
        format!("“{}” is a group, and a group cannot be a member of a group: name its members", name(word))
    }));
    Ok(problems)
}
