//! Durations in settings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration that 0 switches off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(Option<Duration>);

impl Span {
    /// A span of `duration`.
    pub fn of(duration: Duration) -> Self {
        Self(Some(duration))
    }

    /// The duration as a limit; `None` if there is no limit.
    pub fn limit(self) -> Option<chrono::TimeDelta> {
        self.0.and_then(|span| chrono::TimeDelta::from_std(span).ok())
    }

    /// Whether it is not longer than `other`, where no limit is longest.
    pub fn is_within(self, other: Self) -> bool {
        match (self.0, other.0) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(span), Some(other)) => span <= other,
        }
    }

    /// The duration, where 0 is an ordinary value.
    pub fn duration(self) -> Duration {
        self.0.unwrap_or_default()
    }
}

/// Reads spans from `least` to `most`, and 0. What is shorter or longer would make every request fail, or mean nothing.
pub fn span_within(least: Duration, most: Duration) -> impl Fn(&str) -> Result<Span, String> + Clone {
    move |text| {
        let span: Span = text.parse()?;
        match span.0.is_none_or(|span| (least..=most).contains(&span)) {
            true => Ok(span),
            false => Err(format!("use a span from {} to {}, or 0", Span::of(least), Span::of(most))),
        }
    }
}

/// The same, but `off` is read as 0.
pub fn span_or_off(least: Duration, most: Duration) -> impl Fn(&str) -> Result<Span, String> + Clone {
    let within = span_within(least, most);
    move |text| if text.trim().eq_ignore_ascii_case("off") { Ok(Span(None)) } else { within(text) }
}

impl fmt::Display for Span {
    /// In the largest unit that says it without a remainder, as it can be written in a setting.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.duration().as_millis();
        let unit = UNITS.iter().rev().find(|(_, unit)| milliseconds.is_multiple_of(u128::from(*unit)));
        match unit.filter(|_| milliseconds > 0) {
            Some((name, unit)) => write!(f, "{}{name}", milliseconds / u128::from(*unit)),
            None => f.write_str("0"),
        }
    }
}

/// The units of spans, in milliseconds, shortest first.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self(None));
        }
        let wrong = || "use a number and a unit, such as 30d, 24h, 90m or 45s, or 0".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == &text[digits.len()..]).ok_or_else(wrong)?;
        let number: u32 = digits.trim().parse().map_err(|_| wrong())?;
        let number = Some(number).filter(|number| *number > 0);
        Ok(Self(number.map(|number| Duration::from_millis(u64::from(number) * milliseconds))))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        let seconds = |seconds| Ok(Span::of(Duration::from_secs(seconds)));
        for (text, span) in [
            ("45s", seconds(45)),
            ("90m", seconds(5400)),
            ("24h", seconds(86400)),
            (" 30d ", seconds(2_592_000)),
            ("4294967295d", seconds(4_294_967_295 * 86400)),
            ("0", Ok(Span(None))),
            ("0s", Ok(Span(None))),
        ] {
            assert_eq!(text.parse::<Span>(), span, "{text}");
        }
        for text in ["", "d", "30", "-1d", "1.5h", "30 days", "30w", "4294967296d", "1dd", "é"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_is_shown_as_it_is_written() {
        for text in ["1ms", "45s", "90m", "36h", "30d", "0"] {
            assert_eq!(text.parse::<Span>().expect(text).to_string(), text);
        }
        assert_eq!("24h".parse::<Span>().expect("a span").to_string(), "1d");
    }

    proptest! {
        #[test]
        fn a_span_that_is_taken_lies_within_its_bounds(number: u32, unit in "ms|s|m|h|d") {
            let (least, most) = (Duration::from_secs(60), Duration::from_secs(3600));
            let text = format!("{number}{unit}");
            let span: Span = text.parse().expect("a span");
            let is_within = number == 0 || (least..=most).contains(&span.duration());
            let refused = Err("use a span from 1m to 1h, or 0".to_owned());
            prop_assert_eq!(span_within(least, most)(&text), if is_within { Ok(span) } else { refused });
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<Span>();
        }
    }
}
