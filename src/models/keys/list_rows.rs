//! The rows of a page of everybody's keys, in SQL that both databases read from the index of the order.

use chrono::TimeDelta;
use diesel::prelude::*;
use diesel::query_builder::{BoxedSqlQuery, SqlQuery};
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};

use super::list_order::{ListOrder, SortBy, Times};
use super::list_query::{AnyScope, KeyFilter, ListedState, Unused};
use super::scope::{Access, Scope, Scopes};
use super::token::TokenAction;
use super::verdict::{IN_USE_FOR, UNUSED_AFTER, Verdict};
use crate::clock::Timestamp;
use crate::db::{DbConnection, MultiBackend, Stored};
use crate::models::cursor::Place;

/// Which rows there are, and in which order.
#[derive(Clone, Debug)]
pub(super) struct ListedRows {
    pub filter: KeyFilter,
    pub order: ListOrder,
    /// The id of the owner that the filter names.
    pub owner: Option<i64>,
    /// The id of the service that the filter names.
    pub service: Option<i64>,
    /// The id of the service in the scope that the filter names.
    pub scope_service: Option<i64>,
}

/// A row of the list: the secret by which a key stands at its place.
#[derive(QueryableByName)]
pub(super) struct Row {
    /// The key.
    #[diesel(sql_type = BigInt)]
    pub key_id: i64,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = SqlTimestamp, deserialize_as = Stored<Timestamp>)]
    sorted_on: Timestamp,
}

/// The rows that people call keys. The indexes of the orders have the same condition.
const IS_KEY: &str = "listed.action IN ('api', 'feeds', 'access')";

impl Row {
    /// Where the row stands.
    pub fn place(&self) -> Place {
        Place { at: self.sorted_on, id: self.id }
    }
}

impl ListedRows {
    /// At most `most` rows after a place; `None`: from the beginning.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn find(
        &self,
        connection: &mut DbConnection,
        after: Option<Place>,
        most: usize,
        now: Timestamp,
    ) -> QueryResult<Vec<Row>> {
        let mut rows = Vec::new();
        for begin in Begin::all(connection, after) {
            if rows.len() < most {
                let statement = self.statement(connection, begin, most - rows.len(), now);
                rows.extend(statement.query().load::<Row>(connection)?);
            }
        }
        Ok(rows)
    }

    /// How the database reads them, in its own words.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn explained(
        &self,
        connection: &mut DbConnection,
        after: Option<Place>,
        most: usize,
        now: Timestamp,
    ) -> QueryResult<String> {
        #[derive(QueryableByName)]
        struct Step {
            #[diesel(sql_type = Text, column_name = "detail")]
            text: String,
        }
        #[derive(QueryableByName)]
        struct PostgresStep {
            #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
            text: String,
        }
        let mut plans = Vec::new();
        for begin in Begin::all(connection, after) {
            let mut statement = self.statement(connection, begin, most, now);
            let explain = if let DbConnection::Sqlite(_) = connection { "EXPLAIN QUERY PLAN" } else { "EXPLAIN" };
            statement.text = format!("{explain} {}", statement.text);
            let query = statement.query();
            let steps: Vec<String> = match connection {
                DbConnection::Sqlite(_) => query.load(connection)?.into_iter().map(|step: Step| step.text).collect(),
                DbConnection::Postgres(_) => {
                    query.load(connection)?.into_iter().map(|step: PostgresStep| step.text).collect()
                }
            };
            plans.extend(steps);
        }
        Ok(plans.join("\n"))
    }

    /// The statement that finds the rows of a page. Its limit is a literal, because PostgreSQL plans for any value of a
    /// parameter, and would sort all keys for a page of all keys.
    fn statement(&self, connection: &DbConnection, begin: Begin, most: usize, now: Timestamp) -> Statement {
        let (times, order) = (Times::of(connection), self.order);
        let (at, sql) = (times.sorted_by(order.by, "listed"), order.direction.sql());
        let mut statement = Statement::new(format!(
            "SELECT coalesce(listed.key_id, listed.id) AS key_id, listed.id AS id, {at} AS sorted_on
             FROM tokens AS listed {} WHERE {IS_KEY} AND {}",
            self.index(connection),
            stands_for_its_key(order.by, times),
        ));
        self.add_conditions(&mut statement, times, now);
        begin.add_to(&mut statement, &at, order);
        let by_time = if let Begin::Among(_) = begin { String::new() } else { format!("{at} {sql}, ") };
        statement.add(&format!(" ORDER BY {by_time}listed.id {sql} LIMIT {most}"));
        statement
    }

    /// The index to read. Without it SQLite would read and sort the whole table where it thinks that it is small. A person
    /// has few keys, so theirs are found first, and sorted.
    fn index(&self, connection: &DbConnection) -> String {
        let index = if self.owner.is_some() { "tokens_user_id_action" } else { self.order.by.index() };
        match connection {
            DbConnection::Sqlite(_) => format!("INDEXED BY {index}"),
            DbConnection::Postgres(_) => String::new(),
        }
    }

    /// Adds what the filter says. Every row of a key repeats its owner, kind, name, note, scopes, expiry and suspension.
    fn add_conditions(&self, statement: &mut Statement, times: Times, now: Timestamp) {
        let (filter, expires) = (&self.filter, times.expires("listed"));
        if let Some(owner) = self.owner {
            statement.add(" AND listed.user_id = ").bind(Value::Number(owner));
        }
        if let Some(kind) = filter.kind {
            statement.add(&format!(" AND listed.action = '{}'", kind.as_str()));
        }
        if let Some(state) = filter.state {
            let later = if state == ListedState::Expired { "<=" } else { ">" };
            statement.add(&format!(" AND {expires} {later} ")).bind(Value::Time(now));
            match state {
                ListedState::Expired => {}
                ListedState::Active => add_suspended(statement.add(" AND NOT "), now),
                ListedState::Suspended => add_suspended(statement.add(" AND "), now),
            }
        }
        if let Some(by) = filter.expires_before {
            statement.add(&format!(" AND listed.expires_on IS NOT NULL AND {expires} <= ")).bind(Value::Time(by));
        }
        if let Some(unused) = filter.unused {
            self.add_unused(statement.add(" AND "), times, unused);
        }
        if let Some(verdict) = filter.verdict {
            self.add_verdict(statement.add(" AND "), times, verdict, now);
        }
        for pattern in filter.words.iter().flat_map(|words| words.patterns()) {
            statement.add(" AND (lower(coalesce(listed.name, '')) LIKE lower(").bind(Value::Text(pattern.clone()));
            statement.add(") ESCAPE '\\' OR lower(coalesce(listed.note, '')) LIKE lower(").bind(Value::Text(pattern));
            statement.add(") ESCAPE '\\')");
        }
        match &filter.scope {
            None => {}
            Some(AnyScope::Own(scope)) => {
                statement.add(&grants(*scope));
            }
            Some(AnyScope::Service(scope)) => {
                let accesses = Access::ALL.into_iter().filter(|access| access.includes(scope.access));
                let words: Vec<String> = accesses.map(|access| format!("'{}'", access.as_str())).collect();
                statement.add(" AND ");
                add_of_service(statement, "token_services", self.scope_service);
                statement.add(&format!(" AND it.access IN ({}))", words.join(", ")));
            }
        }
        if filter.service.is_some() {
            statement.add(" AND (");
            add_of_service(statement, "token_services", self.service);
            statement.add(") OR ");
            add_of_service(statement, "service_uses", self.service);
            statement.add("))");
        }
    }

    /// Adds that no secret was used, or not since a time. In the order of the last use, the row is the secret that was used
    /// last.
    fn add_unused(&self, statement: &mut Statement, times: Times, unused: Unused) {
        let not_used = |statement: &mut Statement, row: &str, [not, used]: [&str; 2]| match unused {
            Unused::Ever => {
                statement.add(&format!("{} {not} {}", times.used(row), times.never_used()));
            }
            Unused::Since(since) => statement.add(&format!("{} {used} ", times.used(row))).bind(Value::Time(since)),
        };
        statement.add("(");
        not_used(statement, "listed", ["<=", "<"]);
        if self.order.by != SortBy::LastUsed {
            statement.add(" AND NOT (SELECT count(*) > 0 FROM tokens AS other WHERE other.key_id = listed.id AND ");
            not_used(statement, "other", [">", ">="]);
            statement.add(")");
        }
        statement.add(")");
    }

    /// Adds [`Evidence::verdict`](super::verdict::Evidence::verdict), as the database knows it.
    fn add_verdict(&self, statement: &mut Statement, times: Times, verdict: Verdict, now: Timestamp) {
        // A use at this very time is too old to count.
        let not_in_use = Unused::Since(now - IN_USE_FOR + TimeDelta::microseconds(1));
        match verdict {
            Verdict::InUse => self.add_unused(statement.add("NOT "), times, not_in_use),
            Verdict::Idle => {
                self.add_unused(statement, times, not_in_use);
                self.add_unused(statement.add(" AND NOT "), times, Unused::Ever);
                add_recorded_since(statement.add(" AND "), now - IN_USE_FOR);
            }
            Verdict::Unused => {
                self.add_unused(statement, times, Unused::Ever);
                add_recorded_since(statement.add(" AND "), now - UNUSED_AFTER);
            }
            Verdict::TooEarly => {
                self.add_unused(statement, times, not_in_use);
                self.add_unused(statement.add(" AND NOT CASE WHEN "), times, Unused::Ever);
                add_recorded_since(statement.add(" THEN "), now - UNUSED_AFTER);
                add_recorded_since(statement.add(" ELSE "), now - IN_USE_FOR);
                statement.add(" END");
            }
        }
    }
}

/// Adds that the uses of the key have been recorded without a gap since `time`: it was created by then, and none of its
/// secrets has lost uses since.
fn add_recorded_since(statement: &mut Statement, time: Timestamp) {
    let later = |statement: &mut Statement, which: &str, times: &[&str]| {
        statement.add(&format!("NOT (SELECT count(*) > 0 FROM tokens AS other WHERE {which} AND ("));
        for (number, column) in times.iter().enumerate() {
            let or = if number == 0 { "" } else { " OR " };
            statement.add(&format!("{or}other.{column} > ")).bind(Value::Time(time));
        }
        statement.add("))");
    };
    statement.add("(");
    later(statement, "other.id = coalesce(listed.key_id, listed.id)", &["created_on", "recorded_since"]);
    statement.add(" AND ");
    later(statement, "other.key_id = coalesce(listed.key_id, listed.id)", &["recorded_since"]);
    statement.add(")");
}

/// Adds [`Suspension::holds`](super::suspension::Suspension::holds), as the database knows it.
fn add_suspended(statement: &mut Statement, now: Timestamp) {
    let is_open = "listed.suspended_until IS NULL OR listed.revoked_then";
    statement.add(&format!("(listed.suspended_on IS NOT NULL AND ({is_open} OR listed.suspended_until > "));
    statement.bind(Value::Time(now));
    statement.add("))");
}

/// Begins the condition that the key and the service have a row in `table`, which is called `it`.
fn add_of_service(statement: &mut Statement, table: &str, service: Option<i64>) {
    let of_key = format!("EXISTS (SELECT 1 FROM {table} AS it WHERE it.token_id = coalesce(listed.key_id, listed.id)");
    statement.add(&of_key).add(" AND it.service_id = ").bind(Value::Number(service.unwrap_or_default()));
}

/// The condition that of all rows of a key this one is listed. In the order of the last use it is the secret that was used
/// last, whichever end comes first; in the others it is the first secret, which is always there.
fn stands_for_its_key(by: SortBy, times: Times) -> String {
    if by != SortBy::LastUsed {
        return "listed.key_id IS NULL".to_owned();
    }
    // Counted, and not NOT EXISTS, which PostgreSQL may turn into a join with the whole table. A key has few secrets. Nor
    // is the count compared with 0 out here: PostgreSQL would expect a few rows of a million, and so sort them all.
    let none_later = |which: &str| {
        let (other, listed) = (times.used("other"), times.used("listed"));
        format!(
            "NOT (SELECT count(*) > 0 FROM tokens AS other WHERE {which} AND ({other} > {listed}
                  OR {other} = {listed} AND other.id > listed.id))"
        )
    };
    let (of_key, first) = ("other.key_id = coalesce(listed.key_id, listed.id)", "other.id = listed.key_id");
    format!("{} AND {}", none_later(of_key), none_later(first))
}

/// The condition that a key may do this: its scopes say so, or it may do everything.
fn grants(scope: Scope) -> String {
    let granting = Scope::ALL.into_iter().filter(|it| Scopes::from(*it).grants(scope));
    let words: Vec<String> =
        granting.map(|it| format!("' ' || coalesce(listed.scopes, '') || ' ' LIKE '% {it} %'")).collect();
    let full = TokenAction::KEYS.into_iter().filter(|action| action.has_full_access());
    let full: Vec<String> = full.map(|action| format!("listed.action = '{}'", action.as_str())).collect();
    let access = TokenAction::Access.as_str();
    format!(" AND ({} OR listed.action = '{access}' AND ({}))", full.join(" OR "), words.join(" OR "))
}

/// Where the rows of a statement begin.
#[derive(Clone, Copy)]
enum Begin {
    /// With the first one.
    First,
    /// After this place.
    After(Place),
    /// After this place, among those of the same time.
    Among(Place),
    /// After all those of the same time as this place.
    Beyond(Place),
}

impl Begin {
    /// The statements of a page, by where they begin. SQLite compares only one column of an index, so there the keys of the
    /// same time, of which there may be very many, are found by a statement of their own.
    fn all(connection: &DbConnection, after: Option<Place>) -> Vec<Self> {
        match (after, connection) {
            (None, _) => vec![Self::First],
            (Some(place), DbConnection::Sqlite(_)) => vec![Self::Among(place), Self::Beyond(place)],
            (Some(place), DbConnection::Postgres(_)) => vec![Self::After(place)],
        }
    }

    fn add_to(self, statement: &mut Statement, at: &str, order: ListOrder) {
        let later = order.direction.comparison();
        match self {
            Self::First => {}
            Self::After(place) => {
                statement.add(&format!(" AND ({at}, listed.id) {later} (")).bind(Value::Time(place.at));
                statement.add(", ").bind(Value::Number(place.id));
                statement.add(")");
            }
            Self::Among(place) => {
                statement.add(&format!(" AND {at} = ")).bind(Value::Time(place.at));
                statement.add(&format!(" AND listed.id {later} ")).bind(Value::Number(place.id));
            }
            Self::Beyond(place) => statement.add(&format!(" AND {at} {later} ")).bind(Value::Time(place.at)),
        }
    }
}

/// A statement that is put together, with the values of its parameters. What comes from outside is always a value.
struct Statement {
    text: String,
    values: Vec<Value>,
}

enum Value {
    Number(i64),
    Text(String),
    Time(Timestamp),
}

impl Statement {
    fn new(text: String) -> Self {
        Self { text, values: Vec::new() }
    }

    fn add(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn bind(&mut self, value: Value) {
        self.values.push(value);
        self.text.push_str(&format!("${}", self.values.len()));
    }

    fn query(self) -> BoxedSqlQuery<'static, MultiBackend, SqlQuery> {
        let query = diesel::sql_query(self.text).into_boxed();
        self.values.into_iter().fold(query, |query, value| match value {
            Value::Number(number) => query.bind::<BigInt, _>(number),
            Value::Text(text) => query.bind::<Text, _>(text),
            Value::Time(time) => query.bind::<SqlTimestamp, _>(time),
        })
    }
}
