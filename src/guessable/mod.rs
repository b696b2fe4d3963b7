//! Texts that somebody who guesses tries first: the commonest passwords, and what repeats or counts.

use std::collections::BTreeSet;

/// A line each; those that begin with `#` say where they are from.
const COMMONEST: &str = include_str!("commonest.txt");

/// Characters in a row that count as one if they repeat or count. Words have three of them: "first", "define".
const RUN: usize = 4;

/// Whether `text` is one of the commonest passwords, in upper or lower case.
pub(crate) fn is_common(text: &str) -> bool {
    let text = text.to_lowercase();
    // A linear search takes microseconds, where the hash that follows takes milliseconds.
    commonest().any(|line| line == text)
}

/// The commonest passwords, the commonest first.
pub(crate) fn commonest() -> impl Iterator<Item = &'static str> {
    COMMONEST.lines().filter(|line| !line.starts_with('#'))
}

/// The text that `text` repeats from beginning to end at least twice; `text` itself if it does not repeat.
pub(crate) fn repeated(text: &str) -> String {
    let all: Vec<char> = text.chars().collect();
    let repeats = |length: &usize| all.iter().zip(&all[*length..]).all(|(one, next)| one == next);
    let length = (1..=all.len() / 2).find(repeats).unwrap_or(all.len());
    all[..length].iter().collect()
}

/// How many characters are left of `text` if what repeats (`aaaa`, `abcabc`) and what counts (`1234`, `dcba`) is told
/// once.
pub(crate) fn told_once(text: &str) -> usize {
    let all: Vec<char> = repeated(text).chars().collect();
    let mut steps = all.windows(2).map(|pair| step(pair[0], pair[1])).peekable();
    let mut left = all.len();
    while let Some(step) = steps.next() {
        let mut run = 2;
        while step.is_some() && steps.next_if_eq(&step).is_some() {
            run += 1;
        }
        if step.is_some() && run >= RUN {
            left -= run - 1;
        }
    }
    left
}

/// How many different characters `text` has.
pub(crate) fn different(text: &str) -> usize {
    text.chars().collect::<BTreeSet<_>>().len()
}

/// From a character to the same, the next or the one before; `None` for any other. After 9 comes 0.
fn step(one: char, next: char) -> Option<i64> {
    match (one, next) {
        ('9', '0') => Some(1),
        ('0', '9') => Some(-1),
        _ => Some(i64::from(u32::from(next)) - i64::from(u32::from(one))).filter(|step| step.abs() <= 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_thousands_that_are_long_enough_and_each_once() {
        let all: Vec<&str> = commonest().collect();
        assert!(all.len() > 10_000, "{}", all.len());
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        assert!(all.iter().all(|it| it.chars().count() >= 8 && *it == it.to_lowercase() && it.trim() == *it));
        for common in ["password", "Password1", "QWERTYUIOP", "iloveyou", "12345678", "trustno1"] {
            assert!(is_common(common), "{common}");
        }
        for own in ["", "# the", "open-sesame", "correct horse battery staple"] {
            assert!(!is_common(own), "{own}");
        }
    }

    #[test]
    fn what_repeats_or_counts_is_told_once() {
        for (text, left) in [
            ("", 0),
            ("a", 1),
            ("aaaaaaaa", 1),
            ("12345678901234567890", 1),
            ("zyxwvuts", 1),
            ("abcd1234", 2),
            ("aaaabbbbccccdddd", 4),
            ("abcabcabc", 3),
            ("hunter2hunter2", 7),
            ("first-define", 12),
            ("open-sesame", 11),
            ("changeme-changeme-chang", 9),
        ] {
            assert_eq!(told_once(text), left, "{text}");
        }
        assert_eq!((different(""), different("aab"), different("äa")), (0, 2, 2));
    }
}
