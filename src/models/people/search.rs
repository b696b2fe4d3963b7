//! What people are searched by: a few words. The query grows with them, and whoever asks decides how many there are, so
//! there is a type that holds no more than a few.

use std::str::FromStr;

use diesel::prelude::*;
use diesel::sql_types::Bool;

use crate::db::schema::users;
use crate::db::{MultiBackend, lower};

/// The most words of a search. A condition is nested a level for each, and a deep one overflows the stack.
const MOST_WORDS: usize = 10;
/// The most characters of a search. No name or mail address is longer, and SQLite refuses patterns that are much longer.
pub const LONGEST_SEARCH: usize = 300;

/// A part of the login or mail address, or words that are each a part of the first or last name. Case is ignored (on
/// SQLite only that of ASCII letters). By default it is empty, and finds everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameSearch(String);

/// Why nobody is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchTooLong {
    /// There are too many words.
    #[error("has too many words to search for (maximum is {MOST_WORDS})")]
    Words,
    /// There are too many characters.
    #[error("is too long to search for (maximum is {LONGEST_SEARCH} characters)")]
    Characters,
}

impl FromStr for NameSearch {
    type Err = SearchTooLong;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.chars().count() > LONGEST_SEARCH {
            return Err(SearchTooLong::Characters);
        }
        match text.split_whitespace().count() {
            ..=MOST_WORDS => Ok(Self(text.to_owned())),
            _ => Err(SearchTooLong::Words),
        }
    }
}

#[expect(clippy::disallowed_types, reason = "there are few words, so it is nested a few levels deep")]
type Condition = Box<dyn BoxableExpression<users::table, MultiBackend, SqlType = Bool>>;

impl NameSearch {
    /// The condition that a person is found.
    pub(super) fn finds(&self) -> Condition {
        // Logins and mail addresses are lowercased as their indexed columns are. For names, the database lowercases
        // both sides.
        let whole = pattern(&self.0.to_ascii_lowercase());
        let login_or_mail =
            lower(users::login).like(whole.clone()).escape('\\').or(lower(users::mail).like(whole).escape('\\'));
        let words = self.0.split_whitespace().map(|word| {
            let word = pattern(word);
            let first = lower(users::firstname).like(lower(word.clone())).escape('\\');
            Box::new(first.or(lower(users::lastname).like(lower(word)).escape('\\'))) as Condition
        });
        match words.reduce(|all, word| Box::new(all.and(word))) {
            Some(words) => Box::new(login_or_mail.or(words)),
            None => Box::new(diesel::dsl::sql::<Bool>("1 = 1")),
        }
    }
}

/// A LIKE pattern that matches any text with `text` in it. Wildcards in `text` are escaped.
fn pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    // PostgreSQL does not accept NUL, and no name contains it.
    for c in text.chars().filter(|c| *c != '\0') {
        if ['%', '_', '\\'].contains(&c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern + "%"
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::db::DbConnection;

    #[test]
    fn people_are_found_by_a_few_words() {
        let search = |text: &str| text.parse::<NameSearch>();
        for text in ["", "  ", "ann", &"a ".repeat(10), &"é".repeat(300)] {
            assert!(search(text).is_ok(), "{text}");
        }
        for words in [11, 150] {
            assert_eq!(search(&"a ".repeat(words)), Err(SearchTooLong::Words));
        }
        for text in ["é".repeat(301), "a\u{3000}".repeat(8200)] {
            assert_eq!(search(&text), Err(SearchTooLong::Characters));
        }
    }

    proptest! {
        /// The stack of a test's thread is as large as that of a thread that answers requests; this is a small part of it.
        #[test]
        fn no_search_needs_much_stack(text in "[a-z\\\\%_ \u{2000}\u{3000}]{0,400}") {
            let Ok(search) = text.parse::<NameSearch>() else { return Ok(()) };
            let query = move || {
                let memory = SqliteConnection::establish(":memory:").expect("a database");
                users::table.filter(search.finds()).count().get_result::<i64>(&mut DbConnection::Sqlite(memory))
            };
            let thread = std::thread::Builder::new().stack_size(512 * 1024).spawn(query).expect("a thread");
            // The query is built, and then there is no table.
            prop_assert!(thread.join().is_ok_and(|found| found.is_err()));
        }
    }
}
