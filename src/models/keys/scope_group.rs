//! Scopes as people read them: those about one thing together, below a heading.

use std::collections::{BTreeMap, BTreeSet};

use super::scope::{KeyScopes, ServiceScope};
use super::subject::Subject;

/// The titles of services, by their names.
pub type Titles = BTreeMap<String, String>;

/// The scopes about one thing.
#[derive(Debug, PartialEq, Eq)]
pub struct ScopeGroup {
    /// What they are about: a [`Subject`], or the title of a service.
    pub title: String,
    /// Whether only administrators can give these scopes to a key.
    pub is_for_administrators: bool,
    /// The scopes, in order.
    pub scopes: Vec<DescribedScope>,
}

/// A scope in words.
#[derive(Debug, PartialEq, Eq)]
pub struct DescribedScope {
    /// The word that programs write.
    pub word: String,
    /// What the scope allows, with a capital first letter.
    pub description: String,
}

impl ScopeGroup {
    /// `scopes` in groups: first those in Latchkey itself, then those on services, by the services' names. A service
    /// that is not in `titles` goes by its name.
    pub fn of(scopes: &KeyScopes, titles: &Titles) -> Vec<Self> {
        let own = Subject::ALL.into_iter().map(|subject| Self {
            title: subject.title().to_owned(),
            is_for_administrators: subject.is_for_administrators(),
            scopes: scopes
                .own
                .iter()
                .filter(|scope| scope.subject() == subject)
                .map(|scope| DescribedScope::new(scope.to_string(), scope.description()))
                .collect(),
        });
        let names: BTreeSet<&String> = scopes.services.iter().map(|scope| &scope.service).collect();
        let of_services = names.into_iter().map(|name| {
            let title = titles.get(name).unwrap_or(name);
            let here = scopes.services.iter().filter(|scope| scope.service == *name);
            let described = |scope: &ServiceScope| DescribedScope::new(scope.to_string(), &scope.description_on(title));
            Self { title: title.clone(), is_for_administrators: false, scopes: here.map(described).collect() }
        });
        own.filter(|group| !group.scopes.is_empty()).chain(of_services).collect()
    }
}

impl DescribedScope {
    fn new(word: String, description: &str) -> Self {
        Self { word, description: capitalized(description) }
    }
}

/// The text with a capital first letter.
pub fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::keys::scope::Scope;

    #[test]
    fn the_first_part_of_a_word_is_its_subject() {
        for scope in Scope::ALL {
            let (subject, _) = scope.as_str().split_once(':').expect("two parts");
            assert_eq!(subject, scope.subject().as_str());
        }
    }

    #[test]
    fn each_scope_stands_in_one_group() {
        let words = "tokens:read users:read users:write service:git:read service:wiki:read service:wiki:write";
        let scopes = KeyScopes::of_words(words.split(' ')).expect(words);
        let titles = Titles::from([("wiki".to_owned(), "Team wiki".to_owned())]);
        let groups = ScopeGroup::of(&scopes, &titles);
        let told: Vec<_> = groups
            .iter()
            .map(|group| {
                let words: Vec<_> = group.scopes.iter().map(|scope| scope.word.as_str()).collect();
                (group.title.as_str(), group.is_for_administrators, words.join(" "))
            })
            .collect();
        let expected = [
            ("Your keys", false, "tokens:read"),
            ("People", true, "users:read users:write"),
            ("git", false, "service:git:read"),
            ("Team wiki", false, "service:wiki:read service:wiki:write"),
        ];
        assert_eq!(
            told,
            expected.map(|(title, is_for_administrators, words)| (title, is_for_administrators, words.to_owned()))
        );
        assert_eq!(groups[3].scopes[0].description, "Read access to Team wiki");
    }
}
