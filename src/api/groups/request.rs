//! What programs say about groups.

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::api::described::{query_parameter, text as text_schema};
use crate::api::json::{Members, text, texts};
use crate::api::strict_query::{self, Stray};
use crate::http::error::AppError;
use crate::models::groups::group::{GroupField, LONGEST_NAME};
use crate::models::groups::member_changes::{MOST_AT_ONCE, MemberChanges};
use crate::models::people::search::{FewTexts, LONGEST_SEARCH};
use crate::models::rules::{Labelled, number_within};

/// The number of rows in a response by default, and the largest that `limit` can ask for.
const USUAL_LIMIT: i64 = 50;
const LARGEST_LIMIT: i64 = 500;
/// No list has more rows.
const LARGEST_OFFSET: i64 = 1_000_000_000;

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub offset: i64,
    pub limit: i64,
}

/// The groups that a list is about, and which part of them.
#[derive(Debug)]
pub struct GroupListRequest {
    /// Words that each are a part of the name; `None`: all groups.
    pub words: Option<FewTexts>,
    pub part: Part,
}

/// Which part of a group's members a list is about.
#[derive(Debug)]
pub struct MemberListRequest(pub Part);

/// A new group, or another name for one.
pub struct GroupRequest {
    pub name: String,
    pub members: Vec<String>,
}

/// Another name.
pub struct GroupChangesRequest;

/// Who is to be added to a group, and who is to be taken out.
pub struct MemberChangesRequest;

impl GroupListRequest {
    /// Parses the query.
    ///
    /// # Errors
    /// Returns 422 with what to write instead.
    pub fn read(query: &str) -> Result<Self, AppError> {
        let said = said(query, &["name", "offset", "limit"])?;
        let words = said.get("name").map_or(Ok(None), |name| FewTexts::words(name));
        let words = words.map_err(|too_long| AppError::Invalid(vec![format!("name {too_long}.")]))?;
        Ok(Self { words, part: Part::of(&said)? })
    }
}

impl MemberListRequest {
    /// Parses the query.
    ///
    /// # Errors
    /// Returns 422 with what to write instead.
    pub fn read(query: &str) -> Result<Self, AppError> {
        Part::of(&said(query, &["offset", "limit"])?).map(Self)
    }
}

type Said = std::collections::BTreeMap<String, String>;

fn said(query: &str, known: &[&str]) -> Result<Said, AppError> {
    strict_query::read(query, known).map_err(|stray| {
        let told = match stray {
            Stray::Unknown(_) => format!("{stray}: there are {}.", known.join(", ")),
            Stray::Blank(_) | Stray::Repeated(_) => format!("{stray}."),
        };
        AppError::Invalid(vec![told])
    })
}

impl Part {
    fn of(said: &Said) -> Result<Self, AppError> {
        let number = |name: &str, usual: i64, least: i64, most: i64| {
            let number = said.get(name).map_or(Some(usual), |text| number_within(text, least..=most));
            number.ok_or_else(|| AppError::Invalid(vec![format!("{name} must be a number from {least} to {most}.")]))
        };
        let offset = number("offset", 0, 0, LARGEST_OFFSET)?;
        Ok(Self { offset, limit: number("limit", USUAL_LIMIT, 1, LARGEST_LIMIT)? })
    }

    /// Its rows, of `all` that the list has.
    pub fn rows<T>(self, all: Vec<T>) -> Vec<T> {
        let number = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        all.into_iter().skip(number(self.offset)).take(number(self.limit)).collect()
    }
}

impl GroupRequest {
    /// The group that `members` are about.
    ///
    /// # Errors
    /// 422 with what is wrong by itself; what may not be is the model's to say.
    pub fn read(mut members: Members) -> Result<Self, AppError> {
        let name = members.take("name", GroupField::Name.label(), text).unwrap_or_default();
        let logins = members.take("members", GroupField::Members.label(), texts).unwrap_or_default();
        members.finish().map(|()| Self { name, members: logins })
    }
}

impl GroupChangesRequest {
    /// The new name; `None`: it stays.
    ///
    /// # Errors
    /// As [`GroupRequest::read`].
    pub fn read(mut members: Members) -> Result<Option<String>, AppError> {
        let name = members.take("name", GroupField::Name.label(), text);
        members.finish().map(|()| name)
    }
}

impl MemberChangesRequest {
    /// The changes that `members` are about.
    ///
    /// # Errors
    /// As [`GroupRequest::read`].
    pub fn read(mut members: Members) -> Result<MemberChanges, AppError> {
        let add = members.take("add", "add", texts).unwrap_or_default();
        let remove = members.take("remove", "remove", texts).unwrap_or_default();
        members.finish().map(|()| MemberChanges { add, remove })
    }
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(false)))
}

fn name() -> ObjectBuilder {
    text_schema().min_length(Some(1)).max_length(Some(LONGEST_NAME)).description(Some("The name, without commas"))
}

fn logins(about: &str) -> ArrayBuilder {
    ArrayBuilder::new().items(text_schema()).max_items(Some(MOST_AT_ONCE)).description(Some(about))
}

impl PartialSchema for GroupRequest {
    fn schema() -> RefOr<Schema> {
        let group = object().property("name", name()).required("name");
        group.property("members", logins("The logins of its members")).description(Some("A new group.")).into()
    }
}

impl ToSchema for GroupRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "NewGroup".into()
    }
}

impl PartialSchema for GroupChangesRequest {
    fn schema() -> RefOr<Schema> {
        object().property("name", name()).description(Some("What is to change about a group.")).into()
    }
}

impl ToSchema for GroupChangesRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "GroupChanges".into()
    }
}

impl PartialSchema for MemberChangesRequest {
    fn schema() -> RefOr<Schema> {
        let about = "Who is added to a group, and who is taken out: all of them, or nobody.";
        let changes = object().property("add", logins("The logins of those who become members"));
        changes.property("remove", logins("The logins of those who are taken out")).description(Some(about)).into()
    }
}

impl ToSchema for MemberChangesRequest {
    fn name() -> std::borrow::Cow<'static, str> {
        "GroupMemberChanges".into()
    }
}

impl IntoParams for MemberListRequest {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let number = |least: i64, most: i64| {
            ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least)).maximum(Some(most))
        };
        vec![
            query_parameter("offset", number(0, LARGEST_OFFSET), "How many are left out"),
            query_parameter("limit", number(1, LARGEST_LIMIT), "How many come at most; usually 50"),
        ]
    }
}

impl IntoParams for GroupListRequest {
    fn into_params(parameter_in: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let words = text_schema().max_length(Some(LONGEST_SEARCH));
        let mut parameters = vec![query_parameter("name", words, "Only groups with each of these words in their name")];
        parameters.extend(MemberListRequest::into_params(parameter_in));
        parameters
    }
}
