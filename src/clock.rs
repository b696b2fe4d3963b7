//! The clock as a value: the system's clock in the product, and one that stands still until it is set in tests. And the
//! one door by which times come in as text, so that each is the same time on both databases and can be read by whoever
//! gets it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, SubsecRound, TimeDelta, Utc};

/// A point in time, in UTC and with microseconds, as both databases store it.
pub type Timestamp = NaiveDateTime;

/// Formats a time as Redmine's API does: RFC 3339, in UTC, to the second.
pub fn iso8601(time: Timestamp) -> String {
    // Normalized once more: rows that an earlier release wrote may hold a leap second.
    normalized(time).unwrap_or(time).and_utc().to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `time` as both databases store it and every client can read it: in whole microseconds, with a leap second as the
/// first second of the next minute (as POSIX and PostgreSQL count it), in the years 1 to 9999 (RFC 3339 has four digits,
/// and Python has no year 0). `None`: it is in no such year.
pub fn normalized(time: NaiveDateTime) -> Option<Timestamp> {
    let micros = DateTime::from_timestamp_micros(time.and_utc().timestamp_micros())?.naive_utc();
    (1..=9999).contains(&micros.year()).then_some(micros)
}

/// Parses an RFC 3339 time, with any offset and fraction, [`normalized`].
pub fn parse_time(text: &str) -> Option<Timestamp> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    normalized(time.naive_utc())
}

/// Parses a time in UTC without a zone, as databases write it, with a blank or a T before the hour; [`normalized`].
pub fn parse_without_zone(text: &str) -> Option<Timestamp> {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    let parsed = |format| NaiveDateTime::parse_from_str(text, format).ok();
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"].into_iter().find_map(parsed).and_then(normalized)
}

/// Parses a date of exactly this form: `2026-12-31`.
pub fn parse_date(text: &str) -> Option<NaiveDate> {
    let is_in_place =
        |(place, byte): (usize, u8)| if matches!(place, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
    if text.len() != 10 || !text.bytes().enumerate().all(is_in_place) {
        return None;
    }
    text.parse().ok().filter(|date: &NaiveDate| date.year() > 0)
}

/// What [`parse_date_or_time`] accepts, in words.
pub const A_DATE_OR_TIME: &str = "a date such as 2026-12-31 or an RFC 3339 time such as 2026-12-31T10:00:00Z";

/// Parses a date, which stands for its beginning in UTC, or an RFC 3339 time.
pub fn parse_date_or_time(text: &str) -> Option<Timestamp> {
    parse_date(text).map(|date| date.and_time(NaiveTime::MIN)).or_else(|| parse_time(text))
}

/// As long as a write may wait for others (PostgreSQL's `statement_timeout` of our connections). What another process
/// has recorded meanwhile may be later than the time that this one looked at the clock, and true.
const LONGEST_WAIT: TimeDelta = TimeDelta::seconds(20);

/// From here on a recorded time lies so far in the future of `now` that it was recorded while a clock was ahead.
pub fn ahead_of(now: Timestamp) -> Timestamp {
    now + LONGEST_WAIT
}

/// The later of two recorded times, of which either may be missing. One that lies in the future gives way to the other:
/// whoever recorded it had a clock that was ahead.
pub fn latest_true(one: Option<Timestamp>, other: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let (earlier, later) = (one.min(other), one.max(other));
    if earlier.is_some() && later > Some(ahead_of(now)) { earlier } else { later }
}

/// The last day of what ends at `end`. What ends at midnight ends with the day before: whoever chose 31 March for an
/// expiry must not read 1 April.
pub fn last_day(end: Timestamp) -> NaiveDate {
    (end - TimeDelta::microseconds(1)).date()
}

/// Whether what ends at `end` ends together with a day.
pub fn ends_with_a_day(end: Timestamp) -> bool {
    end.time() == NaiveTime::MIN
}

/// A day in short, as text for people: `24 Nov 2026`. It is not written by one of chrono's formats, each of which is parsed
/// anew for every time on a page.
pub fn day(day: NaiveDate) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    format!("{} {} {:04}", day.day(), MONTHS[day.month0() as usize], day.year())
}

/// A day, as text for people: `3 May 2026`.
pub fn day_in_words(time: Timestamp) -> String {
    time.format("%-d %B %Y").to_string()
}

/// When something ends, as text for people: `the end of 2027-03-31 (UTC)`, or the time as [`iso8601`] writes it.
pub fn end_in_words(end: Timestamp) -> String {
    if ends_with_a_day(end) { format!("the end of {} (UTC)", last_day(end)) } else { iso8601(end) }
}

/// When something expires, to follow its name: `expires at the end of 2027-03-31 (UTC)`, `expires 2027-03-31T12:00:00Z`.
pub fn expiry_in_words(expires_on: Timestamp) -> String {
    let at = if ends_with_a_day(expires_on) { "at " } else { "" };
    format!("expires {at}{}", end_in_words(expires_on))
}

/// A clock that returns the time in UTC and whole microseconds.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// Reads the operating system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands at `start` until [`Clock::set`] moves it. Its clones move with it.
    pub fn standing(start: Timestamp) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.and_utc().timestamp_micros()))))
    }

    /// The current time.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Utc::now().naive_utc().trunc_subsecs(6),
            Some(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).unwrap_or_default().naive_utc()
            }
        }
    }

    /// Moves a standing clock forward or back. Does nothing to the system's clock.
    pub fn set(&self, time: Timestamp) {
        if let Some(micros) = &self.0 {
            micros.store(time.and_utc().timestamp_micros(), Ordering::SeqCst);
        }
    }
}

/// The wait in seconds, rounded up: a client that retries then must not be too early.
pub fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_time_comes_in_as_one_that_both_databases_store() {
        for (text, time) in [
            ("2026-12-31T10:00:00Z", Some("2026-12-31T10:00:00")),
            ("2026-12-31t10:00:00z", Some("2026-12-31T10:00:00")),
            ("2026-12-31T10:00:00+01:00", Some("2026-12-31T09:00:00")),
            ("2026-12-31T23:30:00-23:59", Some("2027-01-01T23:29:00")),
            ("2026-12-31T10:00:00.1234567891234Z", Some("2026-12-31T10:00:00.123456")),
            ("2026-12-31T23:59:60Z", Some("2027-01-01T00:00:00")),
            ("2027-01-01T00:59:60+01:00", Some("2027-01-01T00:00:00")),
            ("2026-12-31T23:59:60.999999999Z", Some("2027-01-01T00:00:00.999999")),
            ("1969-12-31T23:59:59.9999999Z", Some("1969-12-31T23:59:59.999999")),
            ("9999-12-31T23:59:59.999999999Z", Some("9999-12-31T23:59:59.999999")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00")),
            ("9999-12-31T23:59:60Z", None),
            ("9999-12-31T23:59:59-00:01", None),
            ("0001-01-01T00:00:00+00:01", None),
            ("0000-12-31T00:00:00Z", None),
            ("+10000-01-01T00:00:00Z", None),
            ("2026-12-31T23:59:61Z", None),
            ("2026-12-31T24:00:00Z", None),
            ("2026-12-31T10:00:00", None),
            ("2026-12-31", None),
        ] {
            assert_eq!(parse_time(text), time.map(at), "{text}");
        }
    }

    #[test]
    fn a_time_of_another_database_is_normalized_too() {
        for (text, time) in [
            ("2026-12-31 23:59:60", Some("2027-01-01T00:00:00")),
            ("2026-12-31T10:00:00.25", Some("2026-12-31T10:00:00.25")),
            ("0000-00-00 00:00:00", None),
            ("+262142-12-31 23:59:59", None),
            ("-0001-12-31 23:59:59", None),
            ("infinity", None),
        ] {
            assert_eq!(parse_without_zone(text), time.map(at), "{text}");
        }
    }

    #[test]
    fn a_date_is_ten_characters() {
        for (text, is_date) in [
            ("2026-12-31", true),
            ("2028-02-29", true),
            ("0001-01-01", true),
            ("9999-12-31", true),
            ("2026-02-29", false),
            ("0000-01-01", false),
            ("2026-1-31", false),
            ("2026- 1-31", false),
            ("+2026-1-31", false),
            ("+12026-12-31", false),
            ("-001-12-31", false),
            ("2026-12-31 ", false),
            ("２０26-1-1", false),
        ] {
            assert_eq!(parse_date(text).is_some(), is_date, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_comes_in_comes_out_readable_and_the_same(
            (year, month, day) in (0..=9999_i32, 1..=12_u32, 1..=31_u32),
            (hour, minute, second) in (0..24_u32, 0..60_u32, 0..=60_u32),
            fraction in "(\\.[0-9]{1,12})?",
            offset in "Z|z|[+-]([01][0-9]|2[0-3]):[0-5][0-9]",
        ) {
            let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{offset}");
            if let Some(time) = parse_time(&text) {
                let shown = iso8601(time);
                prop_assert_eq!(shown.len(), "2026-12-31T10:00:00Z".len(), "{} is shown as {}", text, shown);
                prop_assert!(!shown.contains(":60"), "{} is shown as {}", text, shown);
                prop_assert_eq!(parse_time(&shown), Some(time.trunc_subsecs(0)), "{}", text);
                prop_assert_eq!(normalized(time), Some(time), "{}", text);
            }
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in "\\PC*|[-+0-9TZ:. ]*") {
            let _ = (parse_time(&text), parse_without_zone(&text), parse_date(&text), parse_date_or_time(&text));
        }
    }

    #[test]
    fn what_lies_in_the_future_gives_way_to_what_does_not() {
        let (now, earlier, later) = (at("2026-11-24T09:30:00"), at("2026-11-24T09:00:00"), at("2026-11-24T12:30:00"));
        for (one, other, expected) in [
            (None, None, None),
            (None, Some(earlier), Some(earlier)),
            (Some(earlier), Some(now), Some(now)),
            (Some(earlier), Some(ahead_of(now)), Some(ahead_of(now))),
            (Some(earlier), Some(later), Some(earlier)),
            (None, Some(later), Some(later)),
        ] {
            assert_eq!(latest_true(one, other, now), expected);
            assert_eq!(latest_true(other, one, now), expected);
        }
    }
}
