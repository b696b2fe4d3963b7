//! Whether anybody still uses a key: the one rule for pages, API, command line and metrics.

use chrono::TimeDelta;

use crate::clock::{Timestamp, day_in_words};
use crate::models::text_enum::text_enum;
use crate::spans::span_in_words;

/// A key that was used within this time is in use.
pub const IN_USE_FOR: TimeDelta = TimeDelta::days(90);
/// A key without any use in so much time of recording is unused.
pub const UNUSED_AFTER: TimeDelta = TimeDelta::days(30);

text_enum! {
    /// What the recorded uses of a key say about whether anybody still needs it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Verdict(as_str, label) {
        /// It was used in the last 90 days.
        InUse = ("in_use", "In use"),
        /// It was used, but not in the last 90 days.
        Idle = ("idle", "Safe to end"),
        /// It was not used in at least 30 days of recording, and never before.
        Unused = ("unused", "Safe to end"),
        /// Its uses have not been recorded without a gap for as long as that.
        TooEarly = ("too_early", "Too early to say"),
    }
}

impl Verdict {
    /// The verdict as one of several to choose from.
    pub fn choice(self) -> &'static str {
        match self {
            Self::InUse => "In use",
            Self::Idle => "Safe to end: not used in 90 days",
            Self::Unused => "Safe to end: never used",
            Self::TooEarly => "Too early to say",
        }
    }

    /// Whether nobody will miss the key: its recorded uses, and how long they have been recorded without a gap, say so.
    pub fn is_safe_to_end(self) -> bool {
        matches!(self, Self::Idle | Self::Unused)
    }
}

/// What is known of the use of a key, from which the [`Verdict`] follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// When the key was created.
    pub created_on: Timestamp,
    /// Since when its uses are recorded without a gap. This is later than the creation if the key was imported, or if a
    /// crash has lost uses of it.
    pub recorded_since: Timestamp,
    /// The latest use that is known; `None`: none is.
    pub last_use: Option<Timestamp>,
}

impl Evidence {
    /// The verdict at `now`.
    pub fn verdict(&self, now: Timestamp) -> Verdict {
        let recorded_for = now - self.recorded_since;
        match self.last_use {
            Some(last_use) if now - last_use < IN_USE_FOR => Verdict::InUse,
            Some(_) if recorded_for >= IN_USE_FOR => Verdict::Idle,
            None if recorded_for >= UNUSED_AFTER => Verdict::Unused,
            Some(_) | None => Verdict::TooEarly,
        }
    }

    /// The latest time at which the key may have been used: uses after it would have been recorded.
    pub fn quiet_since(&self) -> Timestamp {
        self.last_use.map_or(self.recorded_since, |last_use| last_use.max(self.recorded_since))
    }

    /// Since when uses are recorded, if that is later than the creation of the key.
    pub fn recorded_later(&self) -> Option<Timestamp> {
        Some(self.recorded_since).filter(|since| *since > self.created_on)
    }

    /// The verdict and what it follows from, in a sentence.
    pub fn in_words(&self, now: Timestamp) -> String {
        let recorded = format!("recorded without a gap since {}", day_in_words(self.recorded_since));
        match (self.verdict(now), self.last_use) {
            (Verdict::InUse, Some(last_use)) => format!("In use: last used {} ago.", span_in_words(last_use, now)),
            (Verdict::TooEarly, Some(last_use)) => {
                format!("Too early to say: the last known use was on {}; {recorded}.", day_in_words(last_use))
            }
            (_, Some(last_use)) => format!("Safe to end: not used since {}; {recorded}.", day_in_words(last_use)),
            (Verdict::TooEarly, None) => {
                format!("Too early to say: recorded for {}.", span_in_words(self.recorded_since, now))
            }
            (_, None) if self.recorded_later().is_some() => format!("Safe to end: no use known; {recorded}."),
            (_, None) => format!("Safe to end: never used; {recorded}."),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    const MOMENT: TimeDelta = TimeDelta::microseconds(1);

    /// What was known so long before now: the creation, since when uses are recorded, and the last use.
    fn known(created: TimeDelta, recorded: TimeDelta, last_use: Option<TimeDelta>) -> (Evidence, Timestamp) {
        let now = at("2026-11-24T09:30:00");
        let last_use = last_use.map(|before| now - before);
        (Evidence { created_on: now - created, recorded_since: now - recorded, last_use }, now)
    }

    #[test]
    fn each_boundary_belongs_to_the_side_that_it_says() {
        let (month, quarter, year) = (UNUSED_AFTER, IN_USE_FOR, TimeDelta::days(365));
        for (created, recorded, last_use, verdict) in [
            // Recorded since the creation.
            (year, year, Some(TimeDelta::zero()), Verdict::InUse),
            (year, year, Some(quarter - MOMENT), Verdict::InUse),
            (year, year, Some(quarter), Verdict::Idle),
            (year, year, None, Verdict::Unused),
            (month, month, None, Verdict::Unused),
            (month - MOMENT, month - MOMENT, None, Verdict::TooEarly),
            (TimeDelta::zero(), TimeDelta::zero(), None, Verdict::TooEarly),
            (quarter, quarter, Some(quarter - MOMENT), Verdict::InUse),
            // Recorded later than the creation: it moved in, or a crash has lost uses.
            (year, month - MOMENT, None, Verdict::TooEarly),
            (year, month, None, Verdict::Unused),
            (year, TimeDelta::zero(), Some(quarter - MOMENT), Verdict::InUse),
            (year, TimeDelta::zero(), Some(quarter), Verdict::TooEarly),
            (year, quarter - MOMENT, Some(quarter), Verdict::TooEarly),
            (year, quarter, Some(quarter), Verdict::Idle),
            (year, quarter, Some(quarter + MOMENT), Verdict::Idle),
            // A use after the gap is known, and so is what came after it.
            (year, month, Some(TimeDelta::days(1)), Verdict::InUse),
            // Recorded while a clock was ahead.
            (year, year, Some(-TimeDelta::days(1)), Verdict::InUse),
        ] {
            let (evidence, now) = known(created, recorded, last_use);
            assert_eq!(evidence.verdict(now), verdict, "{evidence:?}");
        }
    }

    #[test]
    fn the_sentence_says_what_it_follows_from() {
        let days = TimeDelta::days;
        for (created, recorded, last_use, sentence) in [
            (days(400), days(400), Some(TimeDelta::hours(3)), "In use: last used about 3 hours ago."),
            (
                days(316),
                days(316),
                Some(days(205)),
                "Safe to end: not used since 3 May 2026; recorded without a gap since 12 January 2026.",
            ),
            (days(316), days(316), None, "Safe to end: never used; recorded without a gap since 12 January 2026."),
            (days(400), days(316), None, "Safe to end: no use known; recorded without a gap since 12 January 2026."),
            (days(12), days(12), None, "Too early to say: recorded for 12 days."),
            (days(400), days(12), None, "Too early to say: recorded for 12 days."),
            (
                days(400),
                days(12),
                Some(days(205)),
                "Too early to say: the last known use was on 3 May 2026; recorded without a gap since 12 November 2026.",
            ),
        ] {
            let (evidence, now) = known(created, recorded, last_use);
            assert_eq!(evidence.in_words(now), sentence);
        }
    }

    proptest! {
        /// Whatever is known: nothing is called safe to end that may have been used within the span.
        #[test]
        fn what_may_have_been_used_lately_is_never_safe_to_end(
            created in 0..400i64,
            recorded in 0..400i64,
            last_use in proptest::option::of(0..400i64),
        ) {
            let days = TimeDelta::days;
            let (evidence, now) = known(days(created.max(recorded)), days(recorded), last_use.map(days));
            let quiet_for = now - evidence.quiet_since();
            if evidence.verdict(now).is_safe_to_end() {
                prop_assert!(quiet_for >= UNUSED_AFTER, "{:?}", evidence);
                prop_assert!(last_use.is_none() || quiet_for >= IN_USE_FOR, "{:?}", evidence);
            }
            prop_assert!(evidence.in_words(now).starts_with(evidence.verdict(now).label()));
            // Time alone makes everything safe to end.
            prop_assert!(evidence.verdict(now + days(401)).is_safe_to_end());
        }
    }
}
