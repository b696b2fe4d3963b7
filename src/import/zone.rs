//! Redmine writes the local time of its server, without a zone: what that is in UTC.

use chrono::{MappedLocalTime, Offset, TimeDelta, TimeZone};
use chrono_tz::Tz;

use crate::clock::Timestamp;

/// What a local time turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// One moment.
    Once(Timestamp),
    /// Clocks went back: it came twice.
    Twice {
        /// The first time.
        earlier: Timestamp,
        /// The second time.
        later: Timestamp,
    },
    /// Clocks went forward: it never came. The moment that it would have been, had they not yet.
    Never(Timestamp),
}

/// Reads `local`, the time of clocks in `zone`.
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
    // Zones have skipped a whole day, and nothing longer; all skip multiples of a minute.
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
        // Half an hour, and a whole day.
        assert_eq!(read(Australia::Lord_Howe, at("2026-10-04T02:15:00")), Reading::Never(at("2026-10-03T15:45:00")));
        assert_eq!(read(Pacific::Apia, at("2011-12-30T12:00:00")), Reading::Never(at("2011-12-30T22:00:00")));
    }
}
