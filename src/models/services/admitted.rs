//! Whom a service admits: everyone, or people and groups by name. One notation of them is used everywhere: on pages, by
//! programs, on the command line and in the file.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::setting::{SettingKind, SettingValue};
use crate::models::groups::group::PREFIX;

/// Whom a service admits to read, or to write. Programs and the file write it as `"everyone"`, or as a list of logins and
/// of groups, such as `group:Writers`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(into = "WrittenAdmitted", try_from = "WrittenAdmitted")]
pub enum Admitted {
    /// Everybody who has an account.
    Everyone,
    /// These people and the members of these groups, which may be none.
    These(Vec<Admittee>),
}

/// A person or a group, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admittee {
    /// The members of the group with this name.
    Group(String),
    /// The person with this login.
    Person(String),
}

impl Admittee {
    /// The one that `word` stands for. What is no group is taken for a login.
    pub fn of_word(word: &str) -> Self {
        match word.trim().strip_prefix(PREFIX) {
            Some(name) => Self::Group(name.trim().to_owned()),
            None => Self::Person(word.to_owned()),
        }
    }

    /// Those of `text`, between which are commas or ends of lines, and between logins also blanks: a group's name may have
    /// blanks.
    pub fn of_text(text: &str) -> Vec<Self> {
        let parts = text.split([',', '\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
        let admittees = parts.flat_map(|part| match part.starts_with(PREFIX) {
            true => vec![Self::of_word(part)],
            false => part.split_whitespace().map(Self::of_word).collect(),
        });
        admittees.collect()
    }

    /// By what it is known, whatever the case.
    pub(super) fn in_lower_case(&self) -> Self {
        match self {
            Self::Group(name) => Self::Group(name.trim().to_lowercase()),
            Self::Person(login) => Self::Person(login.trim().to_ascii_lowercase()),
        }
    }

    /// The login, if it is a person.
    pub fn login(&self) -> Option<&str> {
        match self {
            Self::Group(_) => None,
            Self::Person(login) => Some(login),
        }
    }

    /// The name, if it is a group.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Group(name) => Some(name),
            Self::Person(_) => None,
        }
    }
}

impl fmt::Display for Admittee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Group(name) => write!(f, "{PREFIX}{name}"),
            Self::Person(login) => f.write_str(login),
        }
    }
}

impl Admitted {
    /// The word for everybody.
    pub const EVERYONE: &'static str = "everyone";
    /// The word for none.
    pub const NOBODY: &'static str = "nobody";
    /// So many are told by name.
    const NAMED: usize = 5;

    /// What `text` says, as people write it on the command line: one of the two words, or a list.
    pub fn of_text(text: &str) -> Self {
        match text.trim() {
            Self::EVERYONE => Self::Everyone,
            Self::NOBODY => Self::nobody(),
            list => Self::These(Admittee::of_text(list)),
        }
    }

    /// Nobody at all.
    pub fn nobody() -> Self {
        Self::These(Vec::new())
    }

    /// The people with these logins.
    pub fn people<Login: Into<String>>(logins: impl IntoIterator<Item = Login>) -> Self {
        Self::These(logins.into_iter().map(|login| Admittee::Person(login.into())).collect())
    }

    /// Those who are named, where it is not everyone.
    pub fn named(&self) -> &[Admittee] {
        match self {
            Self::Everyone => &[],
            Self::These(named) => named,
        }
    }

    /// In words, with everybody who is named.
    pub fn in_full(&self) -> String {
        match self.named() {
            [] => self.in_words(),
            named => joined(named, ", "),
        }
    }

    /// In a few words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Everyone => Self::EVERYONE.to_owned(),
            Self::These(named) if named.is_empty() => Self::NOBODY.to_owned(),
            Self::These(named) if named.len() <= Self::NAMED => joined(named, ", "),
            Self::These(named) => {
                let groups = named.iter().filter(|it| it.group().is_some()).count();
                let people = match named.len() - groups {
                    0 => None,
                    1 => Some("1 person".to_owned()),
                    several => Some(format!("{several} people")),
                };
                let groups = match groups {
                    0 => None,
                    1 => Some("1 group".to_owned()),
                    several => Some(format!("{several} groups")),
                };
                groups.into_iter().chain(people).collect::<Vec<_>>().join(" and ")
            }
        }
    }

    /// As a list of several lines.
    pub fn in_lines(&self) -> String {
        joined(self.named(), "\n")
    }
}

fn joined(named: &[Admittee], between: &str) -> String {
    named.iter().map(Admittee::to_string).collect::<Vec<_>>().join(between)
}

impl SettingValue for Admitted {
    const KIND: SettingKind = SettingKind::Admitted;

    fn in_words(&self) -> String {
        self.in_words()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenAdmitted {
    Word(String),
    List(Vec<String>),
}

impl From<Admitted> for WrittenAdmitted {
    fn from(admitted: Admitted) -> Self {
        match admitted {
            Admitted::Everyone => Self::Word(Admitted::EVERYONE.to_owned()),
            Admitted::These(named) => Self::List(named.iter().map(Admittee::to_string).collect()),
        }
    }
}

impl TryFrom<WrittenAdmitted> for Admitted {
    type Error = &'static str;

    fn try_from(written: WrittenAdmitted) -> Result<Self, Self::Error> {
        match written {
            WrittenAdmitted::Word(word) if word == Self::EVERYONE => Ok(Self::Everyone),
            WrittenAdmitted::Word(_) => Err("no other word than everyone"),
            WrittenAdmitted::List(words) => Ok(Self::These(words.iter().map(|word| Admittee::of_word(word)).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn group(name: &str) -> Admittee {
        Admittee::Group(name.to_owned())
    }

    fn person(login: &str) -> Admittee {
        Admittee::Person(login.to_owned())
    }

    #[test]
    fn a_list_has_logins_and_groups_whose_names_may_have_blanks() {
        for (text, expected) in [
            ("alice,bob", vec![person("alice"), person("bob")]),
            ("alice bob\r\n carol", vec![person("alice"), person("bob"), person("carol")]),
            ("group:QA team, alice", vec![group("QA team"), person("alice")]),
            ("group: Writers \ngroup:b:c\n", vec![group("Writers"), group("b:c")]),
            ("alice group:Writers", vec![person("alice"), group("Writers")]),
            ("Group:Writers", vec![person("Group:Writers")]),
            (" ,\n,", vec![]),
        ] {
            assert_eq!(Admittee::of_text(text), expected, "{text:?}");
        }
        assert_eq!(Admitted::of_text(" everyone "), Admitted::Everyone);
        assert_eq!(Admitted::of_text("nobody"), Admitted::nobody());
    }

    #[test]
    fn a_few_are_told_by_name_and_many_by_number() {
        let named = |words: &str| Admitted::of_text(words);
        for (admitted, words) in [
            (Admitted::Everyone, "everyone"),
            (Admitted::nobody(), "nobody"),
            (named("a,group:b,c,d,e"), "a, group:b, c, d, e"),
            (named("a,b,c,d,e,f"), "6 people"),
            (named("a,group:b,c,d,e,f"), "1 group and 5 people"),
            (named("group:a,group:b,group:c,group:d,group:e,f"), "5 groups and 1 person"),
            (named("group:a,group:b,group:c,group:d,group:e,group:f"), "6 groups"),
        ] {
            assert_eq!(admitted.in_words(), words);
        }
        assert_eq!(named("a,b,c,d,e,group:f").in_full(), "a, b, c, d, e, group:f");
    }

    proptest! {
        #[test]
        fn a_list_is_read_as_it_is_written(
            named in proptest::collection::vec(
                prop_oneof!["[A-Za-z0-9_@.-]{1,12}".prop_map(Admittee::Person), "[!-+--~]{1,9}( [!-+--~]{1,5})?".prop_map(Admittee::Group)],
                0..6,
            ),
        ) {
            let admitted = Admitted::These(named.clone());
            prop_assert_eq!(Admittee::of_text(&admitted.in_lines()), named.clone());
            if !named.is_empty() {
                prop_assert_eq!(Admittee::of_text(&admitted.in_full()), named);
            }
            let written = serde_json::to_value(&admitted).expect("JSON");
            prop_assert_eq!(serde_json::from_value::<Admitted>(written).expect("JSON"), admitted);
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}|((group:)?[a, \n]{0,3}){0,9}") {
            let _ = Admitted::of_text(&text);
        }
    }
}
