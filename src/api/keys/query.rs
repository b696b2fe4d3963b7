//! The query parameters of the list of everybody's keys.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema};

use crate::api::described::{query_parameter, text};
use crate::api::strict_query::{self, Stray};
use crate::api::tokens::request::Time;
use crate::http::error::AppError;
use crate::models::keys::list_query::{KeyQuery, LARGEST_LIMIT, ListErrors, ListField, ListedState};
use crate::models::keys::scope::Scope;
use crate::models::keys::token::TokenAction;
use crate::models::keys::verdict::Verdict;

/// The parameters that say which keys, and in which order.
pub struct Filter;

/// The parameters of a page: those of [`Filter`], how long it is, and where it begins.
pub struct Page;

/// The parameters that only pages have.
const OF_PAGES: [ListField; 2] = [ListField::Limit, ListField::Cursor];

impl Page {
    /// Reads the query.
    ///
    /// # Errors
    /// Returns 422 with everything that is wrong with it.
    pub fn read(query: &str) -> Result<KeyQuery, AppError> {
        read(query, &ListField::ALL)
    }
}

impl Filter {
    /// Reads the query.
    ///
    /// # Errors
    /// Returns 422 with everything that is wrong with it.
    pub fn read(query: &str) -> Result<KeyQuery, AppError> {
        let fields: Vec<ListField> = ListField::ALL.into_iter().filter(|field| !OF_PAGES.contains(field)).collect();
        read(query, &fields)
    }
}

/// Reads a query that may have these fields.
fn read(query: &str, fields: &[ListField]) -> Result<KeyQuery, AppError> {
    let known: Vec<&str> = fields.iter().map(|field| field.as_str()).collect();
    let given = strict_query::read(query, &known).map_err(|stray| {
        let told = match stray {
            Stray::Unknown(_) => format!("{stray}: use {}", known.join(", ")),
            Stray::Blank(_) | Stray::Repeated(_) => stray.to_string(),
        };
        AppError::Invalid(vec![told])
    })?;
    KeyQuery::read(|field| given.get(field.as_str()).cloned()).map_err(refused)
}

/// What is wrong with a query, in the words of programs.
pub fn refused(errors: ListErrors) -> AppError {
    AppError::Invalid(errors.into_iter().map(|error| error.problem.about(error.field.as_str())).collect())
}

fn parameter(field: ListField) -> Parameter {
    let words = |all: &[&'static str]| RefOr::from(text().enum_values(Some(all.to_vec())));
    let (schema, description): (RefOr<Schema>, _) = match field {
        ListField::Owner => (text().into(), "Only keys of the person with this login"),
        ListField::Action => (TokenAction::schema(), "Only keys of this kind"),
        ListField::State => {
            (words(&ListedState::ALL.map(ListedState::as_str)), "Only keys that work, are suspended, or have expired")
        }
        ListField::Verdict => (
            words(&Verdict::ALL.map(Verdict::as_str)),
            "Only keys that were used in the last 90 days (`in_use`), not in 90 days (`idle`), or never in at least 30 days \
             of recording (`unused`); `too_early`: not recorded for that long",
        ),
        ListField::Scope => (
            Scope::schema(),
            "Only keys that may do this, write access included. API access keys may do everything in Latchkey itself",
        ),
        ListField::Service => (text().into(), "Only keys that have a scope of this service, or were used on it"),
        ListField::NeverUsed => (ObjectBuilder::new().schema_type(Type::Boolean).into(), "Only keys without a use"),
        ListField::UnusedSince => {
            (Time::schema(), "Only keys that were not used since; those never used are among them")
        }
        ListField::ExpiresBefore => (Time::schema(), "Only keys that do not work any more then"),
        ListField::Search => (text().into(), "Only keys with each of these words in their name or note"),
        ListField::Sort => (
            text().into(),
            "`created_on`, `last_used_on` or `expires_on`, with `:asc` or `:desc` after it; usually `created_on:desc`",
        ),
        ListField::Limit => {
            let number = ObjectBuilder::new().schema_type(Type::Integer);
            (number.minimum(Some(1)).maximum(Some(LARGEST_LIMIT)).into(), "How many come at most; usually 50")
        }
        ListField::Cursor => (text().into(), "Where the page begins: the `next_cursor` of the page before"),
    };
    query_parameter(field.as_str(), schema, description)
}

impl IntoParams for Page {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        ListField::ALL.map(parameter).to_vec()
    }
}

impl IntoParams for Filter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        ListField::ALL.into_iter().filter(|field| !OF_PAGES.contains(field)).map(parameter).collect()
    }
}
