//! Cursors (keyset paging): where a page of a long list ends, and the text by which the next page is asked for. The next
//! page begins after the last row of this one, wherever that is by then, so the last page costs what the first one does.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::DateTime;
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;

/// The first byte of every cursor. Whoever changes what follows it raises the number, so that the cursors of an earlier
/// release are refused and not misread.
const VERSION: u8 = 1;
/// Bytes of the place: the time in microseconds, and the id.
const PLACE: usize = 16;
/// Bytes of the digest. A changed cursor is taken for a good one by chance once in 2^96 times.
const CHECK: usize = 12;
/// Characters of every cursor.
const LENGTH: usize = (1 + PLACE + CHECK) * 4 / 3 + 1;

/// A place in a list that is sorted by a time, and by id where times are equal: that of its last row so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The time by which the row is sorted.
    pub at: Timestamp,
    /// The id of the row.
    pub id: i64,
}

/// A text that is no cursor of this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "The cursor does not belong to this list: it, the filter or the order has been changed. Start without a cursor"
)]
pub struct WrongCursor;

impl Place {
    /// The cursor of this place in the `list`, whose name says everything that the list depends on: what it is of, its
    /// filter and its order.
    ///
    /// The cursor is opaque but not secret, and not signed: whoever may see the list may see all of it, so a cursor that
    /// somebody makes up shows them nothing new. The digest is there so that a cursor that was cut, mistyped, or made for
    /// another list is refused: it would silently leave out rows.
    pub fn cursor(self, list: &str) -> String {
        let mut bytes = Vec::with_capacity(1 + PLACE + CHECK);
        bytes.push(VERSION);
        bytes.extend(self.at.and_utc().timestamp_micros().to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(check(&bytes, list));
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place in the `list` that a cursor stands for.
    ///
    /// # Errors
    /// The text is no cursor, or one of another list.
    pub fn of_cursor(text: &str, list: &str) -> Result<Self, WrongCursor> {
        let bytes = Some(text).filter(|text| text.len() == LENGTH).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes = bytes.ok_or(WrongCursor)?;
        let (said, given) = bytes.split_at_checked(1 + PLACE).ok_or(WrongCursor)?;
        if said[0] != VERSION || check(said, list) != given {
            return Err(WrongCursor);
        }
        let number = |from: usize| said[from..].first_chunk().map(|bytes| i64::from_be_bytes(*bytes));
        let (micros, id) = number(1).zip(number(9)).ok_or(WrongCursor)?;
        let at = DateTime::from_timestamp_micros(micros).ok_or(WrongCursor)?.naive_utc();
        Ok(Self { at, id })
    }
}

fn check(said: &[u8], list: &str) -> [u8; CHECK] {
    let digest: [u8; 32] = Sha256::new().chain_update(said).chain_update(list).finalize().into();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn places() -> impl Strategy<Value = Place> {
        // The years 1 to 9999, as `clock::normalized` lets them in.
        let time = |micros| DateTime::from_timestamp_micros(micros).expect("a time").naive_utc();
        let at = (-62_135_596_800_000_000_i64..253_402_300_800_000_000).prop_map(time);
        (at, any::<i64>()).prop_map(|(at, id)| Place { at, id })
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_back_for_the_list_that_it_was_made_for(place in places(), list in "\\PC{0,40}", other in "\\PC{0,40}") {
            let cursor = place.cursor(&list);
            prop_assert_eq!(cursor.len(), LENGTH);
            prop_assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
            prop_assert_eq!(Place::of_cursor(&cursor, &list), Ok(place));
            prop_assert_eq!(Place::of_cursor(&cursor, &other).is_ok(), list == other);
        }

        #[test]
        fn a_cursor_that_was_changed_is_none(place in places(), at in 0..LENGTH, by in "[A-Za-z0-9_-]") {
            let cursor = place.cursor("a list");
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &by);
            prop_assert_eq!(Place::of_cursor(&changed, "a list").is_ok(), changed == cursor);
            prop_assert_eq!(Place::of_cursor(&cursor[..at], "a list"), Err(WrongCursor));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}|[A-Za-z0-9_-]{39}") {
            prop_assert_eq!(Place::of_cursor(&text, ""), Err(WrongCursor));
        }
    }
}
