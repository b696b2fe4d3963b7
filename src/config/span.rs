//! Durations in settings.

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

    /// The duration, where 0 is an ordinary value.
    pub fn duration(self) -> Duration {
        self.0.unwrap_or_default()
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == "0" {
            return Ok(Self(None));
        }
        let wrong = || "use a number and a unit, such as 30d, 24h, 90m or 45s, or 0".to_owned();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let milliseconds = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
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

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<Span>();
        }
    }
}
