//! The order in which people count: `user2` before `user10`, whatever the case.

/// A part of a text: digits that are a number, or what stands between two numbers. Numbers come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A number without leading zeros. Of two, the one with more digits is the larger.
    Number(usize, String),
    /// Other characters, in lower case.
    Text(String),
}

/// What to sort a text by. Texts that differ by case or leading zeros alone are equal.
pub fn natural_key(text: &str) -> Vec<Part> {
    let text = text.to_lowercase();
    let mut parts = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        parts.push(match is_number {
            true => {
                let digits = part.trim_start_matches('0');
                Part::Number(digits.len(), digits.to_owned())
            }
            false => Part::Text(part.to_owned()),
        });
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let sorted = ["", "2", "010", "a", "A2", "a2b", "a10", "a10 c9", "a10 c10", "b", "ä1"];
        let mut keys: Vec<_> = sorted.iter().rev().map(|text| natural_key(text)).collect();
        keys.sort();
        assert_eq!(keys, sorted.map(natural_key));
        assert_eq!(natural_key("A01"), natural_key("a1"));
    }
}
