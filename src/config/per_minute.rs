//! Rate limits in settings.

use std::num::NonZeroU32;
use std::str::FromStr;

/// A number of requests a minute, which 0 or `off` switches off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerMinute(Option<NonZeroU32>);

impl PerMinute {
    /// The number as a limit; `None` if there is no limit.
    pub fn limit(self) -> Option<NonZeroU32> {
        self.0
    }
}

impl FromStr for PerMinute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            text if text.eq_ignore_ascii_case("off") => Ok(Self(None)),
            text => {
                let number = text.parse().map(|number: u32| Self(NonZeroU32::new(number)));
                number.map_err(|_| "use a number of requests a minute, such as 3000, or off".to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rate_is_a_number_or_off() {
        for (text, limit) in [("3000", 3000), (" 1 ", 1), ("4294967295", u32::MAX), ("0", 0), ("off", 0), ("OFF", 0)] {
            assert_eq!(text.parse(), Ok(PerMinute(NonZeroU32::new(limit))), "{text}");
        }
        for text in ["", "-1", "1.5", "60/m", "4294967296", "on", "é"] {
            assert!(text.parse::<PerMinute>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*|[0-9a-z:/.@?#%\\[\\]]*") {
            let _ = text.parse::<PerMinute>();
        }
    }
}
