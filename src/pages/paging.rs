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

/// Where the pages beside one are; `None`: there is none.
#[derive(Debug, PartialEq, Eq)]
pub struct Pager {
    /// The one before.
    pub previous: Option<String>,
    /// The one after.
    pub next: Option<String>,
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
        }
    }

    /// The same for a list of `total` rows.
    pub fn pager_of(self, total: i64, address: impl Fn(i64) -> String) -> Pager {
        self.pager(total > self.skip() + self.size, address)
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
        for (number, total, count, pager) in [
            (1, 0, "0 people", (None, None)),
            (1, 1, "1 person", (None, None)),
            (1, 50, "50 people", (None, None)),
            (1, 51, "51 people, 1 to 50 shown", (None, at(2))),
            (2, 130, "130 people, 51 to 100 shown", (at(1), at(3))),
            (3, 130, "130 people, 101 to 130 shown", (at(2), None)),
            (4, 130, "130 people", (at(3), None)),
            (9, 1000, "1000 people, 401 to 450 shown", (at(8), None)),
        ] {
            let paging = Paging::asked(&format!("page={number}"), 50, 9);
            assert_eq!(paging.count(total, words), count);
            let (previous, next) = pager;
            assert_eq!(paging.pager_of(total, |it| format!("?page={it}")), Pager { previous, next }, "{count}");
        }
    }

    #[test]
    fn each_row_is_on_one_page() {
        let all: Vec<usize> = (0..101).collect();
        let pages = (1..=3).map(|number| Paging::asked_of(&format!("page={number}"), 50, 101));
        assert_eq!(pages.flat_map(|page| page.rows(all.clone())).collect::<Vec<_>>(), all);
    }
}
