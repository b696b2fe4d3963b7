//! The parameters of the list of people: Redmine's filters, short (`status=1|3`) and long (`f[]`, `op[…]`, `v[…]`), and
//! its order. What cannot be answered as Redmine does is refused, as a list of everybody would be taken for the answer.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{ObjectBuilder, Type};

use super::described::{query_parameter, text};
use super::parameters::Parameters;
use crate::clock::{Timestamp, parse_date, parse_time};
use crate::http::error::AppError;
use crate::models::people::order::{Order, OrderBy};
use crate::models::people::search::{
    Criterion, FewTexts, GroupTest, PeopleSearch, SearchTooLong, TextField, TextTest, TimeField, TimeTest,
};
use crate::models::people::status_filter;
use crate::models::people::user::UserStatus;

/// The fields to filter by. A part of the names is looked for by `name`, which is no short filter.
const FIELDS: [&str; 11] = [
    "status",
    "login",
    "firstname",
    "lastname",
    "mail",
    "admin",
    "twofa_scheme",
    "created_on",
    "last_login_on",
    "kind",
    "is_member_of_group",
];
/// The most groups that a filter names: the query grows with them.
const MOST_GROUPS: usize = 100;
/// Redmine's operators, with the longer before those that they begin with.
const OPERATORS: [&str; 12] = ["!~", "!*", "*~", ">=", "<=", "><", "=", "!", "~", "^", "$", "*"];

/// A filter as it was sent.
struct Filter {
    field: String,
    operator: String,
    values: Vec<String>,
}

/// Reads whom the list is about, and its order.
///
/// # Errors
/// Returns 422 with each thing that is not understood, and 400 if a parameter is a list that must be a text.
pub fn read(parameters: &Parameters) -> Result<PeopleSearch, AppError> {
    let fields: BTreeSet<String> = [parameters.texts("f"), parameters.texts("fields")].concat().into_iter().collect();
    let mut filters = match fields.is_empty() {
        true => short_filters(parameters),
        false => fields.into_iter().map(|field| long_filter(parameters, field)).collect(),
    };
    if let Some(name) = parameters.text("name")?.filter(|name| !name.trim().is_empty()) {
        filters.push(Filter { field: "name".into(), operator: "~".into(), values: vec![name] });
    }
    if let Some(id) = parameters.text("group_id")?.filter(|id| !id.trim().is_empty()) {
        filters.push(Filter { field: "group_id".into(), operator: "=".into(), values: vec![id] });
    }
    let sort = parameters.text("sort")?.unwrap_or_default();
    let (criteria, mut errors) = sorted_out(filters.iter().map(Filter::criterion));
    let (order, unknown) = sorted_out(Order::of_text(&sort).map(|order| order.map_err(|error| error.to_string())));
    errors.extend(unknown);
    match errors.is_empty() {
        true => Ok(PeopleSearch { criteria, order }),
        false => Err(AppError::Invalid(errors)),
    }
}

fn sorted_out<T>(results: impl Iterator<Item = Result<T, String>>) -> (Vec<T>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(it) => good.push(it),
            Err(error) => bad.push(error),
        }
    }
    (good, bad)
}

/// Reads filters such as `status=1|3`, `login=^a` or `admin=1`. Without one for the status, only active people are
/// listed; if it is empty, everybody.
fn short_filters(parameters: &Parameters) -> Vec<Filter> {
    let filter = |field: &str| {
        let given = parameters.texts(field);
        let text = match (field, given.join("|")) {
            ("status", _) if given.is_empty() => "1".to_owned(),
            ("status", text) if text.trim().is_empty() => "*".to_owned(),
            _ if given.is_empty() => return None,
            (_, text) => text,
        };
        let operator = OPERATORS.iter().find(|operator| text.starts_with(**operator));
        let values = text[operator.map_or(0, |operator| operator.len())..].split('|').map(str::to_owned).collect();
        Some(Filter { field: field.to_owned(), operator: operator.unwrap_or(&"=").to_string(), values })
    };
    FIELDS.into_iter().filter_map(filter).collect()
}

/// Reads the filter of `field` that is sent as a form does: `op[status]==` and `v[status][]=1`.
fn long_filter(parameters: &Parameters, field: String) -> Filter {
    let of = |names: [&str; 2]| names.map(|name| parameters.texts_in(name, &field)).concat();
    let operator = of(["op", "operators"]).pop().unwrap_or_default();
    let values = of(["v", "values"]);
    Filter { field, operator, values }
}

impl Filter {
    fn criterion(&self) -> Result<Criterion, String> {
        let test = || self.text_test();
        match self.field.as_str() {
            "status" => self.statuses().map(Criterion::Status),
            "admin" => self.admin().map(Criterion::Admin),
            "group_id" | "is_member_of_group" => self.groups().map(Criterion::Groups),
            "name" => test().map(Criterion::Name),
            field => match (TextField::of_text(field), TimeField::of_text(field)) {
                (Some(field), _) => test().map(|test| Criterion::Field(field, test)),
                (_, Some(field)) => self.time_test().map(|test| Criterion::Time(field, test)),
                _ => Err(format!("{field} is no filter here: there are name, {}", FIELDS.join(", "))),
            },
        }
    }

    fn statuses(&self) -> Result<Vec<UserStatus>, String> {
        let values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        status_filter::statuses(&self.operator, &values).map_err(|error| error.to_string())
    }

    fn groups(&self) -> Result<GroupTest, String> {
        let ids = || {
            let filled = self.values.iter().map(|value| value.trim()).filter(|value| !value.is_empty());
            let ids: Result<Vec<i64>, _> = filled.map(str::parse).collect();
            match ids {
                Ok(ids) if ids.is_empty() => Err(self.blank()),
                Ok(ids) if ids.len() > MOST_GROUPS => {
                    Err(format!("{} names too many groups (maximum is {MOST_GROUPS})", self.field))
                }
                Ok(ids) => Ok(ids),
                Err(_) => Err(format!("{} is invalid: groups have numbers", self.field)),
            }
        };
        match self.operator.as_str() {
            "=" => ids().map(GroupTest::AnyOf),
            "!" => ids().map(GroupTest::NoneOf),
            "*" => Ok(GroupTest::Some),
            "!*" => Ok(GroupTest::None),
            _ => Err(self.unknown_operator()),
        }
    }

    fn admin(&self) -> Result<bool, String> {
        let is = match self.one_value()?.trim() {
            "1" | "true" => Ok(true),
            "0" | "false" => Ok(false),
            _ => Err("admin is invalid: there are 1 and 0".to_owned()),
        };
        match self.operator.as_str() {
            "=" => is,
            "!" => is.map(|is| !is),
            _ => Err(self.unknown_operator()),
        }
    }

    fn text_test(&self) -> Result<TextTest, String> {
        let words = || self.few(FewTexts::words(self.one_value()?));
        let values = || self.few(FewTexts::of(self.values.iter().map(String::as_str)));
        let not = |test| TextTest::Not(Box::new(test));
        match self.operator.as_str() {
            "=" => values().map(TextTest::Is),
            "!" => values().map(TextTest::Is).map(not),
            "~" => words().map(TextTest::Contains),
            "!~" => words().map(TextTest::Contains).map(not),
            "*~" => words().map(TextTest::ContainsAny),
            "^" => words().map(TextTest::Begins),
            "$" => words().map(TextTest::Ends),
            "!*" => Ok(TextTest::Empty),
            "*" => Ok(not(TextTest::Empty)),
            _ => Err(self.unknown_operator()),
        }
    }

    fn time_test(&self) -> Result<TimeTest, String> {
        let invalid = || format!("{} is invalid: use dates such as 2026-12-31", self.field);
        let span = |text: &str| span(text.trim()).ok_or_else(invalid);
        match self.operator.as_str() {
            "*" => Ok(TimeTest::Ever),
            "!*" => Ok(TimeTest::Never),
            "=" => span(self.one_value()?).map(|(from, until)| TimeTest::Between(Some(from), Some(until))),
            ">=" => span(self.one_value()?).map(|(from, _)| TimeTest::Between(Some(from), None)),
            "<=" => span(self.one_value()?).map(|(_, until)| TimeTest::Between(None, Some(until))),
            "><" => match self.values.as_slice() {
                [first, last] => Ok(TimeTest::Between(Some(span(first)?.0), Some(span(last)?.1))),
                _ => Err(invalid()),
            },
            _ => Err(self.unknown_operator()),
        }
    }

    fn few(&self, texts: Result<Option<FewTexts>, SearchTooLong>) -> Result<FewTexts, String> {
        texts.map_err(|too_long| format!("{} {too_long}", self.field))?.ok_or_else(|| self.blank())
    }

    fn one_value(&self) -> Result<&str, String> {
        match self.values.as_slice() {
            [value] if !value.trim().is_empty() => Ok(value),
            [] | [_] => Err(self.blank()),
            _ => Err(format!("{} takes one value after {}", self.field, self.operator)),
        }
    }

    fn blank(&self) -> String {
        format!("{} cannot be blank", self.field)
    }

    fn unknown_operator(&self) -> String {
        format!("{} does not take the operator {:?}", self.field, self.operator)
    }
}

/// When a date begins and ends in UTC, or a second that is written as in RFC 3339.
fn span(text: &str) -> Option<(Timestamp, Timestamp)> {
    let midnight = |date: NaiveDate| date.and_time(NaiveTime::MIN);
    let day = parse_date(text).and_then(|date| Some((midnight(date), midnight(date.succ_opt()?))));
    day.or_else(|| {
        let second = parse_time(text)?;
        Some((second, second.checked_add_signed(TimeDelta::seconds(1))?))
    })
}

/// The parameters of the list, as `/openapi.json` describes them.
pub struct ListParameters;

impl IntoParams for ListParameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let pattern = |pattern: &str| text().pattern(Some(pattern));
        let number = |least: u32| ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(least));
        let words = || pattern("^([*]|![*]|(~|!~|=|!|\\^|[$])?[A-Za-z0-9]{1,20})$");
        let dates = || pattern("^([*]|![*]|(=|>=|<=)?20[0-9]{2}-0[1-9]-[12][0-8])$");
        let columns = OrderBy::ALL.map(OrderBy::as_str).join("|");
        let like = "A text, or one after an operator: ~ contains all words, !~ does not, *~ contains one of them, ^ \
                    begins, $ ends, ! is not; * is there, !* is empty";
        let when = "A date in UTC, or one after >= or <=, or two after >< with | between them; * ever, !* never";
        let parameters = [
            (
                "status",
                pattern("^(|!?[*]|[=!]?[123]([|][123])*)$"),
                "1 active, which is usual, 2 registered, 3 locked; 1|3 several, !3 all others; empty: everybody",
            ),
            ("name", text().max_length(Some(30)), "Words that each are a part of login, mail, first or last name"),
            ("login", words(), like),
            ("firstname", words(), like),
            ("lastname", words(), like),
            ("mail", words(), like),
            ("admin", pattern("^[=!]?[01]$"), "1 only administrators, 0 only others"),
            ("twofa_scheme", pattern("^!?[*]$"), "* only those with a second factor, !* only others"),
            (
                "group_id",
                pattern("^[0-9]{1,9}$"),
                "The id of a group: only its members. `is_member_of_group` also takes several, after ! all others, * \
                 members of any, !* of none",
            ),
            ("created_on", dates(), when),
            ("last_login_on", dates(), when),
            (
                "sort",
                pattern(&format!("^({columns})(:desc)?$")),
                "A column, or up to three with commas between them; :desc after one puts the largest first",
            ),
            ("offset", number(0), "How many are left out"),
            ("limit", number(1), "How many come: usually 25, at most 100"),
            ("page", number(1), "From 1, where there is no `offset`"),
            ("nometa", text(), "If it is not empty, the list comes without its three numbers"),
        ];
        parameters.map(|(name, schema, description)| query_parameter(name, schema, description)).to_vec()
    }
}
