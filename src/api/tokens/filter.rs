//! Which keys a list is of: the parameters of its address.

use std::ops::RangeInclusive;

use chrono::{NaiveDate, NaiveTime, SubsecRound};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ObjectBuilder, RefOr, Required, Type};
use utoipa::{IntoParams, PartialSchema};

use super::request::Time;
use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::token::TokenAction;

/// Keys in one answer, unless `limit` says otherwise, and at most.
const USUAL_LIMIT: u32 = 25;
const LARGEST_LIMIT: u32 = 100;
/// More than there will ever be.
const LARGEST_OFFSET: u32 = 1_000_000;

/// What an address asks for.
#[derive(Debug)]
pub struct Filter {
    /// The kinds that are wanted.
    actions: Vec<TokenAction>,
    /// Only those that have not been used since.
    unused_since: Option<Timestamp>,
    /// Only those that do not work any more at that time.
    expires_before: Option<Timestamp>,
    /// How many of them are left out.
    pub offset: u32,
    /// How many of them come at most.
    pub limit: u32,
}

impl Filter {
    /// The one that `query` is. What it does not know, it refuses: a program that mistypes `unused_since` would take
    /// all keys for unused ones. The list of people is as lenient as Redmine's (`offset_and_limit` in `users.rs`): so the
    /// two do not share their reading.
    ///
    /// # Errors
    /// 400 that says what to write.
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
                return Err(AppError::BadRequest(format!("{name} is there twice.")));
            }
            match &*name {
                "action" => {
                    let action = TokenAction::of_text(&value).filter(|action| action.is_key());
                    filter.actions = vec![action.ok_or_else(|| wrong("api, feeds or access"))?];
                }
                "unused_since" => filter.unused_since = Some(time(&value).ok_or_else(|| wrong(A_TIME))?),
                "expires_before" => filter.expires_before = Some(time(&value).ok_or_else(|| wrong(A_TIME))?),
                "offset" => filter.offset = number(&value, 0..=LARGEST_OFFSET).map_err(|it| wrong(&it))?,
                "limit" => filter.limit = number(&value, 1..=LARGEST_LIMIT).map_err(|it| wrong(&it))?,
                _ => {
                    let known = "action, unused_since, expires_before, offset and limit";
                    return Err(AppError::BadRequest(format!("{name} is unknown here: there are {known}.")));
                }
            }
            seen.push(name);
        }
        Ok(filter)
    }

    /// The kinds that are wanted.
    pub fn actions(&self) -> &[TokenAction] {
        &self.actions
    }

    /// What of `all` that is wanted comes in this answer.
    pub fn page<T>(&self, all: Vec<T>) -> impl Iterator<Item = T> {
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        all.into_iter().skip(number(self.offset)).take(number(self.limit))
    }

    /// Whether `key`, which is of one of these kinds and was last used then, is wanted.
    pub fn accepts(&self, key: &Key, last_use: Option<KeyUse>) -> bool {
        let unused = self.unused_since.is_none_or(|since| last_use.is_none_or(|last_use| last_use.on < since));
        let expires = |by: Timestamp| key.expires_on.is_some_and(|expires_on| expires_on <= by);
        unused && self.expires_before.is_none_or(expires)
    }
}

const A_TIME: &str = "a date such as 2026-12-31 or an RFC 3339 time such as 2026-12-31T10:00:00Z";

/// A date is the beginning of its day, in UTC.
fn time(text: &str) -> Option<Timestamp> {
    let midnight = text.parse::<NaiveDate>().map(|date| date.and_time(NaiveTime::MIN));
    let time = || chrono::DateTime::parse_from_rfc3339(text).map(|time| time.naive_utc().trunc_subsecs(6));
    midnight.or_else(|_| time()).ok()
}

/// A number in `range`; else what it must be.
fn number(text: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = Some(text).filter(|_| is_number).and_then(|text| text.parse().ok());
    let wrong = || format!("a number from {} to {}", range.start(), range.end());
    number.filter(|number| range.contains(number)).ok_or_else(wrong)
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
        let describe = |(name, schema, description)| {
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
            parameter.required(Required::False).description(Some(description)).schema(Some(schema)).build()
        };
        parameters.map(describe).to_vec()
    }
}
