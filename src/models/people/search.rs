//! The search for people: by whom, and in which order.

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::order::Order;
use super::user::{User, UserStatus};
use crate::clock::Timestamp;
use crate::db::schema::{group_members, users};
use crate::db::{DbConnection, MultiBackend, lower};
use crate::models::text_enum::text_enum;

/// A search for people. Everything that it says holds for each of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PeopleSearch {
    /// What holds for them.
    pub criteria: Vec<Criterion>,
    /// The order, the first first. Whatever is equal by all of it is ordered by login.
    pub order: Vec<Order>,
}

/// Something that holds for the people who are searched for.
#[derive(Clone, Debug, PartialEq)]
pub enum Criterion {
    /// Their status is one of these.
    Status(Vec<UserStatus>),
    /// They are administrators, or are not.
    Admin(bool),
    /// The text of one of their fields is like this.
    Field(TextField, TextTest),
    /// Their login, mail address, first and last name are like this together: each word may stand in another one.
    Name(TextTest),
    /// They are members of such groups.
    Groups(GroupTest),
    /// Something happened to their account at such a time.
    Time(TimeField, TimeTest),
}

text_enum! {
    /// A text about a person. Case is ignored (on SQLite only that of ASCII letters).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TextField {
        /// The login.
        Login = "login",
        /// The first name.
        Firstname = "firstname",
        /// The last name.
        Lastname = "lastname",
        /// The mail address.
        Mail = "mail",
        /// The kind of second factor, empty if there is none.
        SecondFactor = "twofa_scheme",
        /// Whom the account is for: `person` or `service`.
        Kind = "kind",
    }
}

text_enum! {
    /// A time about a person.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TimeField {
        /// When the account was created.
        Created = "created_on",
        /// The last sign-in.
        LastLogin = "last_login_on",
    }
}

/// The texts of a search. The query grows with them, and whoever asks decides how many there are, so this type holds no
/// more than a few.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FewTexts(Vec<String>);

/// The most texts of a test. A condition is nested a level for each, and a deep one overflows the stack.
const MOST_TEXTS: usize = 10;
/// The most characters of a search. No name or mail address is longer, and SQLite refuses patterns that are much longer.
pub const LONGEST_SEARCH: usize = 300;

/// Why nobody is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchTooLong {
    /// There are too many words or values.
    #[error("has too many words to search for (maximum is {MOST_TEXTS})")]
    Words,
    /// There are too many characters.
    #[error("is too long to search for (maximum is {LONGEST_SEARCH} characters)")]
    Characters,
}

/// What a text must be like. A list is never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextTest {
    /// It is one of these.
    Is(FewTexts),
    /// It contains all of these words.
    Contains(FewTexts),
    /// It contains one of these words.
    ContainsAny(FewTexts),
    /// It begins with one of these.
    Begins(FewTexts),
    /// It ends with one of these.
    Ends(FewTexts),
    /// It is empty.
    Empty,
    /// It is not so.
    Not(Box<TextTest>),
}

/// Which groups somebody must be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupTest {
    /// One of those with these ids.
    AnyOf(Vec<i64>),
    /// None of those with these ids.
    NoneOf(Vec<i64>),
    /// Any.
    Some,
    /// None at all.
    None,
}

/// When something must have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeTest {
    /// From the first time, until before the second.
    Between(Option<Timestamp>, Option<Timestamp>),
    /// At any time.
    Ever,
    /// It has not happened.
    Never,
}

/// A page of the people who were found.
pub struct People {
    /// The people on this page, by login.
    pub users: Vec<User>,
    /// The number of all people who were found.
    pub total: i64,
}

#[expect(clippy::disallowed_types, reason = "there are few texts, so it is nested a few levels deep")]
type Condition = Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = Bool>>;
#[expect(clippy::disallowed_types, reason = "it is a column")]
type LoweredText = Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = Text>>;

/// What the criterion `Name` is about.
const NAMES: &[TextField] = &[TextField::Login, TextField::Mail, TextField::Firstname, TextField::Lastname];

impl PeopleSearch {
    /// The search for people of these statuses whom the words of `name` describe, all of whom if it is blank.
    ///
    /// # Errors
    /// There are too many words, or they are too long.
    pub fn new(statuses: Vec<UserStatus>, name: &str) -> Result<Self, SearchTooLong> {
        let mut criteria = vec![Criterion::Status(statuses)];
        criteria.extend(FewTexts::words(name)?.map(|words| Criterion::Name(TextTest::Contains(words))));
        Ok(Self { criteria, order: Vec::new() })
    }

    /// The people who were found: at most `most` of them, after the first `skip`.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub fn find(&self, connection: &mut DbConnection, skip: i64, most: i64) -> QueryResult<People> {
        let found = || users::table.filter(all(self.criteria.iter().map(Criterion::condition)));
        let total = found().count().get_result(connection)?;
        let order = diesel::dsl::sql::<Text>(&Order::sql(&self.order, connection));
        let page = found().order(order).offset(skip).limit(most).select(User::as_select());
        Ok(People { users: page.load(connection)?, total })
    }
}

impl FewTexts {
    /// The words of a search: split at blanks, or between quotation marks. `None`: there are none.
    ///
    /// # Errors
    /// There are too many words, or they are too long.
    pub fn words(text: &str) -> Result<Option<Self>, SearchTooLong> {
        if text.trim().chars().count() > LONGEST_SEARCH {
            return Err(SearchTooLong::Characters);
        }
        let mut found = Vec::new();
        // Every other part stands between quotation marks, but for the last, if it is not closed.
        let parts: Vec<&str> = text.split('"').collect();
        for (number, part) in parts.iter().enumerate() {
            let is_quoted = number % 2 == 1 && number + 1 < parts.len();
            match is_quoted {
                true => found.push(part.trim()),
                false => found.extend(part.split_whitespace()),
            }
        }
        Self::of(found)
    }

    /// Whether `text` contains each of them, in whatever case.
    pub fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|it| text.contains(&it.to_lowercase()))
    }

    /// A LIKE pattern for each of them, which finds it within a text; `\\` escapes.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|text| format!("%{}%", escaped(text)))
    }

    /// The texts that are not blank. `None`: there are none.
    ///
    /// # Errors
    /// There are too many texts, or they are too long together.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Option<Self>, SearchTooLong> {
        let texts: Vec<_> = texts.into_iter().map(str::trim).filter(|text| !text.is_empty()).collect();
        if texts.iter().map(|text| text.chars().count()).sum::<usize>() > LONGEST_SEARCH {
            return Err(SearchTooLong::Characters);
        }
        match texts.len() {
            0 => Ok(None),
            1..=MOST_TEXTS => Ok(Some(Self(texts.into_iter().map(str::to_owned).collect()))),
            _ => Err(SearchTooLong::Words),
        }
    }
}

impl Criterion {
    /// Accounts of this kind.
    pub fn of_kind(kind: &str) -> Option<Self> {
        let kind = FewTexts::of([kind]).ok().flatten()?;
        Some(Self::Field(TextField::Kind, TextTest::Is(kind)))
    }

    fn condition(&self) -> Condition {
        match self {
            Self::Status(statuses) => Box::new(users::status.eq_any(statuses.clone())),
            Self::Admin(admin) => Box::new(users::admin.eq(*admin)),
            Self::Field(field, test) => test.condition(&[*field]),
            Self::Name(test) => test.condition(NAMES),
            Self::Groups(test) => test.condition(),
            Self::Time(field, test) => test.condition(*field),
        }
    }
}

impl GroupTest {
    fn condition(&self) -> Condition {
        let of = |ids: &[i64]| {
            let members = group_members::table.filter(group_members::group_id.eq_any(ids.to_vec()));
            users::id.eq_any(members.select(group_members::user_id))
        };
        let of_any = || users::id.eq_any(group_members::table.select(group_members::user_id));
        match self {
            Self::AnyOf(ids) => Box::new(of(ids)),
            Self::NoneOf(ids) => Box::new(diesel::dsl::not(of(ids))),
            Self::Some => Box::new(of_any()),
            Self::None => Box::new(diesel::dsl::not(of_any())),
        }
    }
}

impl TextTest {
    /// The condition that the `fields` together are like this.
    fn condition(&self, fields: &[TextField]) -> Condition {
        let like = |before: &str, text: &str, after: &str| {
            let pattern = format!("{before}{}{after}", escaped(text));
            any(fields
                .iter()
                .map(|field| Box::new(field.lowered().like(lower(pattern.clone())).escape('\\')) as Condition))
        };
        match self {
            Self::Is(texts) => any(texts.0.iter().map(|text| like("", text, ""))),
            Self::Contains(words) => all(words.0.iter().map(|word| like("%", word, "%"))),
            Self::ContainsAny(words) => any(words.0.iter().map(|word| like("%", word, "%"))),
            Self::Begins(texts) => any(texts.0.iter().map(|text| like("", text, "%"))),
            Self::Ends(texts) => any(texts.0.iter().map(|text| like("%", text, ""))),
            Self::Empty => all(fields.iter().map(|field| Box::new(field.lowered().eq("")) as Condition)),
            Self::Not(test) => Box::new(diesel::dsl::not(test.condition(fields))),
        }
    }
}

impl TextField {
    fn lowered(self) -> LoweredText {
        match self {
            Self::Login => Box::new(lower(users::login)),
            Self::Firstname => Box::new(lower(users::firstname)),
            Self::Lastname => Box::new(lower(users::lastname)),
            Self::Mail => Box::new(lower(users::mail)),
            Self::Kind => Box::new(lower(users::kind)),
            Self::SecondFactor => Box::new(diesel::dsl::sql::<Text>("lower(coalesce(users.twofa_scheme, ''))")),
        }
    }
}

impl TimeTest {
    fn condition(self, field: TimeField) -> Condition {
        #[expect(clippy::disallowed_types, reason = "it is a column")]
        let column = || -> Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = _>> {
            match field {
                TimeField::Created => Box::new(users::created_on.nullable()),
                TimeField::LastLogin => Box::new(users::last_login_on),
            }
        };
        let happened = || Box::new(column().is_not_null()) as Condition;
        match self {
            Self::Ever => happened(),
            Self::Never => Box::new(column().is_null()),
            Self::Between(from, until) => {
                let from = from.map(|from| Box::new(column().ge(from).assume_not_null()) as Condition);
                let until = until.map(|until| Box::new(column().lt(until).assume_not_null()) as Condition);
                all([Some(happened()), from, until].into_iter().flatten())
            }
        }
    }
}

fn all(conditions: impl Iterator<Item = Condition>) -> Condition {
    let together = conditions.reduce(|all, one| Box::new(all.and(one)));
    together.unwrap_or_else(|| Box::new(diesel::dsl::sql::<Bool>("1 = 1")))
}

fn any(conditions: impl Iterator<Item = Condition>) -> Condition {
    let together = conditions.reduce(|any, one| Box::new(any.or(one)));
    together.unwrap_or_else(|| Box::new(diesel::dsl::sql::<Bool>("1 = 0")))
}

/// A text within a LIKE pattern: its wildcards are escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    // PostgreSQL does not accept NUL, and no name contains it.
    for c in text.chars().filter(|c| *c != '\0') {
        if ['%', '_', '\\'].contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> Result<Option<FewTexts>, SearchTooLong> {
        FewTexts::words(text)
    }

    #[test]
    fn words_are_split_at_blanks_and_what_is_quoted_is_one() {
        for (text, expected) in [
            ("ann archer", vec!["ann", "archer"]),
            ("  ann\tarcher ", vec!["ann", "archer"]),
            ("\"ann archer\" a", vec!["ann archer", "a"]),
            ("a\" b \"c", vec!["a", "b", "c"]),
            ("5\" disk", vec!["5", "disk"]),
            ("o'brien", vec!["o'brien"]),
        ] {
            assert_eq!(words(text), FewTexts::of(expected), "{text}");
        }
        for text in ["", "  ", "\"\"", "\" \""] {
            assert_eq!(words(text), Ok(None), "{text:?}");
        }
    }

    #[test]
    fn people_are_found_by_a_few_words() {
        for text in ["", "  ", "ann", &"a ".repeat(10), &"é".repeat(300)] {
            assert!(words(text).is_ok(), "{text}");
        }
        for number in [11, 150] {
            assert_eq!(words(&"a ".repeat(number)), Err(SearchTooLong::Words));
        }
        for text in ["é".repeat(301), "a\u{3000}".repeat(8200)] {
            assert_eq!(words(&text), Err(SearchTooLong::Characters));
        }
    }

    proptest! {
        /// The stack of a test's thread is as large as that of a thread that answers requests; this is a small part of it.
        #[test]
        fn no_search_needs_much_stack(text in "[a-z\\\\%_ \u{2000}\u{3000}]{0,400}") {
            let Ok(search) = PeopleSearch::new(UserStatus::ALL.to_vec(), &text) else { return Ok(()) };
            let query = move || {
                let memory = SqliteConnection::establish(":memory:").expect("a database");
                search.find(&mut DbConnection::Sqlite(memory), 0, 1).map(|_| ())
            };
            let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(query).expect("a thread");
            // The query is built, and then there is no table.
            prop_assert!(thread.join().is_ok_and(|found| found.is_err()));
        }
    }
}
