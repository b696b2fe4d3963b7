//! Time zones: Redmine stores the local time of its server, without a time zone, and calls those of people by names of its
//! own.

use chrono::{MappedLocalTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

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

/// The time zones that Rails, and so Redmine, calls by a name that is not the last part of the IANA name, or by one that
/// means another place there.
const OTHER_NAMES: [(&str, Tz); 43] = [
    ("Abu Dhabi", Tz::Asia__Muscat),
    ("American Samoa", Tz::Pacific__Pago_Pago),
    ("Astana", Tz::Asia__Dhaka),
    ("Atlantic Time (Canada)", Tz::America__Halifax),
    ("Beijing", Tz::Asia__Shanghai),
    ("Bern", Tz::Europe__Zurich),
    ("Brasilia", Tz::America__Sao_Paulo),
    ("Cape Verde Is.", Tz::Atlantic__Cape_Verde),
    ("Central America", Tz::America__Guatemala),
    ("Central Time (US & Canada)", Tz::America__Chicago),
    ("Chatham Is.", Tz::Pacific__Chatham),
    ("Chennai", Tz::Asia__Kolkata),
    ("Eastern Time (US & Canada)", Tz::America__New_York),
    ("Edinburgh", Tz::Europe__London),
    ("Ekaterinburg", Tz::Asia__Yekaterinburg),
    ("Georgetown", Tz::America__Guyana),
    ("Greenland", Tz::America__Nuuk),
    ("Guadalajara", Tz::America__Mexico_City),
    ("Hanoi", Tz::Asia__Bangkok),
    ("Indiana (East)", Tz::America__Indiana__Indianapolis),
    ("International Date Line West", Tz::Pacific__Midway),
    ("Islamabad", Tz::Asia__Karachi),
    ("Marshall Is.", Tz::Pacific__Majuro),
    ("Mid-Atlantic", Tz::Atlantic__South_Georgia),
    ("Midway Island", Tz::Pacific__Midway),
    ("Mountain Time (US & Canada)", Tz::America__Denver),
    ("Mumbai", Tz::Asia__Kolkata),
    ("New Caledonia", Tz::Pacific__Noumea),
    ("New Delhi", Tz::Asia__Kolkata),
    ("Nuku'alofa", Tz::Pacific__Tongatapu),
    ("Osaka", Tz::Asia__Tokyo),
    ("Pacific Time (US & Canada)", Tz::America__Los_Angeles),
    ("Pretoria", Tz::Africa__Johannesburg),
    ("Quito", Tz::America__Lima),
    ("Samoa", Tz::Pacific__Apia),
    ("Sapporo", Tz::Asia__Tokyo),
    ("Solomon Is.", Tz::Pacific__Guadalcanal),
    ("Sri Jayawardenepura", Tz::Asia__Colombo),
    ("St. Petersburg", Tz::Europe__Moscow),
    ("Tokelau Is.", Tz::Pacific__Fakaofo),
    ("UTC", Tz::UTC),
    ("Wellington", Tz::Pacific__Auckland),
    ("West Central Africa", Tz::Africa__Algiers),
];

/// The time zone that Redmine calls `name`: by the IANA name, by one of Rails' own, or by its last part, as in `Berlin`.
pub fn called(name: &str) -> Option<Tz> {
    let place = name.replace(' ', "_");
    let is_of = |zone: &&Tz| zone.name().rsplit('/').next() == Some(place.as_str());
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == name).map(|(_, zone)| *zone);
    other.or_else(|| name.parse().ok()).or_else(|| TZ_VARIANTS.iter().find(is_of).copied())
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
    fn people_chose_zones_by_the_names_of_rails() {
        for (name, zone) in [
            ("Berlin", Europe::Berlin),
            ("Pacific Time (US & Canada)", Tz::America__Los_Angeles),
            ("Buenos Aires", Tz::America__Argentina__Buenos_Aires),
            ("Hong Kong", Tz::Asia__Hong_Kong),
            ("Samoa", Pacific::Apia),
            ("Kyiv", Europe::Kyiv),
            ("Europe/Vienna", Europe::Vienna),
            ("UTC", Tz::UTC),
        ] {
            let found = called(name).expect("a zone");
            let noon = at("2026-07-15T12:00:00");
            let offset = |zone: Tz| zone.offset_from_utc_datetime(&noon).fix();
            assert_eq!(offset(found), offset(zone), "{name} is {found}");
        }
        for name in ["", "Atlantis", "berlin", "Europe/", "/", "Berlin; DROP TABLE users"] {
            assert_eq!(called(name), None, "{name}");
        }
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
