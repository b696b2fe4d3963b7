//! Which characters of a text nobody can see. Two names that look alike must be one, and a name must not change the
//! direction of what stands beside it.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Controls, formats such as the bidirectional ones, and the separators of lines and paragraphs.
const UNSEEN: GeneralCategoryGroup = GeneralCategoryGroup::Control
    .union(GeneralCategoryGroup::Format)
    .union(GeneralCategoryGroup::LineSeparator)
    .union(GeneralCategoryGroup::ParagraphSeparator);

/// The letters and symbols that can stand before a joiner or a selector.
const SEEN: GeneralCategoryGroup =
    GeneralCategoryGroup::Letter.union(GeneralCategoryGroup::Mark).union(GeneralCategoryGroup::Symbol);

const JOINERS: [char; 2] = ['\u{200C}', '\u{200D}'];

/// Whether `c` is invisible wherever it stands, cannot be stored as XML, or changes the direction of the text after it.
///
/// Unicode's property Default_Ignorable_Code_Point has what its categories do not tell: letters without a shape, such as
/// the Hangul fillers. The blank pattern of Braille is in neither.
pub(crate) fn is_invisible(c: char) -> bool {
    // Most characters are of ASCII, and every request has some of them looked at.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    UNSEEN.contains(category(c))
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(c, '\u{2800}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The characters of `text` that nobody can see. Joiners and variation selectors do not count where scripts and emoji
/// need them: they change the shape of what stands before them.
pub(crate) fn invisible(text: &str) -> impl Iterator<Item = char> {
    judged(text).filter(|(_, seen)| !seen).map(|(c, _)| c)
}

/// The text without the characters that [`invisible`] names.
pub(crate) fn without_invisible(text: &str) -> String {
    judged(text).filter(|(_, seen)| *seen).map(|(c, _)| c).collect()
}

/// Each character, and whether it may stand where it does.
fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let before = std::iter::once(None).chain(text.chars().map(Some));
    let after = text.chars().skip(1).map(Some).chain([None]);
    text.chars().zip(before).zip(after).map(|((c, before), after)| (c, !is_invisible(c) || shapes(c, before, after)))
}

/// Whether `c` is a joiner or a selector that has something to shape. Between Latin letters it has nothing, and would
/// make two names of what looks like one.
fn shapes(c: char, before: Option<char>, after: Option<char>) -> bool {
    let shaped = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && SEEN.contains(category(c)));
    if JOINERS.contains(&c) {
        return is_joined(before, after) && shaped(before) && shaped(after);
    }
    is_selector(c) && shaped(before) && !before.is_some_and(is_selector)
}

/// Whether the two belong to a script that has joiners (from Arabic to Mongolian), or are symbols: an emoji of several.
fn is_joined(before: Option<char>, after: Option<char>) -> bool {
    let in_scripts = |c: char| ('\u{600}'..='\u{18AF}').contains(&c);
    let is_symbol = |c: char| is_selector(c) || GeneralCategoryGroup::Symbol.contains(category(c));
    before.zip(after).is_some_and(|(before, after)| {
        (in_scripts(before) && in_scripts(after)) || (is_symbol(before) && is_symbol(after))
    })
}

/// Selectors of the shape of an emoji, and of a Han character in a name.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}')
}

fn category(c: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_scripts_and_emoji_need_can_be_seen() {
        for text in [
            "Jörg",
            "Zoë\u{301}",
            "O’Neill",
            "Jean\u{A0}Luc",
            "\u{6A9}\u{62A}\u{627}\u{628}\u{200C}\u{647}\u{627}",
            "\u{915}\u{94D}\u{200D}\u{937}",
            "\u{845B}\u{E0100}\u{57CE}",
            "\u{2764}\u{FE0F}",
            "\u{1F469}\u{200D}\u{1F4BB}",
            "\u{1F469}\u{1F3FD}\u{200D}\u{1F680}",
            "\u{2764}\u{FE0F}\u{200D}\u{1F525}",
            "🔑",
            "田中",
        ] {
            assert_eq!(invisible(text).collect::<String>(), "", "{text:?}");
            assert_eq!(without_invisible(text), text);
        }
    }

    #[test]
    fn what_nobody_sees_is_found_wherever_it_stands() {
        for c in [
            '\0',
            '\n',
            '\u{7F}',
            '\u{85}',
            '\u{AD}',
            '\u{34F}',
            '\u{61C}',
            '\u{115F}',
            '\u{1160}',
            '\u{17B4}',
            '\u{180B}',
            '\u{180E}',
            '\u{200B}',
            '\u{200C}',
            '\u{200D}',
            '\u{200E}',
            '\u{200F}',
            '\u{2028}',
            '\u{2029}',
            '\u{202A}',
            '\u{202E}',
            '\u{2060}',
            '\u{2063}',
            '\u{2066}',
            '\u{2069}',
            '\u{206A}',
            '\u{2800}',
            '\u{3164}',
            '\u{FE0F}',
            '\u{FEFF}',
            '\u{FFA0}',
            '\u{FFF9}',
            '\u{FFFE}',
            '\u{FFFF}',
            '\u{1BCA0}',
            '\u{1D173}',
            '\u{E0001}',
            '\u{E0041}',
            '\u{E0100}',
        ] {
            for text in [format!("a{c}b"), format!("{c}a"), format!("a{c}"), format!("{c}")] {
                assert_eq!(invisible(&text).collect::<String>(), c.to_string(), "{text:?}");
                assert_eq!(without_invisible(&text), text.replace(c, ""));
            }
        }
    }

    /// A selector that shapes another, and a joiner after another, are only there to make two names of one.
    #[test]
    fn nothing_is_hidden_behind_what_may_be_there() {
        for (text, hidden) in [
            ("\u{2764}\u{FE0F}\u{FE0F}", "\u{FE0F}"),
            ("\u{645}\u{200C}\u{200C}\u{645}", "\u{200C}\u{200C}"),
            ("\u{1F469}\u{200D}", "\u{200D}"),
            ("\u{E9}\u{200D}\u{E9}", "\u{200D}"),
        ] {
            assert_eq!(invisible(text).collect::<String>(), hidden, "{text:?}");
        }
    }
}
