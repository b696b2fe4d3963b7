//! Spans of time in the words of Rails' `distance_of_time_in_words`, which people know from Redmine.

use std::fmt::Display;

use chrono::{Datelike, NaiveDate};

use crate::clock::Timestamp;

const HOUR: i64 = 60;
/// A day, in minutes.
pub const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;

/// A number of things: `1 day`, `3 days`.
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, unit: &str) -> String {
    if number == N::from(1) { format!("1 {unit}") } else { format!("{number} {unit}s") }
}

/// The time from `from` to `to` in the words of Rails' `distance_of_time_in_words`, which people know from Redmine.
pub fn span_in_words(from: Timestamp, to: Timestamp) -> String {
    let to = to.max(from);
    // Round to the nearest minute, halves up.
    let minutes = ((to - from).num_milliseconds() + 30_000) / 60_000;
    let nearest = |unit: i64| (minutes + unit / 2) / unit;
    match minutes {
        0 => "less than a minute".to_owned(),
        1..45 => count(minutes, "minute"),
        45..90 => "about 1 hour".to_owned(),
        90..DAY => format!("about {}", count(nearest(HOUR), "hour")),
        DAY..2520 => "1 day".to_owned(),
        2520..MONTH => count(nearest(DAY), "day"),
        MONTH..86400 => format!("about {}", count(nearest(MONTH), "month")),
        86400..YEAR => count(nearest(MONTH), "month"),
        _ => years(minutes - leap_days(from, to) * DAY),
    }
}

/// The words for a span of a year or more. `minutes` counts 365 days a year.
fn years(minutes: i64) -> String {
    let (years, rest) = (minutes.div_euclid(YEAR), minutes.rem_euclid(YEAR));
    match rest {
        ..131_400 => format!("about {}", count(years, "year")),
        131_400..394_200 => format!("over {}", count(years, "year")),
        _ => format!("almost {}", count(years + 1, "year")),
    }
}

/// The number of leap days between the two times, counted as Rails does.
fn leap_days(from: Timestamp, to: Timestamp) -> i64 {
    let first = from.year() + i32::from(from.month() >= 3);
    let last = to.year() - i32::from(to.month() < 3);
    let leap = |year: &i32| NaiveDate::from_ymd_opt(*year, 2, 29).is_some();
    i64::try_from((first..=last).filter(leap).count()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn spans_read_as_rails_words_them() {
        let from = at("2026-01-01T00:00:00");
        let seconds = |seconds| TimeDelta::seconds(seconds);
        let minutes = |minutes| TimeDelta::minutes(minutes);
        for (span, words) in [
            (seconds(0), "less than a minute"),
            (seconds(29), "less than a minute"),
            (seconds(30), "1 minute"),
            (seconds(89), "1 minute"),
            (seconds(90), "2 minutes"),
            (seconds(44 * 60 + 29), "44 minutes"),
            (seconds(44 * 60 + 30), "about 1 hour"),
            (seconds(89 * 60 + 29), "about 1 hour"),
            (seconds(89 * 60 + 30), "about 2 hours"),
            (seconds(86_400 - 31), "about 24 hours"),
            (seconds(86_400 - 30), "1 day"),
            (minutes(2519), "1 day"),
            (minutes(2520), "2 days"),
            (minutes(43_199 - 720), "29 days"),
            (minutes(43_199), "30 days"),
            (minutes(43_200), "about 1 month"),
            (minutes(64_799), "about 1 month"),
            (minutes(64_800), "about 2 months"),
            (minutes(86_399), "about 2 months"),
            (minutes(86_400), "2 months"),
            (TimeDelta::days(364), "12 months"),
            (TimeDelta::days(365), "about 1 year"),
            (TimeDelta::days(365 + 91), "about 1 year"),
            (TimeDelta::days(365 + 92), "over 1 year"),
            (TimeDelta::days(365 + 273), "over 1 year"),
            (TimeDelta::days(365 + 274), "almost 2 years"),
            (TimeDelta::days(730), "about 2 years"),
        ] {
            assert_eq!(span_in_words(from, from + span), words, "{span}");
        }
    }

    #[test]
    fn leap_days_make_no_year_longer() {
        assert_eq!(span_in_words(at("2024-01-01T00:00:00"), at("2025-01-01T00:00:00")), "about 1 year");
        assert_eq!(span_in_words(at("2016-03-01T00:00:00"), at("2026-03-01T00:00:00")), "about 10 years");
    }

    proptest! {
        #[test]
        fn every_span_has_words(from in 0i64..4_000_000_000, span in 0i64..4_000_000_000) {
            let from = chrono::DateTime::from_timestamp(from, 0).expect("a time").naive_utc();
            let words = span_in_words(from, from + TimeDelta::seconds(span));
            prop_assert!(["minute", "hour", "day", "month", "year"].iter().any(|unit| words.contains(unit)));
            prop_assert!(!words.contains('-') && !words.contains(" 0 "), "{words}");
        }
    }
}
