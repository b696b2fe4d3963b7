//! The orders of the list of everybody's keys, and their SQL. Each has an index, which a page is read from without
//! sorting; see the migration `index_every_key`.

use crate::db::DbConnection;
use crate::models::text_enum::text_enum;

/// The order of the list: by a time, and by id where times are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOrder {
    /// The time.
    pub by: SortBy,
    /// Which end comes first.
    pub direction: Direction,
}

text_enum! {
    /// The time that keys are sorted by, as programs write it, and the index that has them in this order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum SortBy(as_str, index) {
        /// When the key was created.
        Created = ("created_on", "tokens_keys_created_on"),
        /// The latest use of any of its secrets, as far as it is written. A key that was never used comes before all
        /// others.
        LastUsed = ("last_used_on", "tokens_keys_used_on"),
        /// When it expires. A key that never does comes after all others.
        Expires = ("expires_on", "tokens_keys_expires_on"),
    }
}

text_enum! {
    /// Which end of a list comes first.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Direction(as_str, sql) {
        /// The earliest time.
        Ascending = ("asc", "ASC"),
        /// The latest time.
        Descending = ("desc", "DESC"),
    }
}

impl Default for ListOrder {
    /// The newest key first.
    fn default() -> Self {
        Self { by: SortBy::Created, direction: Direction::Descending }
    }
}

impl ListOrder {
    /// Reads an order as programs write it: `last_used_on`, or `last_used_on:desc`.
    pub fn of_text(text: &str) -> Option<Self> {
        let (by, direction) = text.split_once(':').unwrap_or((text, Direction::Ascending.as_str()));
        Some(Self { by: SortBy::of_text(by)?, direction: Direction::of_text(direction)? })
    }
}

impl Direction {
    /// How what comes later in the list compares with what comes before.
    pub(super) fn comparison(self) -> &'static str {
        match self {
            Self::Ascending => ">",
            Self::Descending => "<",
        }
    }
}

/// The SQL of the times, for one of the databases. What is missing has a time of its own, so that it sorts alike on both.
/// The literals stand in the indexes, too.
#[derive(Clone, Copy)]
pub(super) struct Times {
    literal: &'static str,
}

impl Times {
    pub fn of(connection: &DbConnection) -> Self {
        match connection {
            DbConnection::Sqlite(_) => Self { literal: "" },
            DbConnection::Postgres(_) => Self { literal: "TIMESTAMP " },
        }
    }

    /// The time by which the `row` of `tokens` is sorted.
    pub fn sorted_by(self, by: SortBy, row: &str) -> String {
        match by {
            SortBy::Created => format!("{row}.created_on"),
            SortBy::LastUsed => self.used(row),
            SortBy::Expires => self.expires(row),
        }
    }

    /// When a secret was last used; the beginning of time if never. Rails sets `updated_on` to `created_on` for that.
    pub fn used(self, row: &str) -> String {
        let never = self.never_used();
        format!("CASE WHEN {row}.updated_on > {row}.created_on THEN {row}.updated_on ELSE {never} END")
    }

    /// When a secret was used that was never used.
    pub fn never_used(self) -> String {
        format!("{}'0001-01-01 00:00:00'", self.literal)
    }

    /// When a key expires; the end of time if never.
    pub fn expires(self, row: &str) -> String {
        format!("coalesce({row}.expires_on, {}'9999-12-31 23:59:59.999999')", self.literal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_time_and_a_direction() {
        let order = |by, direction| Some(ListOrder { by, direction });
        for (text, expected) in [
            ("created_on:desc", Some(ListOrder::default())),
            ("last_used_on", order(SortBy::LastUsed, Direction::Ascending)),
            ("expires_on:asc", order(SortBy::Expires, Direction::Ascending)),
            ("expires_on:desc", order(SortBy::Expires, Direction::Descending)),
            ("", None),
            ("created_on:", None),
            ("created_on:down", None),
            ("created_on:desc:desc", None),
            ("login", None),
        ] {
            assert_eq!(ListOrder::of_text(text), expected, "{text}");
        }
    }
}
