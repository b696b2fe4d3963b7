//! Times as rows hold them. SQLite has them as text, and Diesel reads a text with chrono's parser of formats, which takes
//! ten times as long as to read the one form that Diesel writes. A lookup of a key reads eight.

use chrono::NaiveDate;
use diesel::backend::Backend;
use diesel::deserialize::{FromSql, FromSqlRow, Result};
use diesel::pg::Pg;
use diesel::sql_types::{Nullable, Text, Timestamp as SqlTimestamp};
use diesel::sqlite::Sqlite;

use super::connection::MultiBackend;
use crate::clock::{Timestamp, parse_time, parse_without_zone};

/// A column of the type `TIMESTAMP`, or one that may be `NULL`, for `deserialize_as` of Diesel's `Queryable`.
#[derive(FromSqlRow)]
pub struct Stored<T>(T);

impl From<Stored<Self>> for Timestamp {
    fn from(stored: Stored<Self>) -> Self {
        stored.0
    }
}

impl From<Stored<Self>> for Option<Timestamp> {
    fn from(stored: Stored<Self>) -> Self {
        stored.0
    }
}

impl FromSql<SqlTimestamp, Sqlite> for Stored<Timestamp> {
    fn from_sql(value: <Sqlite as Backend>::RawValue<'_>) -> Result<Self> {
        let text = <String as FromSql<Text, Sqlite>>::from_sql(value)?;
        let time = in_usual_form(&text).or_else(|| parse_without_zone(&text)).or_else(|| parse_time(&text));
        time.map(Self).ok_or_else(|| format!("{text} is no time").into())
    }
}

impl FromSql<SqlTimestamp, Pg> for Stored<Timestamp> {
    fn from_sql(value: <Pg as Backend>::RawValue<'_>) -> Result<Self> {
        <Timestamp as FromSql<SqlTimestamp, Pg>>::from_sql(value).map(Self)
    }
}

impl FromSql<SqlTimestamp, MultiBackend> for Stored<Timestamp> {
    fn from_sql(value: <MultiBackend as Backend>::RawValue<'_>) -> Result<Self> {
        value.from_sql::<Self, SqlTimestamp>()
    }
}

impl<DB> FromSql<Nullable<SqlTimestamp>, DB> for Stored<Option<Timestamp>>
where
    DB: Backend,
    Stored<Timestamp>: FromSql<SqlTimestamp, DB>,
{
    fn from_sql(value: DB::RawValue<'_>) -> Result<Self> {
        Stored::<Timestamp>::from_sql(value).map(|Stored(time)| Self(Some(time)))
    }

    fn from_nullable_sql(value: Option<DB::RawValue<'_>>) -> Result<Self> {
        value.map_or(Ok(Self(None)), Self::from_sql)
    }
}

/// Reads `2026-11-24 09:30:00`, with a fraction of up to nine digits or without. `None`: it has another form.
fn in_usual_form(text: &str) -> Option<Timestamp> {
    let bytes = text.as_bytes();
    let separators = [(4, b'-'), (7, b'-'), (10, b' '), (13, b':'), (16, b':')];
    if bytes.len() < 19 || separators.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(&bytes[..4])?).ok()?,
        number(&bytes[5..7])?,
        number(&bytes[8..10])?,
    )?;
    let nanoseconds = match &bytes[19..] {
        [] => 0,
        [b'.', fraction @ ..] if (1..=9).contains(&fraction.len()) => {
            number(fraction)? * 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?)
        }
        _ => return None,
    };
    date.and_hms_nano_opt(number(&bytes[11..13])?, number(&bytes[14..16])?, number(&bytes[17..19])?, nanoseconds)
}

/// The number that up to nine digits are.
fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_diesel_writes_is_read(seconds in -62_135_596_800_i64..253_402_300_800, nanoseconds in prop_oneof![Just(0), 0_u32..1_000_000_000]) {
            let time = chrono::DateTime::from_timestamp(seconds, nanoseconds).expect("a time").naive_utc();
            prop_assert_eq!(in_usual_form(&time.format("%F %T%.f").to_string()), Some(time));
        }

        #[test]
        fn what_is_read_is_what_chrono_reads(text in "[0-9]{4}-(0[0-9]|1[0-3])-([0-2][0-9]|3[01])[ T]([01][0-9]|2[0-4]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{0,10})?Z?") {
            if let Some(time) = in_usual_form(&text) {
                #[expect(clippy::disallowed_methods, reason = "it is what this is compared with")]
                let expected = Timestamp::parse_from_str(&text, "%F %T%.f");
                prop_assert_eq!(Ok(time), expected);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,30}") {
            let _ = in_usual_form(&text);
        }
    }
}
