//! `/users`: the caller's own account and, for administrators, everybody's, as in Redmine's REST API.
//!
//! It is a long file because the description of each operation stands above its handler.

use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::described::{InUser, NotLetIn, NotTaken, SwitchUser};
use super::document::{Document, read};
use crate::app::App;
use crate::auth::credentials::{Password, parameter};
use crate::auth::passwords::rules::{NewPassword, Owner};
use crate::callers::api_user::{AccountRead, AdminUser, ApiUser, UsersRead, UsersWrite};
use crate::clock::iso8601;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::people::administration::{self, Addition, PeopleFilter, PersonChanges};
use crate::models::people::search::SearchTooLong;
use crate::models::people::user::{NewUser, Profile, SaveError, User, UserField, UserStatus, login_errors};
use crate::models::rules::FieldError;

/// The number of people in a response by default, and the largest that `limit` can ask for.
const USUAL_LIMIT: i64 = 25;
const LARGEST_LIMIT: i64 = 100;

/// A person. The field `api_key` is left out: no secret is stored that could stand in it.
#[derive(Serialize, ToSchema)]
#[schema(xml(name = "user"))]
struct Person {
    id: i64,
    login: String,
    admin: bool,
    firstname: String,
    lastname: String,
    mail: String,
    #[schema(format = DateTime)]
    created_on: String,
    #[schema(format = DateTime)]
    updated_on: String,
    #[schema(format = DateTime, required)]
    last_login_on: Option<String>,
    #[schema(format = DateTime, required)]
    passwd_changed_on: Option<String>,
    #[schema(required)]
    twofa_scheme: Option<String>,
    /// Only administrators are told: 1 active, 2 registered, 3 locked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1, maximum = 3)]
    status: Option<i64>,
}

type JsonPerson = InUser<Person>;

impl Person {
    /// The fields that people see about themselves.
    fn themself(user: User) -> Self {
        Self {
            id: user.id,
            login: user.login,
            admin: user.admin,
            firstname: user.firstname,
            lastname: user.lastname,
            mail: user.mail,
            created_on: iso8601(user.created_on),
            updated_on: iso8601(user.updated_on),
            last_login_on: user.last_login_on.map(iso8601),
            passwd_changed_on: user.passwd_changed_on.map(iso8601),
            twofa_scheme: user.twofa_scheme,
            status: None,
        }
    }

    /// The fields that administrators see about everybody.
    fn for_administrators(user: User) -> Self {
        let status = Some(user.status.number());
        Self { status, ..Self::themself(user) }
    }
}

/// People, and where in the whole list they stand.
#[derive(Serialize, ToSchema)]
#[schema(as = People)]
struct JsonList {
    users: Vec<Person>,
    total_count: i64,
    offset: i64,
    limit: i64,
}

/// People, and where in the whole list they stand.
#[derive(Serialize, ToSchema)]
#[schema(as = PeopleAsXml, xml(name = "users"))]
struct XmlList {
    #[serde(rename = "@total_count")]
    #[schema(xml(attribute, name = "total_count"))]
    total_count: i64,
    #[serde(rename = "@offset")]
    #[schema(xml(attribute, name = "offset"))]
    offset: i64,
    #[serde(rename = "@limit")]
    #[schema(xml(attribute, name = "limit"))]
    limit: i64,
    #[serde(rename = "@type")]
    #[schema(xml(attribute, name = "type"), value_type = String, pattern = "^array$")]
    kind: &'static str,
    user: Vec<Person>,
}

/// What administrators may say about a person; every other field is ignored.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = PersonChanges, xml(name = "user"))]
struct PersonDocument {
    #[schema(nullable = false, min_length = 1, max_length = 60, pattern = "^[A-Za-z0-9_@.-]+$")]
    login: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 30)]
    firstname: Option<String>,
    #[schema(nullable = false, min_length = 1, max_length = 255)]
    lastname: Option<String>,
    #[schema(nullable = false, format = "email", max_length = 254)]
    mail: Option<String>,
    #[schema(nullable = false, format = Password, min_length = 8, max_length = 1024, write_only)]
    password: Option<String>,
    /// The same as `password`.
    #[schema(nullable = false, format = Password, write_only)]
    password_confirmation: Option<String>,
    #[schema(value_type = Option<bool>, nullable = false)]
    admin: Option<String>,
    /// 1 active, 2 registered, 3 locked.
    #[schema(value_type = Option<i64>, nullable = false, minimum = 1, maximum = 3)]
    status: Option<String>,
    /// Whether the password must be changed at the next sign-in.
    #[schema(value_type = Option<bool>, nullable = false)]
    must_change_passwd: Option<String>,
    #[schema(ignore)]
    generate_password: Option<String>,
}

type JsonPersonDocument = InUser<PersonDocument>;

/// A request to add a person. It has the same fields, but some of them are required.
struct NewPerson;

type JsonNewPerson = InUser<NewPerson>;

impl PartialSchema for NewPerson {
    fn schema() -> RefOr<Schema> {
        let mut schema = PersonDocument::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required = ["login", "firstname", "lastname", "mail"].map(str::to_owned).to_vec();
        }
        schema
    }
}

impl ToSchema for NewPerson {}

impl Document for PersonDocument {
    const FIELDS: &'static [&'static str] = &[
        "login",
        "firstname",
        "lastname",
        "mail",
        "password",
        "password_confirmation",
        "admin",
        "status",
        "must_change_passwd",
        "generate_password",
    ];
}

/// `GET /users/current.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format.
#[utoipa::path(
    get,
    path = "/users/current.{format}",
    operation_id = "showCurrentUser",
    summary = "Get the current user",
    params(SwitchUser),
    responses(
        (status = 200, description = "The current user", content(
            (inline(JsonPerson) = "application/json"),
            (Person = "application/xml"),
        )),
        NotLetIn,
    ),
)]
pub async fn current(format: Format, me: ApiUser<AccountRead>) -> Result<HttpResponse, AppError> {
    format.respond("user", &Person::themself(me.user))
}

/// `GET /users.{json,xml}`: `status`, `name`, `offset`, `limit`.
///
/// # Errors
/// A search that is too long; those of the database.
#[utoipa::path(
    get,
    path = "/users.{format}",
    operation_id = "listUsers",
    summary = "List people (administrators only)",
    params(
        SwitchUser,
        ("status" = Option<String>, Query, pattern = "^[123*]?$", nullable = false,
            description = "1: active (the default), 2: registered, 3: locked, empty: all"),
        ("name" = Option<String>, Query, nullable = false, max_length = 300,
            description = "Part of a login or email, or words that are each part of the first or last name"),
        ("offset" = Option<i64>, Query, minimum = 0, nullable = false, description = "The number of items to skip"),
        ("limit" = Option<i64>, Query, minimum = 1, nullable = false,
            description = "The number of items to return: 25 by default, 100 at most"),
        ("page" = Option<i64>, Query, minimum = 1, nullable = false,
            description = "The page to return, from 1; ignored with `offset`"),
    ),
    responses(
        (status = 200, description = "One page of the list", content(
            (JsonList = "application/json"),
            (XmlList = "application/xml"),
        )),
        (status = 422, description = "`name` has too many words or characters."),
        NotLetIn,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    _: AdminUser<UsersRead>,
) -> Result<HttpResponse, AppError> {
    let query = request.query_string();
    let (offset, limit) = offset_and_limit(query);
    let name = parameter(query, "name").unwrap_or_default();
    let name = name.parse().map_err(|too_long: SearchTooLong| AppError::Invalid(vec![format!("Name {too_long}")]))?;
    let filter = PeopleFilter { statuses: statuses(query), name };
    let found = app.database.read(move |connection| filter.find(connection, offset, limit)).await?;
    let (total_count, users) = (found.total, found.users.into_iter().map(Person::for_administrators).collect());
    match format {
        Format::Json => {
            let list = JsonList { users, total_count, offset, limit };
            let body = serde_json::to_string(&list).map_err(AppError::internal)?;
            Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, format.content_type())).body(body))
        }
        Format::Xml => format.respond("users", &XmlList { total_count, offset, limit, kind: "array", user: users }),
    }
}

/// Reads `status` as Redmine does: without it only active people are listed, if it is empty everybody, and if it is no
/// status nobody.
fn statuses(query: &str) -> Vec<UserStatus> {
    match parameter(query, "status").as_deref() {
        None => vec![UserStatus::Active],
        Some("" | "*") => UserStatus::ALL.to_vec(),
        Some(number) => UserStatus::numbered(number).into_iter().collect(),
    }
}

/// Reads `offset`, `limit` and `page` as leniently as Redmine does, because clients rely on it: what is not a number
/// counts as 0, a large limit is reduced, and `page` is used if there is no `offset`. The list of keys is Latchkey's
/// own and refuses such values (`tokens/filter.rs`), so the two do not share this function.
fn offset_and_limit(query: &str) -> (i64, i64) {
    let number = |name| {
        let text = parameter(query, name).filter(|text| !text.trim().is_empty())?;
        Some(text.trim().parse::<i64>().unwrap_or(0))
    };
    let limit = match number("limit").unwrap_or(0) {
        ..1 => USUAL_LIMIT,
        limit => limit.min(LARGEST_LIMIT),
    };
    let first_of_page = || number("page").map_or(0, |page| page.saturating_sub(1).saturating_mul(limit));
    (number("offset").unwrap_or_else(first_of_page).max(0), limit)
}

/// `GET /users/ID.{json,xml}`: administrators see everybody, others themselves.
///
/// # Errors
/// 403 for others; nobody has this id; those of the database.
#[utoipa::path(
    get,
    path = "/users/{id}.{format}",
    operation_id = "showUser",
    summary = "Get a person (administrators, or the person themselves)",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 200, description = "The person", content(
            (inline(JsonPerson) = "application/json"),
            (Person = "application/xml"),
        )),
        (status = 404, description = "No account has this id."),
        NotLetIn,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser<UsersRead>,
) -> Result<HttpResponse, AppError> {
    let id = id_of(&request);
    if !me.user.admin && id.as_ref().is_ok_and(|id| *id == me.user.id) {
        return format.respond("user", &Person::themself(me.user));
    }
    me.administrator()?;
    let user = find(&app, id?).await?;
    format.respond("user", &Person::for_administrators(user))
}

/// `POST /users.{json,xml}`
///
/// # Errors
/// Broken rules; a body that cannot be read; those of the database.
#[utoipa::path(
    post,
    path = "/users.{format}",
    operation_id = "createUser",
    summary = "Add a person (administrators only)",
    description = "An access token cannot set a password or add an administrator.",
    params(SwitchUser),
    request_body(content((inline(JsonNewPerson) = "application/json"), (NewPerson = "application/xml"))),
    responses(
        (status = 201, description = "The person", content(
            (inline(JsonPerson) = "application/json"),
            (Person = "application/xml"),
        ), headers(("Location" = String, description = "The address of the person, without `.json` or `.xml`")), links(
            ("show" = (operation_id = "showUser", parameters(("id" = "$response.body#/user/id")))),
            ("update" = (operation_id = "updateUser", parameters(("id" = "$response.body#/user/id")))),
            ("delete" = (operation_id = "deleteUser", parameters(("id" = "$response.body#/user/id")))),
        )),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn create(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: AdminUser<UsersWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let document: PersonDocument = read(&request, format, payload).await?;
    let profile = Profile {
        firstname: document.firstname.clone().unwrap_or_default(),
        lastname: document.lastname.clone().unwrap_or_default(),
        mail: document.mail.clone().unwrap_or_default(),
    };
    let login = document.login.as_deref().unwrap_or_default().trim().to_owned();
    let mut new = NewUser { login, profile: profile.trimmed(), password_hash: None, admin: false };
    let mut errors = new.errors();
    let password = document.password(Owner { login: &new.login, profile: &new.profile }, &mut errors);
    let status = document.status(&mut errors).unwrap_or(UserStatus::Active);
    new.admin = truth("admin", document.admin.as_deref())?.unwrap_or(false);
    let must_change_password = truth("must_change_passwd", document.must_change_passwd.as_deref())?.unwrap_or(false);
    document.refuse_to_generate(&mut errors)?;
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    new.password_hash = hash(&app, password).await?;
    let most_accounts = app.config.most_accounts;
    let addition = Addition { new, status, must_change_password, most_accounts };
    let added = me.mandate.write(move |tx| addition.make(tx)).await??;
    let location = app.url.join(&format!("/users/{}", added.id));
    let body = format.write("user", &Person::for_administrators(added))?;
    let headers = [(LOCATION, location.as_str()), (CONTENT_TYPE, format.content_type())];
    let mut response = HttpResponse::Created();
    for header in headers {
        response.insert_header(header);
    }
    Ok(response.body(body))
}

/// `PUT /users/ID.{json,xml}`
///
/// # Errors
/// Broken rules; nobody has this id; a body that cannot be read; those of the database.
#[utoipa::path(
    put,
    path = "/users/{id}.{format}",
    operation_id = "updateUser",
    summary = "Change a person (administrators only)",
    description = "An access token cannot set a password, and cannot change an administrator or make somebody one.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    request_body(content((inline(JsonPersonDocument) = "application/json"), (PersonDocument = "application/xml"))),
    responses(
        (status = 204, description = "The person was changed."),
        (status = 404, description = "No account has this id."),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn update(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: AdminUser<UsersWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let document: PersonDocument = read(&request, format, payload).await?;
    let user = find(&app, id_of(&request)?).await?;
    let id = user.id;
    let trim = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
    let mut changes = PersonChanges {
        status: None,
        admin: truth("admin", document.admin.as_deref())?,
        must_change_password: truth("must_change_passwd", document.must_change_passwd.as_deref())?,
        login: trim(&document.login),
        firstname: trim(&document.firstname),
        lastname: trim(&document.lastname),
        mail: trim(&document.mail),
        password_hash: None,
    };
    let (login, profile) = changed(&changes, user);
    let mut errors = login_errors(&login);
    errors.extend(profile.errors());
    let password = document.password(Owner { login: &login, profile: &profile }, &mut errors);
    document.refuse_to_generate(&mut errors)?;
    changes.status = document.status(&mut errors);
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    changes.password_hash = hash(&app, password).await?;
    me.mandate.write_about(id, move |tx| changes.apply(tx, id)).await??;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /users/ID.{json,xml}`
///
/// # Errors
/// One's own account; nobody has this id; those of the database.
#[utoipa::path(
    delete,
    path = "/users/{id}.{format}",
    operation_id = "deleteUser",
    summary = "Delete a person with their sessions, keys and activity (administrators only)",
    description = "An access token cannot delete an administrator.",
    params(("id" = i64, Path, minimum = 1), SwitchUser),
    responses(
        (status = 204, description = "The person was deleted."),
        (status = 404, description = "No account has this id."),
        (status = 422, description = "You cannot delete your own account or the last administrator."),
        NotLetIn,
    ),
)]
pub async fn delete(request: HttpRequest, me: AdminUser<UsersWrite>) -> Result<HttpResponse, AppError> {
    let id = id_of(&request)?;
    me.mandate.write_about(id, move |tx| administration::delete(tx, id)).await??;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(app: &App, id: i64) -> Result<User, AppError> {
    app.database.lookup(move |connection| User::find(connection, id)).await?.ok_or(AppError::NotFound)
}

/// The login and the profile of `user` after `changes`.
fn changed(changes: &PersonChanges, user: User) -> (String, Profile) {
    let changed = |new: &Option<String>, old| new.clone().unwrap_or(old);
    let profile = Profile {
        firstname: changed(&changes.firstname, user.firstname),
        lastname: changed(&changes.lastname, user.lastname),
        mail: changed(&changes.mail, user.mail),
    };
    (changed(&changes.login, user.login), profile)
}

async fn hash(app: &App, password: Option<NewPassword>) -> Result<Option<String>, AppError> {
    match password {
        Some(password) => Ok(Some(app.passwords.hash(&password).await?)),
        None => Ok(None),
    }
}

/// Reads a boolean as Rails does; empty means that nothing was said.
fn truth(name: &str, text: Option<&str>) -> Result<Option<bool>, AppError> {
    match text.map(|text| text.trim().to_ascii_lowercase()).as_deref() {
        None | Some("") => Ok(None),
        Some("true" | "t" | "1" | "on") => Ok(Some(true)),
        Some("false" | "f" | "0" | "off") => Ok(Some(false)),
        Some(_) => Err(AppError::BadRequest(format!("{name} must be true or false."))),
    }
}

impl PersonDocument {
    /// The new password; `None` if it is missing, empty or breaks a rule.
    fn password(&self, owner: Owner<'_>, errors: &mut Vec<FieldError<UserField>>) -> Option<NewPassword> {
        let password = self.password.as_deref().filter(|password| !password.is_empty())?;
        let accepted = NewPassword::of(Password::new(password), owner).map_err(|error| errors.push(error)).ok();
        if self.password_confirmation.as_deref().is_some_and(|confirmation| confirmation != password) {
            errors.push(FieldError::new(UserField::Password, "doesn't match confirmation"));
        }
        accepted
    }

    fn status(&self, errors: &mut Vec<FieldError<UserField>>) -> Option<UserStatus> {
        let number = self.status.as_deref().map(str::trim).filter(|number| !number.is_empty())?;
        let status = UserStatus::numbered(number);
        if status.is_none() {
            errors.push(FieldError::new(UserField::Status, "is not included in the list"));
        }
        status
    }

    /// Redmine generates a password and mails it. Latchkey sends no mail, so nobody would learn such a password.
    fn refuse_to_generate(&self, errors: &mut Vec<FieldError<UserField>>) -> Result<(), AppError> {
        if truth("generate_password", self.generate_password.as_deref())? == Some(true) {
            errors.push(FieldError::new(
                UserField::Password,
                "cannot be generated, as no mail is sent here: give one instead of generate_password",
            ));
        }
        Ok(())
    }
}
