//! Converts local times to UTC: Redmine stores the local time of its server, without a time zone.

use chrono::{MappedLocalTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// The result of converting a local time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// The local time occurred once.
    Once(Timestamp),
    /// The local time occurred twice, because the clocks were set back.
    Twice {
        /// The first time.
        earlier: Timestamp,
        /// The second time.
        later: Timestamp,
    },
    /// The local time never occurred, because the clocks were set forward. This is the time as if they had not been set
    /// yet.
    Never(Timestamp),
}

/// Converts `local`, a time in `zone`.
pub fn read(zone: Tz, local: Timestamp) -> Reading {
    match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => Reading::Once(local - offset.fix()),
        MappedLocalTime::Ambiguous(one, other) => {
            let (one, other) = (local - one.fix(), local - other.fix());
            Reading::Twice { earlier: one.min(other), later: one.max(other) }
        }
        MappedLocalTime::None => Reading::Never(before_the_gap(zone, local)),
    }
}

fn before_the_gap(zone: Tz, local: Timestamp) -> Timestamp {
    // The largest gap of any zone is a whole day, and all gaps are multiples of a minute.
    let earlier = (1..=25 * 60).map(|minutes| local - TimeDelta::minutes(minutes));
    let offset = earlier.filter_map(|time| zone.offset_from_local_datetime(&time).latest()).next();
    offset.map_or(local, |offset| local - offset.fix())
}

#[cfg(test)]
mod tests {
    use chrono_tz::{Australia, Europe, Pacific};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn hours_that_exist_are_read_by_the_clocks_of_the_day() {
        assert_eq!(read(Tz::UTC, at("2026-03-29T02:30:00")), Reading::Once(at("2026-03-29T02:30:00")));
        assert_eq!(read(Europe::Berlin, at("2026-01-31T10:00:00.25")), Reading::Once(at("2026-01-31T09:00:00.25")));
        assert_eq!(read(Europe::Berlin, at("2026-07-31T10:00:00")), Reading::Once(at("2026-07-31T08:00:00")));
        assert_eq!(read(Europe::Berlin, at("2026-03-29T01:59:59")), Reading::Once(at("2026-03-29T00:59:59")));
        assert_eq!(read(Europe::Berlin, at("2026-03-29T03:00:00")), Reading::Once(at("2026-03-29T01:00:00")));
    }

    #[test]
    fn hours_that_never_came_or_came_twice_are_told() {
        assert_eq!(read(Europe::Berlin, at("2026-03-29T02:30:00")), Reading::Never(at("2026-03-29T01:30:00")));
        let twice = Reading::Twice { earlier: at("2026-10-25T00:30:00"), later: at("2026-10-25T01:30:00") };
        assert_eq!(read(Europe::Berlin, at("2026-10-25T02:30:00")), twice);
        // A gap of half an hour, and one of a whole day.
        assert_eq!(read(Australia::Lord_Howe, at("2026-10-04T02:15:00")), Reading::Never(at("2026-10-03T15:45:00")));
        assert_eq!(read(Pacific::Apia, at("2011-12-30T12:00:00")), Reading::Never(at("2011-12-30T22:00:00")));
    }
}
