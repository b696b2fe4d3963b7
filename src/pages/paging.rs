//! Lists that go on over several pages: which of them is asked for, what is said of it, and where the others are.

use crate::auth::credentials::parameter;

/// One page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Counted from 1.
    number: i64,
    /// Of the last page that can be asked for.
    last: i64,
    /// Rows on a page.
    size: i64,
}

/// Where the other pages are; `None`: there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pager {
    /// The first one, if the list says how long it is.
    pub first: Option<String>,
    /// The one before.
    pub previous: Option<String>,
    /// Which page this is: "Page 3 of 10"; empty if the list does not say how long it is, or ends before this page.
    pub place: String,
    /// The one after.
    pub next: Option<String>,
    /// The last one, if the list says how long it is.
    pub last: Option<String>,
}

/// An order of a list, to choose from.
pub struct OrderChoice {
    /// Where the list is in this order.
    pub address: String,
    /// What people read.
    pub label: &'static str,
    /// Whether the list is in this order.
    pub is_chosen: bool,
}

impl Paging {
    /// The page that an address asks for with `page` in its query: the first where that is no number, and none after
    /// `last`. A page has `size` rows.
    pub fn asked(query: &str, size: i64, last: i64) -> Self {
        let wanted = parameter(query, "page").and_then(|page| page.parse::<i64>().ok());
        Self { number: wanted.unwrap_or(1).clamp(1, last), last, size }
    }

    /// The same of a list that has `total` rows: none after the one where it ends.
    pub fn asked_of(query: &str, size: i64, total: i64) -> Self {
        Self::asked(query, size, (total - 1).max(0) / size + 1)
    }

    /// How many rows come before it.
    pub fn skip(self) -> i64 {
        (self.number - 1) * self.size
    }

    /// Its rows, of `all` that the list has.
    pub fn rows<T>(self, all: Vec<T>) -> Vec<T> {
        let number = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        all.into_iter().skip(number(self.skip())).take(number(self.size)).collect()
    }

    /// How long a list of `total` rows is, and which of them are shown, unless all or none are: "130 people, 51 to 100
    /// shown". Takes the word for one of them and that for several.
    pub fn count(self, total: i64, (one, several): (&str, &str)) -> String {
        let skip = self.skip();
        match total {
            1 => format!("1 {one}"),
            total if total <= self.size || skip >= total => format!("{total} {several}"),
            total => format!("{total} {several}, {} to {} shown", skip + 1, (skip + self.size).min(total)),
        }
    }

    /// The pages beside it: one before it, and one after it if the list `goes_on`. `address` tells where each is.
    pub fn pager(self, goes_on: bool, address: impl Fn(i64) -> String) -> Pager {
        Pager {
            previous: (self.number > 1).then(|| address(self.number - 1)),
            next: (goes_on && self.number < self.last).then(|| address(self.number + 1)),
            ..Pager::default()
        }
    }

    /// The same for a list of `total` rows, with its first and last page. After the list ends, the page before is the
    /// last one.
    pub fn pager_of(self, total: i64, address: impl Fn(i64) -> String) -> Pager {
        let pages = ((total - 1).max(0) / self.size + 1).min(self.last);
        let is_inside = pages > 1 && self.number <= pages;
        Pager {
            first: (self.number > 1).then(|| address(1)),
            previous: (self.number > 1).then(|| address((self.number - 1).min(pages))),
            place: if is_inside { format!("Page {} of {pages}", self.number) } else { String::new() },
            next: (self.number < pages).then(|| address(self.number + 1)),
            last: (self.number < pages).then(|| address(pages)),
        }
    }
}

impl Pager {
    /// Whether the list stands on this page alone.
    pub fn is_empty(&self) -> bool {
        self.previous.is_none() && self.next.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_page_is_the_nearest_one() {
        for (query, number) in [
            ("", 1),
            ("page=", 1),
            ("page=two", 1),
            ("page=0", 1),
            ("page=-7", 1),
            ("page=2", 2),
            ("page=2&page=3", 3),
            ("page=9", 9),
            ("page=10", 9),
            ("page=9223372036854775807", 9),
            ("page=9223372036854775808", 1),
        ] {
            assert_eq!(Paging::asked(query, 50, 9), Paging { number, last: 9, size: 50 }, "{query}");
        }
        for (total, last) in [(0, 1), (1, 1), (50, 1), (51, 2), (100, 2), (101, 3)] {
            assert_eq!(Paging::asked_of("page=99", 50, total).number, last, "{total} rows");
        }
    }

    #[test]
    fn a_page_tells_which_rows_it_shows_and_where_the_others_are() {
        let words = ("person", "people");
        let at = |number: i64| Some(format!("?page={number}"));
        for (number, total, count, place, [first, previous, next, last]) in [
            (1, 0, "0 people", "", [None, None, None, None]),
            (1, 1, "1 person", "", [None, None, None, None]),
            (1, 50, "50 people", "", [None, None, None, None]),
            (1, 51, "51 people, 1 to 50 shown", "Page 1 of 2", [None, None, at(2), at(2)]),
            (2, 130, "130 people, 51 to 100 shown", "Page 2 of 3", [at(1), at(1), at(3), at(3)]),
            (3, 130, "130 people, 101 to 130 shown", "Page 3 of 3", [at(1), at(2), None, None]),
            (4, 130, "130 people", "", [at(1), at(3), None, None]),
            (7, 130, "130 people", "", [at(1), at(3), None, None]),
            (9, 1000, "1000 people, 401 to 450 shown", "Page 9 of 9", [at(1), at(8), None, None]),
        ] {
            let paging = Paging::asked(&format!("page={number}"), 50, 9);
            assert_eq!(paging.count(total, words), count);
            let expected = Pager { first, previous, place: place.to_owned(), next, last };
            assert_eq!(paging.pager_of(total, |it| format!("?page={it}")), expected, "{count}");
        }
    }

    #[test]
    fn each_row_is_on_one_page() {
        let all: Vec<usize> = (0..101).collect();
        let pages = (1..=3).map(|number| Paging::asked_of(&format!("page={number}"), 50, 101));
        assert_eq!(pages.flat_map(|page| page.rows(all.clone())).collect::<Vec<_>>(), all);
    }
}
