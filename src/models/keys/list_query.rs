//! What somebody asks of the list of everybody's keys: which keys, in which order, and from where on. Pages, the API and
//! the command line write it with the same words, which are read here.

use super::key::Key;
use super::list_order::ListOrder;
use super::scope::{KeyScopes, Scope, ServiceScope};
use super::token::TokenAction;
use super::verdict::Verdict;
use crate::clock::{A_DATE_OR_TIME, Timestamp, parse_date_or_time};
use crate::models::cursor::Place;
use crate::models::people::search::FewTexts;
use crate::models::rules::{FieldError, Labelled, Problem, number_within};
use crate::models::text_enum::text_enum;

/// How many keys are on a page, unless somebody says it.
pub const USUAL_LIMIT: usize = 50;
/// How many keys can be on a page.
pub const LARGEST_LIMIT: usize = 500;

text_enum! {
    /// A part of the query, as programs and as people name it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum ListField(as_str, words) {
        /// The login of the owner.
        Owner = ("owner", "Owner"),
        /// The kind of key.
        Action = ("action", "Kind"),
        /// Whether the key works.
        State = ("state", "State"),
        /// Whether anybody still uses it.
        Verdict = ("verdict", "Verdict"),
        /// Something that the key may do.
        Scope = ("scope", "Scope"),
        /// A service.
        Service = ("service", "Service"),
        /// That no use is recorded.
        NeverUsed = ("never_used", "No use recorded"),
        /// That it was not used since a time.
        UnusedSince = ("unused_since", "Not used since"),
        /// That it expires by a time.
        ExpiresBefore = ("expires_before", "Expires before"),
        /// Words in its name and note.
        Search = ("search", "Name or note"),
        /// The order.
        Sort = ("sort", "Order"),
        /// How many keys are on a page.
        Limit = ("limit", "Keys per page"),
        /// Where the page begins.
        Cursor = ("cursor", "Page"),
    }
}

text_enum! {
    /// Whether a key works.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum ListedState(as_str, label) {
        /// It works.
        Active = ("active", "Active"),
        /// It is suspended.
        Suspended = ("suspended", "Suspended"),
        /// It has expired.
        Expired = ("expired", "Expired"),
    }
}

impl ListedState {
    /// The state of `key`. One that has expired while it was suspended has expired.
    pub fn of(key: &Key, now: Timestamp) -> Self {
        match (key.is_expired(now), key.suspension(now)) {
            (true, _) => Self::Expired,
            (false, Some(_)) => Self::Suspended,
            (false, None) => Self::Active,
        }
    }
}

/// Something that a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyScope {
    /// In Latchkey itself.
    Own(Scope),
    /// On a service.
    Service(ServiceScope),
}

/// How little a key was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unused {
    /// No use is recorded.
    Ever,
    /// No use is recorded since then.
    Since(Timestamp),
}

/// Which keys are asked for. Everything that it says holds for each of them.
#[derive(Clone, Debug, Default)]
pub struct KeyFilter {
    /// The owner has this login.
    pub owner: Option<String>,
    /// They are of this kind.
    pub kind: Option<TokenAction>,
    /// They are in this state.
    pub state: Option<ListedState>,
    /// Their recorded uses say this.
    pub verdict: Option<Verdict>,
    /// They may do this, write access included. An API access key may do everything in Latchkey itself.
    pub scope: Option<AnyScope>,
    /// They have a scope of the service with this name, or were used on it.
    pub service: Option<String>,
    /// They were not used.
    pub unused: Option<Unused>,
    /// They expire by then.
    pub expires_before: Option<Timestamp>,
    /// Each of these words is in their name or note.
    pub words: Option<FewTexts>,
}

/// Which keys are asked for, in which order, and from where on.
#[derive(Clone, Debug)]
pub struct KeyQuery {
    /// Which keys.
    pub filter: KeyFilter,
    /// In which order.
    pub order: ListOrder,
    /// How many at most.
    pub limit: usize,
    /// After which place; `None`: from the beginning.
    pub after: Option<Place>,
    /// What was said, in the order of [`ListField::ALL`].
    asked: Vec<(ListField, String)>,
}

/// What is wrong with a query.
pub type ListErrors = Vec<FieldError<ListField>>;

impl Labelled for ListField {
    fn label(self) -> &'static str {
        self.words()
    }
}

impl KeyQuery {
    /// Reads a query. `given` returns what is said for a field; blank is nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it. Nothing is listed then: all keys would be taken for those that were asked for.
    pub fn read(given: impl Fn(ListField) -> Option<String>) -> Result<Self, ListErrors> {
        let said = |field| Some((field, given(field)?.trim().to_owned())).filter(|(_, text)| !text.is_empty());
        let mut reader = Reader { asked: ListField::ALL.into_iter().filter_map(said).collect(), errors: Vec::new() };
        let filter = KeyFilter {
            owner: reader.read(ListField::Owner, |text| Ok(text.to_owned())),
            kind: reader.read(ListField::Action, kind),
            state: reader.read(ListField::State, state),
            verdict: reader.verdict(),
            scope: reader.read(ListField::Scope, scope),
            service: reader.read(ListField::Service, |text| Ok(text.to_owned())),
            unused: reader.unused(),
            expires_before: reader.read(ListField::ExpiresBefore, time),
            words: reader.read(ListField::Search, words).flatten(),
        };
        let order = reader.read(ListField::Sort, order).unwrap_or_default();
        let limit = reader.read(ListField::Limit, limit).unwrap_or(USUAL_LIMIT);
        let list = list_name(&reader.asked);
        let after = reader.read(ListField::Cursor, |text| {
            Place::of_cursor(text, &list).map_err(|wrong| Problem::sentence(wrong.to_string()))
        });
        let Reader { asked, errors } = reader;
        if errors.is_empty() { Ok(Self { filter, order, limit, after, asked }) } else { Err(errors) }
    }

    /// What was said, as fields of an address, without the place.
    pub fn asked(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let asked = self.asked.iter().filter(|(field, _)| *field != ListField::Cursor);
        asked.map(|(field, text)| (field.as_str(), text.as_str()))
    }

    /// The cursor of a place in this list.
    pub fn cursor(&self, place: Place) -> String {
        place.cursor(&list_name(&self.asked))
    }

    /// Whether all keys are asked for.
    pub fn is_of_all(&self) -> bool {
        let is_about_pages = |field| matches!(field, ListField::Sort | ListField::Limit | ListField::Cursor);
        self.asked.iter().all(|(field, _)| is_about_pages(*field))
    }
}

/// Everything that says which row comes after which, so that a cursor serves no other list.
fn list_name(asked: &[(ListField, String)]) -> String {
    let mut name = form_urlencoded::Serializer::new("keys?".to_owned());
    let mattering = asked.iter().filter(|(field, _)| !matches!(field, ListField::Limit | ListField::Cursor));
    mattering.for_each(|(field, text)| {
        name.append_pair(field.as_str(), text);
    });
    name.finish()
}

/// Reads what was said, and keeps what is wrong with it.
struct Reader {
    asked: Vec<(ListField, String)>,
    errors: ListErrors,
}

impl Reader {
    fn read<T>(&mut self, field: ListField, read: impl FnOnce(&str) -> Result<T, Problem>) -> Option<T> {
        let (_, text) = self.asked.iter().find(|(asked, _)| *asked == field)?;
        read(text).map_err(|problem| self.errors.push(FieldError { field, problem })).ok()
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let verdict = self.read(ListField::Verdict, verdict);
        let is_used = matches!(verdict, Some(Verdict::InUse | Verdict::Idle));
        if is_used && self.asked.iter().any(|(field, text)| *field == ListField::NeverUsed && truth(text) == Ok(true)) {
            let text = "Ask either for keys without a recorded use, or for keys with a verdict that tells of one";
            self.errors.push(FieldError { field: ListField::Verdict, problem: Problem::sentence(text) });
        }
        verdict
    }

    fn unused(&mut self) -> Option<Unused> {
        let never = self.read(ListField::NeverUsed, truth).filter(|is_asked| *is_asked);
        let since = self.read(ListField::UnusedSince, time);
        if never.is_some() && since.is_some() {
            let text = "Ask either for keys without a recorded use, or for keys that were not used since a time";
            self.errors.push(FieldError { field: ListField::UnusedSince, problem: Problem::sentence(text) });
        }
        never.map(|_| Unused::Ever).or(since.map(Unused::Since))
    }
}

fn must_be(what: impl std::fmt::Display) -> Problem {
    Problem::OfField(format!("must be {what}"))
}

/// The words that can be said, as a sentence lists them.
fn one_of(words: &[&str]) -> String {
    match words {
        [first @ .., last] if !first.is_empty() => format!("{} or {last}", first.join(", ")),
        _ => words.join(""),
    }
}

fn kind(text: &str) -> Result<TokenAction, Problem> {
    let kind = TokenAction::of_text(text).filter(|action| action.is_key());
    kind.ok_or_else(|| must_be(one_of(&TokenAction::KEYS.map(TokenAction::as_str))))
}

fn state(text: &str) -> Result<ListedState, Problem> {
    ListedState::of_text(text).ok_or_else(|| must_be(one_of(&ListedState::ALL.map(ListedState::as_str))))
}

fn verdict(text: &str) -> Result<Verdict, Problem> {
    Verdict::of_text(text).ok_or_else(|| must_be(one_of(&Verdict::ALL.map(Verdict::as_str))))
}

fn scope(text: &str) -> Result<AnyScope, Problem> {
    let own = Scope::of_text(text).map(AnyScope::Own);
    let any = own.or_else(|| ServiceScope::of_word(text).map(AnyScope::Service));
    // The error names all scopes.
    any.ok_or_else(|| match KeyScopes::of_words([text]) {
        Err(unknown) => Problem::sentence(unknown.to_string()),
        Ok(_) => must_be("one scope"),
    })
}

fn truth(text: &str) -> Result<bool, Problem> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(must_be("true or false")),
    }
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    parse_date_or_time(text).ok_or_else(|| must_be(A_DATE_OR_TIME))
}

fn words(text: &str) -> Result<Option<FewTexts>, Problem> {
    FewTexts::words(text).map_err(|too_long| Problem::OfField(too_long.to_string()))
}

fn order(text: &str) -> Result<ListOrder, Problem> {
    let known = one_of(&super::list_order::SortBy::ALL.map(super::list_order::SortBy::as_str));
    ListOrder::of_text(text).ok_or_else(|| must_be(format!("{known}, with :asc or :desc after it")))
}

fn limit(text: &str) -> Result<usize, Problem> {
    number_within(text, 1..=LARGEST_LIMIT).ok_or_else(|| must_be(format!("a number from 1 to {LARGEST_LIMIT}")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::models::rules::messages;

    fn read(said: &[(&str, &str)]) -> Result<KeyQuery, Vec<String>> {
        let given = |field: ListField| {
            said.iter().find(|(name, _)| *name == field.as_str()).map(|(_, text)| (*text).to_owned())
        };
        KeyQuery::read(given).map_err(|errors| messages(&errors))
    }

    #[test]
    fn a_cursor_is_of_one_filter_and_order_whatever_the_length_of_a_page() {
        let place = Place { at: "2026-11-24T09:30:00.25".parse().expect("a time"), id: 42 };
        let cursor = read(&[("owner", "alice"), ("sort", "expires_on")]).expect("a query").cursor(place);
        let after = |more: &[(&str, &str)]| read(&[more, &[("cursor", cursor.as_str())]].concat());
        let again = after(&[("owner", " alice "), ("sort", "expires_on"), ("limit", "7")]).expect("the same list");
        assert_eq!((again.after, again.limit), (Some(place), 7));
        let wrong = "The cursor does not belong to this list: it, the filter or the order has been changed. Start \
                     without a cursor";
        for other in [&[][..], &[("owner", "alice")], &[("owner", "bob"), ("sort", "expires_on")]] {
            assert_eq!(after(other).expect_err("another list"), [wrong]);
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told() {
        let errors =
            read(&[("action", "session"), ("state", "x"), ("limit", "501"), ("sort", "login"), ("scope", "x")]);
        let errors = errors.expect_err("all wrong");
        assert_eq!(errors.len(), 5, "{errors:?}");
        assert_eq!(errors[0], "Kind must be api, feeds or access");
        assert!(errors[2].starts_with("Unknown scope: x. The scopes are account:read"), "{errors:?}");
        assert_eq!(errors[3], "Order must be created_on, last_used_on or expires_on, with :asc or :desc after it");
        assert_eq!(errors[4], "Keys per page must be a number from 1 to 500");
    }

    #[test]
    fn what_is_blank_is_not_said() {
        let query = read(&[("owner", " "), ("state", ""), ("never_used", "0"), ("sort", "last_used_on")]).expect("it");
        assert!(query.filter.owner.is_none() && query.filter.unused.is_none());
        let all = read(&[("owner", ""), ("limit", "7"), ("sort", "created_on")]).expect("it");
        assert!(all.is_of_all() && !read(&[("state", "expired")]).expect("it").is_of_all());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,40}", field in 0..ListField::ALL.len()) {
            let _ = read(&[(ListField::ALL[field].as_str(), text.as_str())]);
        }
    }
}
