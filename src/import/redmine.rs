//! Reads people, their keys and groups from Redmine's database, and applies Latchkey's rules to them. A note says what had to
//! be adapted.
//!
//! It is a long file because what each column of Redmine's tables means is decided in one place.

use chrono::{DateTime, SubsecRound};
use chrono_tz::Tz;

use super::report::{About, Entry, Kind};
use super::source::{Cell, Source, SourceError};
use super::zone::{self, Reading};
use crate::auth::passwords::redmine::RedmineHash;
use crate::clock::{Timestamp, parse_without_zone};
use crate::models::groups::group::LONGEST_NAME;
use crate::models::keys::token::TokenAction;
use crate::models::people::user::{Profile, UserStatus, login_errors, mail_errors, normalized_mail};
use crate::models::visible::{is_invisible, without_invisible};
use crate::secret::Secret;

const USER_COLUMNS: [&str; 16] = [
    "id",
    "login",
    "firstname",
    "lastname",
    "admin",
    "status",
    "language",
    "must_change_passwd",
    "passwd_changed_on",
    "created_on",
    "updated_on",
    "last_login_on",
    "twofa_scheme",
    "hashed_password",
    "salt",
    "auth_source_id",
];

/// The most characters of a key. Redmine's own have 40.
const LONGEST_KEY: usize = 255;
/// The most characters of the name of a second factor.
const LONGEST_SCHEME: usize = 30;
/// The most characters of a text of the source in the report.
const LONGEST_QUOTE: usize = 60;

/// Redmine's tables, with the columns that exist: they differ between versions.
pub struct Redmine {
    source: Source,
    user_columns: Vec<String>,
    token_columns: Vec<String>,
    has_members: bool,
    time_zones: TimeZones,
}

/// Whether the time zones that people have chosen can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeZones {
    Read,
    /// There is a table of them, and no permission to read it: the import does without.
    Denied,
    Absent,
}

/// A group of people in Redmine, with Latchkey's rules for names applied.
pub struct SourceGroup {
    /// The id in Redmine.
    pub source_id: i64,
    /// The name in Redmine, for the report.
    pub called: String,
    /// The name.
    pub name: String,
    /// When the group was made.
    pub created_on: Timestamp,
    /// A value that tells whether the id still belongs to the same group: the creation time of the row.
    pub identity: String,
    /// The remarks for the report.
    pub notes: Vec<Note>,
}

/// A page of rows as they were read, of people in the order of their ids.
pub struct Page {
    users: Vec<[Cell; 16]>,
    mails: Vec<[Cell; 2]>,
    tokens: Vec<[Cell; 6]>,
    /// `None`: they cannot be read.
    time_zones: Option<Vec<[Cell; 2]>>,
}

/// A person in Redmine, with Latchkey's rules applied.
pub struct SourcePerson {
    /// The id in Redmine.
    pub source_id: i64,
    /// The login in Redmine, for the report.
    pub called: String,
    /// The login; `None` if it is not valid here.
    pub login: Option<String>,
    /// The first name.
    pub firstname: String,
    /// The last name.
    pub lastname: String,
    /// The mail address; `None` if it is not valid here.
    pub mail: Option<String>,
    /// Whether the person is an administrator.
    pub admin: bool,
    /// The status of the account.
    pub status: UserStatus,
    /// The language, as an IETF language tag.
    pub language: String,
    /// The name of the time zone in the IANA database, empty for UTC; `None`: it cannot be read.
    pub time_zone: Option<String>,
    /// Whether the person must choose a new password first.
    pub must_change_password: bool,
    /// The kind of second factor, if one is required.
    pub twofa_scheme: Option<String>,
    /// When the account was created.
    pub created_on: Timestamp,
    /// When the account was last changed.
    pub updated_on: Timestamp,
    /// The last sign-in.
    pub last_login_on: Option<Timestamp>,
    /// When the password was last set.
    pub passwd_changed_on: Option<Timestamp>,
    /// The password.
    pub password: SourcePassword,
    /// A value that changes whenever the password does. It is not derived from the hash.
    pub password_version: String,
    /// A value that tells whether the id still belongs to the same person: the creation time of the row.
    pub identity: String,
    /// The keys, oldest first.
    pub keys: Vec<MovedKey>,
    /// The remarks for the report.
    pub notes: Vec<Note>,
    /// How many keys could not be imported.
    pub unusable_keys: u64,
}

/// A password in Redmine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourcePassword {
    /// The person has no password.
    Absent,
    /// The password is stored elsewhere, such as in LDAP.
    Elsewhere,
    /// What is stored is not a hash that any password could match, for this reason.
    Unusable(&'static str),
    /// The hash, which is to be hashed once more.
    Hash(RedmineHash),
}

/// A key in Redmine.
pub struct MovedKey {
    /// `api` or `feeds`.
    pub action: TokenAction,
    /// The secret.
    pub secret: Secret,
    /// Why the secret is not fit to let anybody in; `None` if it is.
    pub weakness: Option<String>,
    /// When the key was created.
    pub created_on: Timestamp,
    /// The last use; `None` if it is unknown.
    pub last_use: Option<Timestamp>,
}

/// A remark about a person's row.
pub struct Note {
    kind: Kind,
    found: String,
    done: String,
}

impl Note {
    /// A remark: what was found, and what was done about it.
    pub fn new(kind: Kind, found: impl Into<String>, done: impl Into<String>) -> Self {
        Self { kind, found: found.into(), done: done.into() }
    }
}

impl SourcePerson {
    /// Adds a remark.
    pub fn note(&mut self, kind: Kind, found: impl Into<String>, done: impl Into<String>) {
        self.notes.push(Note::new(kind, found, done));
    }

    /// The remarks as entries of the report.
    pub fn entries(&mut self) -> impl Iterator<Item = Entry> {
        let (user_id, called) = (self.source_id, self.called.clone());
        let notes = std::mem::take(&mut self.notes).into_iter();
        notes.map(move |Note { kind, found, done }| Entry {
            kind,
            about: About::User { user_id, login: called.clone() },
            found,
            done,
        })
    }
}

impl SourceGroup {
    /// Adds a remark.
    pub fn note(&mut self, kind: Kind, found: impl Into<String>, done: impl Into<String>) {
        self.notes.push(Note::new(kind, found, done));
    }

    /// The remarks as entries of the report.
    pub fn entries(&mut self) -> impl Iterator<Item = Entry> {
        let (group_id, called) = (self.source_id, self.called.clone());
        let notes = std::mem::take(&mut self.notes).into_iter();
        notes.map(move |Note { kind, found, done }| Entry {
            kind,
            about: About::Group { group_id, name: called.clone() },
            found,
            done,
        })
    }
}

impl Redmine {
    /// Checks the tables, and reads which columns they have.
    ///
    /// # Errors
    /// Returns an error if it is not a database of Redmine 3.4 or later.
    pub fn open(mut source: Source) -> Result<Self, SourceError> {
        let mut columns = |table: &str, needed: &[&str]| {
            let columns = source.columns(table)?;
            match needed.iter().find(|needed| !columns.iter().any(|it| it == *needed)) {
                None => Ok(columns),
                Some(missing) => Err(SourceError::new(format!(
                    "this is not a database of Redmine 3.4 or later: {table}.{missing} is missing"
                ))),
            }
        };
        let user_columns = columns("users", &["id", "login", "firstname", "lastname", "type", "status"])?;
        let token_columns = columns("tokens", &["id", "user_id", "action", "value"])?;
        columns("email_addresses", &["user_id", "address", "is_default"])?;
        let has_members = !source.columns("groups_users")?.is_empty();
        let time_zones = match source.columns("user_preferences")?.iter().any(|column| column == "time_zone") {
            false => TimeZones::Absent,
            true => {
                let query = source.select(["user_id"]) + " FROM user_preferences LIMIT 1";
                let may_read = source.rows::<1>(&query).is_ok();
                if may_read { TimeZones::Read } else { TimeZones::Denied }
            }
        };
        Ok(Self { source, user_columns, token_columns, has_members, time_zones })
    }

    /// Begins a transaction that reads a snapshot: all rows are as of the same moment.
    ///
    /// # Errors
    /// Returns an error if the database fails.
    pub fn begin(&mut self) -> Result<(), SourceError> {
        self.source.begin()
    }

    /// The number of people.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn count_people(&mut self) -> Result<u64, SourceError> {
        let query = format!("{} FROM users WHERE type = 'User'", self.source.select(["count(*)"]));
        let rows: Vec<[Cell; 1]> = self.source.rows(&query)?;
        Ok(rows.into_iter().next().and_then(|[count]| number(&count)).unwrap_or_default())
    }

    /// The id of the last person; 0 if there is nobody.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn last_person(&mut self) -> Result<i64, SourceError> {
        let query = format!("{} FROM users WHERE type = 'User'", self.source.select(["max(id)"]));
        let rows: Vec<[Cell; 1]> = self.source.rows(&query)?;
        Ok(rows.into_iter().next().and_then(|[id]| number(&id)).unwrap_or_default())
    }

    /// The number of rows that are not imported, by what they are: other rows of `users`, and tokens that are not keys.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn left_behind(&mut self) -> Result<Vec<(String, u64)>, SourceError> {
        let users = self.source.select(["coalesce(type, '')", "count(*)"])
            + " FROM users WHERE type NOT IN ('User', 'Group') OR type IS NULL GROUP BY type";
        let tokens = self.source.select(["coalesce(action, '')", "count(*)"])
            + " FROM tokens WHERE action NOT IN ('api', 'feeds') OR action IS NULL GROUP BY action";
        let mut all = Vec::new();
        if self.time_zones == TimeZones::Denied {
            let what = "time zones of people (SELECT on user_preferences is not granted)";
            all.push((what.to_owned(), self.count_people()?));
        }
        for (query, what) in [(users, "in users"), (tokens, "in tokens")] {
            let rows: Vec<[Cell; 2]> = self.source.rows(&query)?;
            all.extend(rows.into_iter().map(|[name, count]| {
                let name = shortened(&lossy(&name));
                let name = if name.is_empty() { "nameless".to_owned() } else { name };
                (format!("{name} {what}"), number(&count).unwrap_or_default())
            }));
        }
        Ok(all)
    }

    /// A remark about each key whose owner is not a person.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn keys_of_nobody(&mut self) -> Result<Vec<Entry>, SourceError> {
        let query = self.source.select(["t.id", "t.action", "t.user_id"])
            + " FROM tokens t WHERE t.action IN ('api', 'feeds') AND NOT EXISTS \
               (SELECT 1 FROM users u WHERE u.id = t.user_id AND u.type = 'User') ORDER BY t.id";
        let rows: Vec<[Cell; 3]> = self.source.rows(&query)?;
        let entry = |[id, action, user_id]: [Cell; 3]| Entry {
            kind: Kind::KeyOfNobody,
            about: About::User { user_id: number(&user_id).unwrap_or_default(), login: String::new() },
            found: format!("the {} key with the id {} belongs to no imported person", lossy(&action), lossy(&id)),
            done: "left out".into(),
        };
        Ok(rows.into_iter().map(entry).collect())
    }

    /// The groups of people, in the order of their ids. Those that Redmine has by itself, of everybody who is in no group
    /// or has not signed in, are none.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn groups(&mut self, zone: Tz, now: Timestamp) -> Result<Vec<SourceGroup>, SourceError> {
        let created_on = if self.user_columns.iter().any(|it| it == "created_on") { "created_on" } else { "NULL" };
        let query = self.source.select(["id", "lastname", created_on]) + " FROM users WHERE type = 'Group' ORDER BY id";
        let rows: Vec<[Cell; 3]> = self.source.rows(&query)?;
        let group = |[id, name, created_on]: [Cell; 3]| {
            Some(Reader { zone, now, notes: Vec::new() }.group(number(&id)?, &name, &created_on))
        };
        Ok(rows.into_iter().filter_map(group).collect())
    }

    /// The ids of the members of a group.
    ///
    /// # Errors
    /// Returns an error if the query fails.
    pub fn members_of(&mut self, group_id: i64) -> Result<Vec<i64>, SourceError> {
        if !self.has_members {
            return Ok(Vec::new());
        }
        let query = self.source.select(["user_id"]) + &format!(" FROM groups_users WHERE group_id = {group_id}");
        let rows: Vec<[Cell; 1]> = self.source.rows(&query)?;
        Ok(rows.into_iter().filter_map(|[id]| number(&id)).collect())
    }

    /// The next people in the order of their ids: at most `most` with ids above `after`; `None` if there are no more.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn page(&mut self, after: i64, most: usize) -> Result<Option<Page>, SourceError> {
        let of_user =
            USER_COLUMNS.map(|name| if self.user_columns.iter().any(|it| it == name) { name } else { "NULL" });
        let users = self.source.select(of_user)
            + &format!(" FROM users WHERE type = 'User' AND id > {after} ORDER BY id LIMIT {most}");
        let users: Vec<[Cell; 16]> = self.source.rows(&users)?;
        let Some((first, last)) = users.first().zip(users.last()) else { return Ok(None) };
        let (first, last) = (lossy(&first[0]), lossy(&last[0]));
        let default = self.source.is_true("is_default");
        let mails = self.source.select(["user_id", "address"])
            + &format!(" FROM email_addresses WHERE {default} AND user_id BETWEEN {first} AND {last} ORDER BY id");
        let mails = self.source.rows(&mails)?;
        let updated_on = if self.token_columns.iter().any(|it| it == "updated_on") { "updated_on" } else { "NULL" };
        let created_on = if self.token_columns.iter().any(|it| it == "created_on") { "created_on" } else { "NULL" };
        let tokens = self.source.select(["id", "user_id", "action", "value", created_on, updated_on])
            + &format!(
                " FROM tokens WHERE action IN ('api', 'feeds') AND user_id BETWEEN {first} AND {last} ORDER BY id"
            );
        let tokens = self.source.rows(&tokens)?;
        let time_zones = match self.time_zones {
            TimeZones::Read => {
                let query = self.source.select(["user_id", "time_zone"])
                    + &format!(" FROM user_preferences WHERE user_id BETWEEN {first} AND {last} ORDER BY id");
                Some(self.source.rows(&query)?)
            }
            TimeZones::Denied | TimeZones::Absent => None,
        };
        Ok(Some(Page { users, mails, tokens, time_zones }))
    }
}

impl Page {
    /// The people on the page. `now` stands in for times that are missing or in the future.
    pub fn people(self, zone: Tz, now: Timestamp) -> Vec<SourcePerson> {
        let Self { users, mails, tokens, time_zones } = self;
        let mails = by_id(mails.into_iter().map(|[id, address]| (id, address)));
        let tokens = by_id(tokens.into_iter().map(|row| (row[1].clone(), row)));
        let time_zones = time_zones.map(|rows| by_id(rows.into_iter().map(|[id, name]| (id, name))));
        let person = |row: [Cell; 16]| {
            let id = number(&row[0])?;
            let of_them = Rows {
                mails: of(&mails, id),
                tokens: of(&tokens, id),
                time_zones: time_zones.as_deref().map(|rows| of(rows, id)),
            };
            Some(Reader { zone, now, notes: Vec::new() }.person(id, row, of_them))
        };
        users.into_iter().filter_map(person).collect()
    }

    /// The id of the last person on the page.
    pub fn last_id(&self) -> i64 {
        self.users.last().and_then(|row| number(&row[0])).unwrap_or(i64::MAX)
    }

    /// The number of people on the page.
    pub fn count(&self) -> usize {
        self.users.len()
    }
}

/// The rows of other tables about one person.
struct Rows<'a> {
    mails: &'a [(i64, Cell)],
    tokens: &'a [(i64, [Cell; 6])],
    time_zones: Option<&'a [(i64, Cell)]>,
}

/// Rows with the ids of their people, sorted by them.
fn by_id<T>(rows: impl Iterator<Item = (Cell, T)>) -> Vec<(i64, T)> {
    let mut rows: Vec<(i64, T)> = rows.filter_map(|(id, row)| Some((number(&id)?, row))).collect();
    rows.sort_by_key(|(id, _)| *id);
    rows
}

/// The rows with this id. All rows must be sorted by id.
fn of<T>(rows: &[(i64, T)], id: i64) -> &[(i64, T)] {
    let from = rows.partition_point(|(it, _)| *it < id);
    &rows[from..from + rows[from..].partition_point(|(it, _)| *it == id)]
}

/// Reads the rows of one person, and adds remarks.
struct Reader {
    zone: Tz,
    now: Timestamp,
    notes: Vec<Note>,
}

/// Which time to take for a local time that occurred twice.
#[derive(Clone, Copy)]
enum Of {
    Earlier,
    Later,
}

impl Reader {
    fn person(mut self, source_id: i64, row: [Cell; 16], of_them: Rows<'_>) -> SourcePerson {
        let [
            _,
            login,
            firstname,
            lastname,
            admin,
            status,
            language,
            must_change,
            passwd_changed_on,
            created_on,
            updated_on,
            last_login_on,
            twofa_scheme,
            hashed_password,
            salt,
            auth_source_id,
        ] = row;
        let called = shortened(&lossy(&login));
        let identity = parse_time(&created_on).map_or_else(String::new, |time| time.trunc_subsecs(0).to_string());
        let login = self.login(&login);
        let firstname = self.name("first name", &firstname, Profile::LONGEST_FIRSTNAME);
        let lastname = self.name("last name", &lastname, Profile::LONGEST_LASTNAME);
        let mail = self.mail(of_them.mails);
        let status = self.status(&status);
        let language = self.language(&language);
        let time_zone =
            of_them.time_zones.map(|rows| rows.first().map_or_else(String::new, |(_, cell)| self.time_zone(cell)));
        let created = self.time("created_on", &created_on, Of::Earlier).unwrap_or(self.now);
        if parse_time(&created_on).is_none() {
            self.note(Kind::Time, format!("created_on is {}", quoted(&created_on)), "set to now");
        }
        let updated = self.time("updated_on", &updated_on, Of::Earlier).unwrap_or(created);
        let last_login_on = self.time("last_login_on", &last_login_on, Of::Later);
        let changed = self.time("passwd_changed_on", &passwd_changed_on, Of::Earlier);
        let twofa_scheme = self.second_factor(&twofa_scheme);
        if let Some(scheme) = &twofa_scheme {
            self.note(
                Kind::SecondFactor,
                format!("has a second factor ({scheme})"),
                "keys work; to let them sign in with only the password, run latchkey user twofa LOGIN --clear",
            );
        }
        let password = password(&hashed_password, &salt, &auth_source_id);
        match &password {
            SourcePassword::Elsewhere => {
                self.note(
                    Kind::NoPassword,
                    "the password is stored elsewhere (auth_source_id)",
                    "needs a new password",
                );
            }
            SourcePassword::Unusable(why) => self.note(Kind::NoPassword, *why, "needs a new password"),
            SourcePassword::Absent | SourcePassword::Hash(_) => {}
        }
        let must_change_password = is_true(&must_change);
        let version = match &password {
            // Each new password gets a new salt. Without the hash, the salt is not secret.
            SourcePassword::Hash(_) => format!("salt {:?}", salt.as_deref().unwrap_or_default()),
            _ => "none".to_owned(),
        };
        let password_version = format!("{version} {} {must_change_password}", lossy(&passwd_changed_on));
        let (mut keys, mut unusable_keys) = (Vec::new(), 0);
        for (_, row) in of_them.tokens {
            match self.key(row) {
                Some(key) => keys.push(key),
                None => unusable_keys += 1,
            }
        }
        for action in [TokenAction::Api, TokenAction::Feeds] {
            let fit = |key: &&MovedKey| key.action == action && key.weakness.is_none();
            let count = keys.iter().filter(fit).count();
            if count > action.most_per_user() {
                let found = format!("has {count} {} keys", action.as_str());
                self.note(Kind::Key, found, "all work; pages show the oldest, and resetting it ends all of them");
            }
        }
        SourcePerson {
            source_id,
            called,
            login,
            firstname,
            lastname,
            mail,
            admin: is_true(&admin),
            status,
            language,
            time_zone,
            must_change_password,
            twofa_scheme,
            created_on: created,
            updated_on: updated.max(created),
            last_login_on,
            passwd_changed_on: changed,
            password,
            password_version,
            identity,
            keys,
            notes: self.notes,
            unusable_keys,
        }
    }

    fn group(mut self, source_id: i64, name: &Cell, created_on: &Cell) -> SourceGroup {
        let called = shortened(&lossy(name));
        let identity = parse_time(created_on).map_or_else(String::new, |time| time.trunc_subsecs(0).to_string());
        let (whole, _) = self.text("name", name);
        // A list of names has commas between them.
        let plain = without_invisible(&whole).replace(',', " ");
        let name: String = plain.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_NAME).collect();
        let name = if name.is_empty() { format!("redmine-{source_id}") } else { name.trim_end().to_owned() };
        if name != whole.trim() {
            self.note(
                Kind::GroupName,
                format!("{} cannot be a name", quoted(&Some(whole.into()))),
                format!("called {name:?}"),
            );
        }
        let created_on = self.time("created_on", created_on, Of::Earlier).unwrap_or(self.now);
        SourceGroup { source_id, called, name, created_on, identity, notes: self.notes }
    }

    fn note(&mut self, kind: Kind, found: impl Into<String>, done: impl Into<String>) {
        self.notes.push(Note::new(kind, found, done));
    }

    /// The text of a cell, and whether it is valid UTF-8. If not, invalid bytes are replaced and there is a remark.
    fn text(&mut self, what: &str, cell: &Cell) -> (String, bool) {
        match String::from_utf8(cell.clone().unwrap_or_default()) {
            Ok(text) => (text, true),
            Err(error) => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                let read = shortened(&text);
                self.note(Kind::InvalidUtf8, format!("{what} is not UTF-8"), format!("changed to {read:?}"));
                (text, false)
            }
        }
    }

    fn login(&mut self, cell: &Cell) -> Option<String> {
        let (login, _) = self.text("login", cell);
        let errors = login_errors(&login);
        if let Some(error) = errors.first() {
            self.note(Kind::Login, format!("{} ({})", quoted(cell), error.message()), "imported with another login");
            return None;
        }
        Some(login)
    }

    fn mail(&mut self, mails: &[(i64, Cell)]) -> Option<String> {
        if mails.len() > 1 {
            self.note(Kind::Mail, format!("has {} default addresses", mails.len()), "the first is used");
        }
        let Some((_, cell)) = mails.first() else {
            self.note(Kind::Mail, "has no default address", "imported with a placeholder");
            return None;
        };
        let (mail, valid) = self.text("mail", cell);
        let mail = normalized_mail(&mail);
        if !valid || !mail_errors(&mail).is_empty() {
            self.note(Kind::Mail, format!("{} is not valid", quoted(cell)), "imported with a placeholder");
            return None;
        }
        Some(mail)
    }

    fn name(&mut self, what: &str, cell: &Cell, longest: usize) -> String {
        let (whole, _) = self.text(what, cell);
        let visible = without_invisible(&whole);
        let name: String = visible.trim().chars().take(longest).collect::<String>().trim_end().to_owned();
        if visible != whole {
            self.note(Kind::Name, format!("{what} has invisible characters"), "left out");
        }
        if visible.trim().chars().count() > longest {
            self.note(Kind::Name, format!("{what} is longer than {longest} characters"), format!("cut to {name:?}"));
        }
        if name.is_empty() {
            self.note(Kind::Name, format!("{what} is missing"), "set to \"-\"");
            return "-".to_owned();
        }
        name
    }

    fn status(&mut self, cell: &Cell) -> UserStatus {
        match number(cell) {
            Some(1) => UserStatus::Active,
            Some(2) => UserStatus::Registered,
            Some(3) => UserStatus::Locked,
            None::<i64> | Some(_) => {
                self.note(Kind::Account, format!("status is {}", quoted(cell)), "locked");
                UserStatus::Locked
            }
        }
    }

    fn language(&mut self, cell: &Cell) -> String {
        let tag = lossy(cell);
        let known = !tag.is_empty()
            && tag.len() <= 35
            && tag.split('-').all(|part| !part.is_empty() && part.bytes().all(|it| it.is_ascii_alphanumeric()));
        if !known && !tag.is_empty() {
            self.note(Kind::Account, format!("language is {}", quoted(cell)), "set to en");
        }
        if known { tag } else { "en".to_owned() }
    }

    fn time_zone(&mut self, cell: &Cell) -> String {
        let name = lossy(cell);
        let name = name.trim();
        if name.is_empty() {
            return String::new();
        }
        let zone = zone::called(name);
        if zone.is_none() {
            self.note(Kind::Account, format!("time zone is {}", quoted(cell)), "set to UTC");
        }
        zone.map_or_else(String::new, |zone| zone.name().to_owned())
    }

    /// The second factor. What cannot be the name of one still asks for one: without it a password alone would do.
    fn second_factor(&mut self, cell: &Cell) -> Option<String> {
        let scheme = lossy(cell).trim().to_owned();
        if scheme.chars().count() > LONGEST_SCHEME {
            self.note(Kind::SecondFactor, format!("twofa_scheme is {}", quoted(cell)), "set to unknown");
            return Some("unknown".to_owned());
        }
        Some(scheme).filter(|scheme| !scheme.is_empty())
    }

    /// The time of a cell in UTC, moved to the range from 1970 to now.
    fn time(&mut self, what: &str, cell: &Cell, of: Of) -> Option<Timestamp> {
        let local = parse_time(cell);
        if local.is_none() && cell.as_ref().is_some_and(|text| !text.is_empty()) && !what.starts_with("created_on") {
            self.note(Kind::Time, format!("{what} is {}", quoted(cell)), "left empty");
        }
        let local = local?;
        let time = match zone::read(self.zone, local) {
            Reading::Once(time) => time,
            Reading::Twice { earlier, later } => {
                let time = if let Of::Earlier = of { earlier } else { later };
                self.note(Kind::TimeTwice, format!("{what} is {local} in {}", self.zone), format!("set to {time} UTC"));
                time
            }
            Reading::Never(time) => {
                self.note(
                    Kind::TimeSkipped,
                    format!("{what} is {local} in {}", self.zone),
                    format!("set to {time} UTC"),
                );
                time
            }
        };
        if time < epoch() {
            self.note(Kind::Time, format!("{what} is {local}, before 1970"), "set to 1970-01-01");
            return Some(epoch());
        }
        if time > self.now {
            self.note(Kind::Time, format!("{what} is {local}, in the future"), "set to now");
            return Some(self.now);
        }
        Some(time)
    }

    fn key(&mut self, row: &[Cell; 6]) -> Option<MovedKey> {
        let [id, _, action, value, created_on, updated_on] = row;
        let action = if action.as_deref() == Some(b"api") { TokenAction::Api } else { TokenAction::Feeds };
        let named = format!("the {} key with the id {}", action.as_str(), lossy(id));
        let text = std::str::from_utf8(value.as_deref().unwrap_or_default());
        if text.is_ok_and(|text| text.chars().count() > LONGEST_KEY) {
            self.note(Kind::Key, format!("{named} is longer than {LONGEST_KEY} characters"), "left out");
            return None;
        }
        let usable = |text: &&str| !text.is_empty() && text.trim() == *text && !text.contains(char::is_control);
        let Some(text) = text.ok().filter(usable) else {
            self.note(Kind::Key, format!("{named} is not a usable key"), "left out");
            return None;
        };
        let created = self.time(&format!("created_on of {named}"), created_on, Of::Earlier);
        if created.is_none() {
            self.note(Kind::Time, format!("created_on of {named} is missing"), "set to now");
        }
        let created = created.unwrap_or(self.now);
        // Redmine sets both times when it creates a key, and older versions never changed `updated_on`. If they are
        // equal, they say nothing about a use.
        let moved = parse_time(updated_on).filter(|updated| Some(*updated) != parse_time(created_on));
        let used = moved.and_then(|_| self.time(&format!("updated_on of {named}"), updated_on, Of::Later));
        let last_use = used.filter(|used| *used > created && *used > epoch());
        let secret = Secret::presented(text);
        Some(MovedKey { action, weakness: secret.weakness(), secret, created_on: created, last_use })
    }
}

fn password(hashed_password: &Cell, salt: &Cell, auth_source_id: &Cell) -> SourcePassword {
    if number::<i64>(auth_source_id).is_some() {
        return SourcePassword::Elsewhere;
    }
    match hashed_password.as_deref().unwrap_or_default() {
        b"" => SourcePassword::Absent,
        _ if salt.as_ref().is_some_and(|salt| salt.len() > RedmineHash::LONGEST_SALT) => {
            SourcePassword::Unusable("salt is longer than Redmine's column")
        }
        hash => RedmineHash::parse(hash, salt.as_deref().unwrap_or_default())
            .map_or(SourcePassword::Unusable("hashed_password is not a valid hash"), SourcePassword::Hash),
    }
}

fn epoch() -> Timestamp {
    DateTime::UNIX_EPOCH.naive_utc()
}

fn number<T: std::str::FromStr>(cell: &Cell) -> Option<T> {
    std::str::from_utf8(cell.as_deref()?).ok()?.trim().parse().ok()
}

fn is_true(cell: &Cell) -> bool {
    matches!(cell.as_deref(), Some(b"1" | b"t" | b"true"))
}

/// Parses a time in the format of any of the databases, to the microsecond. MySQL's zero date (0000-00-00) is not a
/// time.
fn parse_time(cell: &Cell) -> Option<Timestamp> {
    let text = std::str::from_utf8(cell.as_deref()?).ok()?.trim();
    parse_without_zone(text)
}

fn lossy(cell: &Cell) -> String {
    let text = String::from_utf8_lossy(cell.as_deref().unwrap_or_default());
    text.chars().filter(|c| !is_invisible(*c)).collect()
}

/// A text for the report, which must not be as long as somebody likes.
fn shortened(text: &str) -> String {
    let rest = if text.chars().count() > LONGEST_QUOTE { "…" } else { "" };
    text.chars().take(LONGEST_QUOTE).collect::<String>() + rest
}

/// The text of a cell for a remark.
fn quoted(cell: &Cell) -> String {
    match cell {
        None => "missing".to_owned(),
        Some(_) => format!("{:?}", shortened(&lossy(cell))),
    }
}
