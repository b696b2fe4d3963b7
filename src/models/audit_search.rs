//! The search in the audit log: which entries, and which page of them. Pages, API, command line and exports ask here.

use std::net::IpAddr;

use chrono::NaiveTime;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::audit::{AuditEntry, Doer, EVERY_ENTRY};
use super::cursor::Place;
use super::event::EventAction;
use super::people::user::login_errors;
use super::rules::number_within;
use super::text_enum::text_enum;
use crate::clock::{A_DATE_OR_TIME, Timestamp, normalized, parse_date, parse_date_or_time, parse_time};
use crate::db::schema::audit_entries;
use crate::db::{DbConnection, MultiBackend, lower};

text_enum! {
    /// What entries are searched by. The text is the name of the parameter.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum AuditField(as_str, label) {
        /// Whom they are about.
        User = ("user", "About"),
        /// Who did it.
        Actor = ("actor", "Done by"),
        /// What happened.
        Action = ("action", "What happened"),
        /// The key that they are about.
        Key = ("key_id", "Key"),
        /// The address of the client.
        Address = ("address", "Address"),
        /// From when.
        Since = ("since", "From"),
        /// Until when.
        Until = ("until", "Until"),
    }
}

/// A search for entries. Everything that it says holds for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditSearch {
    /// As it was said, by field.
    said: Vec<(AuditField, String)>,
    user: Option<Who>,
    actor: Option<Who>,
    action: Option<EventAction>,
    key_id: Option<i64>,
    address: Option<String>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

/// A person, or who did something without being one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// The id of a person, who may have had several logins.
    Id(i64),
    /// The login at the time of the entry, in small letters.
    Name(String),
}

/// What is wrong with a field of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongField {
    /// The field.
    pub field: AuditField,
    /// What it must be, in words.
    must_be: String,
}

impl WrongField {
    /// A sentence about the field, by the name that it has where it is read.
    pub fn sentence(&self, name: &str) -> String {
        format!("{name} must be {}.", self.must_be)
    }
}

/// What stands before the id of a person. No login has a colon.
const ID: &str = "id:";

/// Where a page of entries is. The log is read from the latest entry to the oldest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuditPlace {
    /// It begins with the latest.
    #[default]
    Latest,
    /// It ends with the oldest.
    Oldest,
    /// It begins after this entry: its entries are older.
    OlderThan(Place),
    /// It ends before this entry: its entries are newer.
    NewerThan(Place),
}

/// A page of entries.
#[derive(Debug, Default)]
pub struct AuditPage {
    /// The latest first.
    pub entries: Vec<AuditEntry>,
    /// The entry after which there are older ones; `None`: there are none.
    pub older: Option<Place>,
    /// The entry before which there are newer ones, or may be; `None`: there are none.
    pub newer: Option<Place>,
}

#[expect(clippy::disallowed_types, reason = "there are as many conditions as fields, at most")]
type Condition = Box<dyn BoxableExpression<audit_entries::table, MultiBackend, SqlType = Bool>>;

impl AuditSearch {
    /// Reads a search from the text of each field; a blank text counts as none.
    ///
    /// # Errors
    /// Each field that cannot be understood, with a sentence that says what to write instead.
    pub fn read(text: impl Fn(AuditField) -> Option<String>) -> Result<Self, Vec<WrongField>> {
        let (mut search, mut wrong) = (Self::default(), Vec::new());
        for field in AuditField::ALL {
            let text = text(field).unwrap_or_default();
            match search.set(field, text.trim()) {
                Err(must_be) => wrong.push(WrongField { field, must_be }),
                Ok(()) if !text.trim().is_empty() => search.said.push((field, text.trim().to_owned())),
                Ok(()) => {}
            }
        }
        if search.since.zip(search.until).is_some_and(|(since, until)| since >= until) {
            let must_be = "later than the beginning of the search".to_owned();
            wrong.push(WrongField { field: AuditField::Until, must_be });
        }
        if wrong.is_empty() { Ok(search) } else { Err(wrong) }
    }

    /// Reads the text of one field; an error is what it must be.
    fn set(&mut self, field: AuditField, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let a_time = || A_DATE_OR_TIME.to_owned();
        match field {
            AuditField::User => self.user = Some(Who::person(text).ok_or("a login, or an id such as id:12")?),
            AuditField::Actor => {
                let other = Doer::OTHERS.into_iter().find(|name| name.eq_ignore_ascii_case(text));
                let who = other.map(|name| Who::Name(name.to_ascii_lowercase())).or_else(|| Who::person(text));
                let others = Doer::OTHERS.join(", ");
                self.actor = Some(who.ok_or_else(|| format!("a login, an id such as id:12, or one of: {others}"))?);
            }
            AuditField::Action => {
                let actions = || format!("one of {}", EventAction::ALL.map(EventAction::as_str).join(", "));
                self.action = Some(EventAction::of_text(text).ok_or_else(actions)?);
            }
            AuditField::Key => self.key_id = Some(id(text).ok_or("the id of a key, such as 12")?),
            AuditField::Address => {
                let address: Option<IpAddr> = text.parse().ok();
                let address = address.ok_or("an IP address such as 192.0.2.1")?.to_canonical();
                self.address = Some(address.to_string());
            }
            AuditField::Since => self.since = Some(parse_date_or_time(text).ok_or_else(a_time)?),
            AuditField::Until => self.until = Some(end(text).ok_or_else(a_time)?),
        }
        Ok(())
    }

    /// What was said of a field.
    pub fn said(&self, field: AuditField) -> Option<&str> {
        self.said.iter().find(|(said, _)| *said == field).map(|(_, text)| text.as_str())
    }

    /// The search as the query of an address.
    pub fn query(&self) -> String {
        let said = self.said.iter().map(|(field, text)| (field.as_str(), text));
        form_urlencoded::Serializer::new(String::new()).extend_pairs(said).finish()
    }

    /// The name of the list that is found, for its cursors.
    pub fn list(&self) -> String {
        format!("audit?{}", self.query())
    }

    /// The page of the entries that were found, at most `most` of them.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn page(&self, connection: &mut DbConnection, place: AuditPlace, most: usize) -> QueryResult<AuditPage> {
        let mut entries = self.entries(connection, place, most)?;
        // One more than the page has was asked for, to know whether there are others.
        let goes_on = entries.len() > most;
        entries.truncate(most);
        if place.is_upwards() {
            entries.reverse();
        }
        let at = |entry: &AuditEntry| Place { at: entry.created_on, id: entry.id };
        let (first, last) = (entries.first().map(at), entries.last().map(at));
        let (older, newer) = match place {
            AuditPlace::Latest => (last.filter(|_| goes_on), None),
            AuditPlace::OlderThan(_) => (last.filter(|_| goes_on), first),
            AuditPlace::Oldest => (None, first.filter(|_| goes_on)),
            AuditPlace::NewerThan(_) => (last, first.filter(|_| goes_on)),
        };
        Ok(AuditPage { entries, older, newer })
    }

    /// The page that a person turns to: as [`AuditSearch::page`], but whoever comes back to the latest entries gets a
    /// whole page of them.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn turned_page(&self, connection: &mut DbConnection, place: AuditPlace, most: usize) -> QueryResult<AuditPage> {
        let page = self.page(connection, place, most)?;
        match place {
            AuditPlace::NewerThan(_) if page.newer.is_none() => self.page(connection, AuditPlace::Latest, most),
            _ => Ok(page),
        }
    }

    /// Which of the entries with these ids were found, in the order in which they were written.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn among(&self, connection: &mut DbConnection, ids: &[i64]) -> QueryResult<Vec<AuditEntry>> {
        let found = audit_entries::table.filter(audit_entries::id.eq_any(ids.to_vec())).filter(self.condition());
        found.order(audit_entries::id).select(AuditEntry::as_select()).load(connection)
    }

    fn entries(&self, connection: &mut DbConnection, place: AuditPlace, most: usize) -> QueryResult<Vec<AuditEntry>> {
        use audit_entries::{created_on, id};
        let conditions = [Some(self.condition()), place.condition()];
        let found = audit_entries::table.filter(all(conditions.into_iter().flatten()));
        let found =
            found.limit(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1)).select(AuditEntry::as_select());
        match place.is_upwards() {
            true => found.order((created_on, id)).load(connection),
            false => found.order((created_on.desc(), id.desc())).load(connection),
        }
    }

    fn condition(&self) -> Condition {
        use audit_entries::{action, actor, actor_id, address, created_on, token_id, user_id, user_login};
        let user = self.user.clone().map(|who| match who {
            Who::Id(id) => Box::new(user_id.eq(id).assume_not_null()) as Condition,
            Who::Name(login) => Box::new(lower(user_login.assume_not_null()).eq(login)),
        });
        let doer = self.actor.clone().map(|who| match who {
            Who::Id(id) => Box::new(actor_id.eq(id).assume_not_null()) as Condition,
            Who::Name(name) => Box::new(lower(actor).eq(name)),
        });
        let filters: [Option<Condition>; 5] = [
            user,
            doer,
            self.action.map(|it| Box::new(action.eq(it.as_str())) as Condition),
            self.key_id.map(|it| Box::new(token_id.eq(it).assume_not_null()) as Condition),
            self.address.clone().map(|it| Box::new(address.eq(it)) as Condition),
        ];
        // See the index in the migration.
        let none = filters.iter().all(Option::is_none).then(|| Box::new(sql::<Bool>(EVERY_ENTRY)) as Condition);
        let span: [Option<Condition>; 2] = [
            self.since.map(|it| Box::new(created_on.ge(it)) as Condition),
            self.until.map(|it| Box::new(created_on.lt(it)) as Condition),
        ];
        all(filters.into_iter().chain([none]).chain(span).flatten())
    }
}

impl AuditPlace {
    fn is_upwards(self) -> bool {
        matches!(self, Self::Oldest | Self::NewerThan(_))
    }

    /// The condition that an entry lies beyond. The first part is what an index is read from, the second leaves out what
    /// is at the same time.
    fn condition(self) -> Option<Condition> {
        use audit_entries::{created_on, id};
        match self {
            Self::Latest | Self::Oldest => None,
            Self::OlderThan(Place { at, id: last }) => {
                Some(Box::new(created_on.le(at).and(created_on.lt(at).or(id.lt(last)))))
            }
            Self::NewerThan(Place { at, id: first }) => {
                Some(Box::new(created_on.ge(at).and(created_on.gt(at).or(id.gt(first)))))
            }
        }
    }
}

impl Who {
    fn person(text: &str) -> Option<Self> {
        match text.strip_prefix(ID) {
            Some(number) => id(number).map(Self::Id),
            None => login_errors(text).is_empty().then(|| Self::Name(text.to_ascii_lowercase())),
        }
    }
}

/// The filter that finds the person with this id, whatever their login was.
pub fn by_id(id: i64) -> String {
    format!("{ID}{id}")
}

/// An id as it is written in a search.
fn id(text: &str) -> Option<i64> {
    number_within(text, 1..=i64::MAX)
}

/// The time until which a text counts: a date does to its end, in UTC.
fn end(text: &str) -> Option<Timestamp> {
    match parse_date(text) {
        // The day after the last one that can be stored cannot.
        Some(date) => {
            let next = date.succ_opt().and_then(|next| normalized(next.and_time(NaiveTime::MIN)));
            next.or_else(|| date.and_hms_micro_opt(23, 59, 59, 999_999))
        }
        None => parse_time(text),
    }
}

fn all(conditions: impl IntoIterator<Item = Condition>) -> Condition {
    let together = conditions.into_iter().reduce(|all, one| Box::new(all.and(one)));
    together.unwrap_or_else(|| Box::new(sql::<Bool>(EVERY_ENTRY)))
}
