//! The query parameters of the audit log.

use std::collections::BTreeMap;

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, RefOr, Type};
use utoipa::{IntoParams, PartialSchema};

use crate::api::described::{query_parameter, text};
use crate::api::strict_query::{self, Stray};
use crate::api::tokens::request::Time;
use crate::http::error::AppError;
use crate::models::audit_search::{AuditField, AuditPlace, AuditSearch};
use crate::models::cursor::Place;
use crate::models::event::EventAction;
use crate::models::rules::number_within;

/// The number of entries in a response by default, and the largest that `limit` can ask for.
const USUAL_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 500;

/// The entries that an export is about.
#[derive(Debug)]
pub struct AuditFilter(pub AuditSearch);

/// The entries that a list is about, and which page of them.
#[derive(Debug)]
pub struct AuditRequest {
    pub search: AuditSearch,
    pub place: AuditPlace,
    pub limit: usize,
}

impl AuditFilter {
    /// Parses the query.
    ///
    /// # Errors
    /// Returns 422 with what to write instead.
    pub fn read(query: &str) -> Result<Self, AppError> {
        search_of(&said(query, &[])?).map(Self)
    }
}

impl AuditRequest {
    /// Parses the query.
    ///
    /// # Errors
    /// Returns 422 with what to write instead.
    pub fn read(query: &str) -> Result<Self, AppError> {
        let said = said(query, &["cursor", "limit"])?;
        let search = search_of(&said)?;
        let place = match said.get("cursor") {
            None => AuditPlace::Latest,
            Some(cursor) => {
                let place = Place::of_cursor(cursor, &search.list());
                AuditPlace::OlderThan(place.map_err(|wrong| AppError::Invalid(vec![format!("{wrong}.")]))?)
            }
        };
        let limit = said.get("limit").map_or(Some(USUAL_LIMIT), |text| number_within(text, 1..=LARGEST_LIMIT));
        let wrong = || AppError::Invalid(vec![format!("limit must be a number from 1 to {LARGEST_LIMIT}.")]);
        Ok(Self { search, place, limit: limit.ok_or_else(wrong)? })
    }
}

/// The parameters by name: those of the filter, and `others`.
fn said(query: &str, others: &[&str]) -> Result<BTreeMap<String, String>, AppError> {
    let known: Vec<&str> = AuditField::ALL.map(AuditField::as_str).into_iter().chain(others.to_vec()).collect();
    strict_query::read(query, &known).map_err(|stray| {
        let told = match stray {
            Stray::Unknown(_) => format!("{stray}: there are {}.", known.join(", ")),
            Stray::Blank(_) | Stray::Repeated(_) => format!("{stray}."),
        };
        AppError::Invalid(vec![told])
    })
}

fn search_of(said: &BTreeMap<String, String>) -> Result<AuditSearch, AppError> {
    let search = AuditSearch::read(|field| said.get(field.as_str()).cloned());
    search.map_err(|wrong| {
        let sentences: Vec<String> = wrong.iter().map(|wrong| wrong.sentence(wrong.field.as_str())).collect();
        AppError::Invalid(sentences)
    })
}

impl IntoParams for AuditFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let person = || RefOr::from(text().pattern(Some("^([A-Za-z0-9_@.-]{1,20}|id:[0-9]{1,9})$")));
        let number = || RefOr::from(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)));
        let about = |field: AuditField| match field {
            AuditField::User => (person(), "Only what is about this person: a login of that time, or id: and an id"),
            AuditField::Actor => (
                person(),
                "Only what this person did; `command line`, `Latchkey itself` or `not signed in` did what no person did",
            ),
            AuditField::Action => (
                RefOr::from(text().enum_values(Some(EventAction::ALL.map(EventAction::as_str)))),
                "Only what happened in this way",
            ),
            AuditField::Key => (number(), "Only what is about the key with this id"),
            AuditField::Address => (
                RefOr::from(text().pattern(Some("^[0-9]{1,2}([.][0-9]{1,2}){3}$"))),
                "Only what came from this IPv4 or IPv6 address",
            ),
            AuditField::Since => (Time::schema(), "Only what happened then or later"),
            AuditField::Until => (Time::schema(), "Only what happened before; of a date, by the end of that day"),
        };
        let parameter = |field: AuditField| {
            let (schema, description) = about(field);
            query_parameter(field.as_str(), schema, description)
        };
        AuditField::ALL.map(parameter).to_vec()
    }
}

impl IntoParams for AuditRequest {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(LARGEST_LIMIT));
        let mut parameters = AuditFilter::into_params(parameter_in);
        parameters.push(query_parameter("limit", number, "How many entries come; usually 50"));
        let cursor = "Where the page begins: `next_cursor` of the page before, with the same filter";
        parameters.push(query_parameter("cursor", text(), cursor));
        parameters
    }
}
