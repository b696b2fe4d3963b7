//! Points in time as people read them: how long ago or ahead, together with the exact time.

use chrono::{TimeDelta, Timelike};

use super::count;
use crate::clock::{Timestamp, day, ends_with_a_day, iso8601, last_day};
use crate::spans::{DAY, span_in_words};

/// What was used within this time is marked as in use.
const RECENT: TimeDelta = TimeDelta::days(30);

/// A moment in the past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The time for machines: `2026-11-24T09:30:00Z`.
    pub iso: String,
    /// The full time: `24 Nov 2026, 09:30:00 UTC`.
    pub exact: String,
    /// The day: `24 Nov 2026`.
    pub day: String,
    /// How long ago it was, in the words of `span_in_words`.
    pub ago: String,
    /// Whether it was within the last 30 days.
    pub is_recent: bool,
}

impl Moment {
    /// `time` as seen at `now`. A time in the future, as there is after a clock was set back, counts as now.
    pub fn new(time: Timestamp, now: Timestamp) -> Self {
        let (ago, is_recent) = (span_in_words(time, now), now - time < RECENT);
        Self { iso: iso8601(time), exact: exact(time), day: day(time.date()), ago, is_recent }
    }

    /// The same for the end of something, such as an expiry.
    pub fn of_end(end: Timestamp, now: Timestamp) -> Self {
        Self { exact: exact_end(end), day: day(last_day(end)), ..Self::new(end, now) }
    }
}

/// A moment in the future, at which something ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The time for machines: `2026-11-24T09:30:00Z`.
    pub iso: String,
    /// The full time: `24 Nov 2026, 09:30:00 UTC`, or `the end of 24 Nov 2026 (UTC)`.
    pub exact: String,
    /// The day: `24 Nov 2026`, or `the end of 24 Nov 2026`.
    pub day: String,
    /// How long it is until then: in days up to 120 days, otherwise in the words of `span_in_words`.
    pub ahead: String,
}

impl Due {
    /// `time` as seen at `now`. A time in the past counts as now.
    pub fn new(time: Timestamp, now: Timestamp) -> Self {
        let last = day(last_day(time));
        let day = if ends_with_a_day(time) { format!("the end of {last}") } else { last };
        Self { iso: iso8601(time), exact: exact_end(time), day, ahead: span_to_come(now, time) }
    }
}

/// Counts days because people choose lifetimes in days: a key for "30 days" should not end in "about 1 month".
fn span_to_come(now: Timestamp, time: Timestamp) -> String {
    let minutes = ((time - now).num_milliseconds() + 30_000) / 60_000;
    match minutes {
        DAY..DAYS => count((minutes + DAY / 2) / DAY, "day"),
        _ => span_in_words(now, time),
    }
}

fn exact(time: Timestamp) -> String {
    format!("{}, {:02}:{:02}:{:02} UTC", day(time.date()), time.hour(), time.minute(), time.second())
}

fn exact_end(end: Timestamp) -> String {
    if ends_with_a_day(end) { format!("the end of {} (UTC)", day(last_day(end))) } else { exact(end) }
}

/// Up to this span, future times are counted in days.
const DAYS: i64 = 120 * DAY;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_are_written_as_by_chrono(seconds in -62_135_596_800_i64..253_402_300_800) {
            let time = chrono::DateTime::from_timestamp(seconds, 0).expect("a time").naive_utc();
            prop_assert_eq!(exact(time), time.format("%-d %b %Y, %H:%M:%S UTC").to_string());
        }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn what_is_to_come_is_counted_in_days() {
        let now = at("2026-01-01T00:00:00");
        for (span, words) in [
            (TimeDelta::seconds(-1), "less than a minute"),
            (TimeDelta::seconds(20), "less than a minute"),
            (TimeDelta::minutes(59), "about 1 hour"),
            (TimeDelta::seconds(86_400 - 31), "about 24 hours"),
            (TimeDelta::seconds(86_400 - 30), "1 day"),
            (TimeDelta::hours(35), "1 day"),
            (TimeDelta::hours(36), "2 days"),
            (TimeDelta::days(30), "30 days"),
            (TimeDelta::days(119), "119 days"),
            (TimeDelta::days(120), "4 months"),
            (TimeDelta::days(730), "about 2 years"),
        ] {
            assert_eq!(Due::new(now + span, now).ahead, words, "{span}");
        }
    }

    #[test]
    fn a_time_to_come_is_now() {
        let now = at("2026-11-24T09:30:00.25");
        let moment = Moment::new(now + TimeDelta::hours(1), now);
        assert_eq!(moment.ago, "less than a minute");
        assert_eq!(Moment::new(now, now).iso, "2026-11-24T09:30:00Z");
        assert_eq!(Moment::new(now, now).exact, "24 Nov 2026, 09:30:00 UTC");
        assert_eq!(Due::new(now, now).day, "24 Nov 2026");
    }

    #[test]
    fn what_ends_at_midnight_ends_with_the_day_before() {
        let (now, end) = (at("2026-11-24T09:30:00"), at("2027-04-01T00:00:00"));
        let due = Due::new(end, now);
        assert_eq!((due.day.as_str(), due.exact.as_str()), ("the end of 31 Mar 2027", "the end of 31 Mar 2027 (UTC)"));
        assert_eq!(Moment::of_end(end, now).exact, "the end of 31 Mar 2027 (UTC)");
        assert_eq!(Moment::new(end, now).exact, "1 Apr 2027, 00:00:00 UTC", "what happens then happens on that day");
    }

    #[test]
    fn a_month_is_recent() {
        let now = at("2026-11-24T09:30:00");
        for (days, is_recent) in [(0, true), (29, true), (30, false), (120, false)] {
            assert_eq!(Moment::new(now - TimeDelta::days(days), now).is_recent, is_recent, "{days} days");
        }
    }
}
