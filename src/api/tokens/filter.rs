//! The query parameters of the list of keys.

use std::ops::RangeInclusive;

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{IntoParams, PartialSchema};

use super::request::Time;
use crate::api::described::query_parameter;
use crate::clock::{A_DATE_OR_TIME, Timestamp, parse_date_or_time};
use crate::http::error::AppError;
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::token::TokenAction;
use crate::models::rules::number_within;

/// The number of keys in a response by default, and the largest that `limit` can ask for.
const USUAL_LIMIT: u32 = 25;
const LARGEST_LIMIT: u32 = 100;
/// A limit that nobody reaches.
const LARGEST_OFFSET: u32 = 1_000_000;

/// The keys that a query asks for.
#[derive(Debug)]
pub struct Filter {
    /// Only keys of these kinds.
    actions: Vec<TokenAction>,
    /// Only keys that have not been used since then.
    unused_since: Option<Timestamp>,
    /// Only keys that expire by then.
    expires_before: Option<Timestamp>,
    /// How many keys are skipped.
    pub offset: u32,
    /// How many keys are returned at most.
    pub limit: u32,
}

impl Filter {
    /// Parses the query. Unknown parameters are refused: a program that misspells `unused_since` would take all keys
    /// for unused ones. The list of people is as lenient as Redmine's (`offset_and_limit` in `users.rs`), so the two do
    /// not share this function.
    ///
    /// # Errors
    /// Returns 400 with what to write instead.
    pub fn read(query: &str) -> Result<Self, AppError> {
        let mut filter = Self {
            actions: TokenAction::KEYS.to_vec(),
            unused_since: None,
            expires_before: None,
            offset: 0,
            limit: USUAL_LIMIT,
        };
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "key") {
            let wrong = |what: &str| AppError::BadRequest(format!("{name} must be {what}."));
            if seen.contains(&name) {
                return Err(AppError::BadRequest(format!("{name} appears twice.")));
            }
            match &*name {
                "action" => {
                    let action = TokenAction::of_text(&value).filter(|action| action.is_key());
                    filter.actions = vec![action.ok_or_else(|| wrong("api, feeds or access"))?];
                }
                "unused_since" => {
                    filter.unused_since = Some(parse_date_or_time(&value).ok_or_else(|| wrong(A_DATE_OR_TIME))?)
                }
                "expires_before" => {
                    filter.expires_before = Some(parse_date_or_time(&value).ok_or_else(|| wrong(A_DATE_OR_TIME))?)
                }
                "offset" => filter.offset = number(&value, 0..=LARGEST_OFFSET).map_err(|it| wrong(&it))?,
                "limit" => filter.limit = number(&value, 1..=LARGEST_LIMIT).map_err(|it| wrong(&it))?,
                _ => {
                    let known = "action, unused_since, expires_before, offset and limit";
                    return Err(AppError::BadRequest(format!("Unknown parameter {name}: use {known}.")));
                }
            }
            seen.push(name);
        }
        Ok(filter)
    }

    /// The kinds of keys that are asked for.
    pub fn actions(&self) -> &[TokenAction] {
        &self.actions
    }

    /// The keys on this page.
    pub fn page<T>(&self, all: Vec<T>) -> impl Iterator<Item = T> {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        all.into_iter().skip(number(self.offset)).take(number(self.limit))
    }

    /// Whether a key with this last use is asked for. Its kind is not checked again.
    pub fn accepts(&self, key: &Key, last_use: Option<KeyUse>) -> bool {
        let unused = self.unused_since.is_none_or(|since| Key::is_unused_since(last_use, since));
        let expires = |by: Timestamp| key.expires_on.is_some_and(|expires_on| expires_on <= by);
        unused && self.expires_before.is_none_or(expires)
    }
}

/// Parses a number in `range`; otherwise returns what it must be.
fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    number_within(text, range.clone()).ok_or_else(|| format!("a number from {} to {}", range.start(), range.end()))
}

impl IntoParams for Filter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = |least: u32, most: u32| {
            let schema = ObjectBuilder::new().schema_type(Type::Integer);
            RefOr::from(schema.minimum(Some(least)).maximum(Some(most)))
        };
        let parameters = [
            ("action", TokenAction::schema(), "Only keys of this kind"),
            ("unused_since", Time::schema(), "Only keys that were not used since; those never used are among them"),
            ("expires_before", Time::schema(), "Only keys that do not work any more then"),
            ("offset", number(0, LARGEST_OFFSET), "How many are left out"),
            ("limit", number(1, LARGEST_LIMIT), "How many come; usually 25"),
        ];
        parameters.map(|(name, schema, description)| query_parameter(name, schema, description)).to_vec()
    }
}
