//! `/users`: the caller's own account and, for administrators, everybody's, as in Redmine's REST API.
//!
//! It is a long file because the description of each operation stands above its handler.

use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::described::{InUser, Include, NotLetIn, NotTaken, SwitchUser};
use super::parameters::table::Operation;
use super::parameters::{Document, Parameters, is_without_numbers};
use super::people_search::{self, ListParameters};
use crate::app::App;
use crate::auth::credentials::Password;
use crate::auth::passwords::new_password::{NewPassword, Owner};
use crate::callers::api_user::{AccountRead, AdminUser, ApiUser, UsersRead, UsersWrite};
use crate::documents::person::Person;
use crate::http::address::id_of;
use crate::http::error::AppError;
use crate::http::format::Format;
use crate::models::groups::group::Group;
use crate::models::mails::told;
use crate::models::people::administration::{self, Addition, PersonChanges};
use crate::models::people::ownership::{NewServiceAccount, set_owners};
use crate::models::people::refusal::PersonRefusal;
use crate::models::people::service_account::owners_of;
use crate::models::people::user::{
    AccountKind, NewUser, Profile, SaveError, User, UserField, UserStatus, normalized_mail,
};
use crate::models::rules::FieldError;
use crate::secret::random_base62;

/// What a program is told that wants a password generated where no mail is sent.
const NO_MAIL: &str = "user[generate_password] is refused: no mail is sent here that could lead to a password. \
                                Set one, and tell it yourself.";
/// The length of a password that nobody knows.
const UNKNOWN_PASSWORD: usize = 40;

/// The number of people in a response by default, and the largest that `limit` can ask for.
const USUAL_LIMIT: i64 = 25;
const LARGEST_LIMIT: i64 = 100;

type JsonPerson = InUser<Person>;

/// Whether the parameter `include` asks for the list `name`.
pub(super) fn asks_for(parameters: &Parameters, name: &str) -> bool {
    parameters.texts("include").iter().any(|text| text.split(',').any(|part| part.trim() == name))
}

/// The person as they see themself, or as an administrator sees them, with what the parameter `include` asks for.
/// Everybody signs in here, so there is no `auth_source`.
async fn shown(
    app: &App,
    to_administrator: bool,
    user: User,
    (parameters, format): (&Parameters, Format),
) -> Result<Person, AppError> {
    let groups = match to_administrator && asks_for(parameters, "groups") {
        true => {
            let id = user.id;
            Some(app.database.read(move |connection| Group::of_person(connection, id)).await?)
        }
        false => None,
    };
    let person = if to_administrator { Person::for_administrators(user) } else { Person::themself(user) };
    Ok(person.including(groups, asks_for(parameters, "memberships"), format))
}

/// People, and where in the whole list they stand, unless the client wants to go without.
#[derive(Serialize, ToSchema)]
#[schema(as = People)]
struct JsonList {
    users: Vec<Person>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    total_count: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    offset: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    limit: Option<i64>,
}

/// People, and where in the whole list they stand, unless the client wants to go without.
#[derive(Serialize, ToSchema)]
#[schema(as = PeopleAsXml, xml(name = "users"))]
struct XmlList {
    #[serde(rename = "@total_count", skip_serializing_if = "Option::is_none")]
    #[schema(xml(attribute, name = "total_count"), nullable = false)]
    total_count: Option<i64>,
    #[serde(rename = "@offset", skip_serializing_if = "Option::is_none")]
    #[schema(xml(attribute, name = "offset"), nullable = false)]
    offset: Option<i64>,
    #[serde(rename = "@limit", skip_serializing_if = "Option::is_none")]
    #[schema(xml(attribute, name = "limit"), nullable = false)]
    limit: Option<i64>,
    #[serde(rename = "@type")]
    #[schema(xml(attribute, name = "type"), value_type = String, pattern = "^array$")]
    kind: &'static str,
    user: Vec<Person>,
}

/// What administrators may say about a person.
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
    /// Whether to set a password that nobody knows: the person chooses theirs by a link that they are sent.
    #[schema(ignore)]
    generate_password: Option<String>,
    /// `service` for a service account. It has a `lastname`, which is its name, and `owners`, and no `firstname`, `mail`
    /// or `password`. An account keeps its kind.
    #[schema(nullable = false, pattern = "^(person|service)$")]
    kind: Option<String>,
    /// The logins of the people who own the service account, with commas between.
    #[schema(nullable = false)]
    #[expect(dead_code, reason = "it may be a list, so it is read by itself; it stands here to be described")]
    owners: Option<String>,
}

type JsonPersonDocument = InUser<PersonDocument>;

/// A request to add a person. It has the same fields, but some of them are required.
struct NewPerson;

type JsonNewPerson = InUser<NewPerson>;

impl PartialSchema for NewPerson {
    fn schema() -> RefOr<Schema> {
        let mut schema = PersonDocument::schema();
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.required = ["login", "lastname"].map(str::to_owned).to_vec();
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
        "kind",
    ];
}

/// `GET /users/current.{json,xml}`
///
/// # Errors
/// If it cannot be written in this format; those of the database.
#[utoipa::path(
    get,
    path = "/users/current.{format}",
    operation_id = "showCurrentUser",
    summary = "Get the current user",
    params(SwitchUser, Include),
    responses(
        (status = 200, description = "The current user", content(
            (inline(JsonPerson) = "application/json"),
            (Person = "application/xml"),
        )),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn current(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser<AccountRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let parameters = Parameters::read(&request, format, payload, Operation::ShowCurrent).await?;
    format.respond("user", &shown(&app, me.user.admin, *me.user, (&parameters, format)).await?)
}

/// `GET /users.{json,xml}`
///
/// # Errors
/// A parameter that is refused; those of the database.
#[utoipa::path(
    get,
    path = "/users.{format}",
    operation_id = "listUsers",
    summary = "List people (administrators only)",
    params(SwitchUser, ListParameters),
    responses(
        (status = 200, description = "One page of the list", content(
            (JsonList = "application/json"),
            (XmlList = "application/xml"),
        )),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn list(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    _: AdminUser<UsersRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let parameters = Parameters::read(&request, format, payload, Operation::List).await?;
    let (offset, limit) = offset_and_limit(&parameters)?;
    let search = people_search::read(&parameters)?;
    let found = app.database.read(move |connection| search.find(connection, offset, limit)).await?;
    let users = found.users.into_iter().map(Person::for_administrators).collect();
    let has_numbers = !is_without_numbers(&parameters, request.headers());
    let [total_count, offset, limit] = [found.total, offset, limit].map(|number| has_numbers.then_some(number));
    let body = match format {
        Format::Json => {
            serde_json::to_string(&JsonList { users, total_count, offset, limit }).map_err(AppError::internal)?
        }
        Format::Xml => format.write("users", &XmlList { total_count, offset, limit, kind: "array", user: users })?,
    };
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, format.content_type())).body(body))
}

/// Reads `offset`, `limit` and `page` as leniently as Redmine does, because clients rely on it: what is not a number
/// counts as 0, a large limit is reduced, and `page` is used if there is no `offset`. The list of keys is Latchkey's
/// own and refuses such values (`tokens/filter.rs`), so the two do not share this function.
fn offset_and_limit(parameters: &Parameters) -> Result<(i64, i64), AppError> {
    let number = |name| {
        let text = parameters.text(name)?.filter(|text| !text.trim().is_empty());
        Ok::<_, AppError>(text.map(|text| text.trim().parse::<i64>().unwrap_or(0)))
    };
    let limit = match number("limit")?.unwrap_or(0) {
        ..1 => USUAL_LIMIT,
        limit => limit.min(LARGEST_LIMIT),
    };
    let first_of_page = number("page")?.map_or(0, |page| page.saturating_sub(1).saturating_mul(limit));
    Ok((number("offset")?.unwrap_or(first_of_page).max(0), limit))
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
    params(("id" = i64, Path, minimum = 1), SwitchUser, Include),
    responses(
        (status = 200, description = "The person", content(
            (inline(JsonPerson) = "application/json"),
            (Person = "application/xml"),
        )),
        (status = 404, description = "No account has this id."),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn show(
    app: web::Data<App>,
    request: HttpRequest,
    format: Format,
    me: ApiUser<UsersRead>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let parameters = Parameters::read(&request, format, payload, Operation::Show).await?;
    let id = id_of(&request);
    let viewer = me.user.clone();
    let user = if id.as_ref().is_ok_and(|id| *id == viewer.id) {
        *me.user
    } else {
        me.administrator()?;
        find(&app, id?).await?
    };
    let (is_owned, id) = (viewer.admin && user.is_service_account(), user.id);
    let person = shown(&app, viewer.admin, user, (&parameters, format)).await?;
    if !is_owned {
        return format.respond("user", &person);
    }
    let owners = app.database.lookup(move |connection| owners_of(connection, id)).await?;
    format.respond("user", &person.owned_by(&owners))
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
    let parameters = Parameters::read(&request, format, payload, Operation::Create).await?;
    let document: PersonDocument = parameters.user()?;
    let (kind, owners) = (document.kind()?.unwrap_or(AccountKind::Person), parameters.user_words("owners"));
    if kind == AccountKind::Service {
        let new = document.service_account(owners.unwrap_or_default())?;
        let most_accounts = app.config.most_accounts;
        let added = me.mandate.write(move |tx| {
            let account = new.make(tx, most_accounts)?;
            let owners = owners_of(tx.connection, account.id)?;
            Ok::<_, PersonRefusal>((account.id, Person::for_administrators(account).owned_by(&owners)))
        });
        let (id, person) = added.await??;
        return created(&app, format, id, &person);
    }
    if owners.is_some() {
        return Err(AppError::from(PersonRefusal::NoServiceAccount));
    }
    let profile = Profile {
        firstname: document.firstname.clone().unwrap_or_default(),
        lastname: document.lastname.clone().unwrap_or_default(),
        mail: document.mail.clone().unwrap_or_default(),
    };
    let login = document.login.as_deref().unwrap_or_default().trim().to_owned();
    let mut new =
        NewUser { login, profile: profile.normalized(), password_hash: None, admin: false, kind: AccountKind::Person };
    let checked = new.clone();
    let mut errors = app.database.read(move |connection| checked.errors(connection)).await?;
    let password = document.password(&app, Owner { login: &new.login, profile: &new.profile }, &mut errors)?;
    let status = document.status(&mut errors).unwrap_or(UserStatus::Active);
    new.admin = truth("admin", document.admin.as_deref())?.unwrap_or(false);
    let must_change_password = truth("must_change_passwd", document.must_change_passwd.as_deref())?.unwrap_or(false);
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    new.password_hash = hash(&app, password).await?;
    let most_accounts = app.config.most_accounts;
    let sends_link = sends_link(&parameters)? && new.password_hash.is_some();
    let addition = Addition { new, status, must_change_password, most_accounts };
    let added = me.mandate.write(move |tx| {
        let added = addition.make(tx)?;
        if sends_link {
            told::tell_of_account(tx, added.id)?;
        }
        Ok::<_, PersonRefusal>(added)
    });
    let added = added.await??;
    created(&app, format, added.id, &Person::for_administrators(added))
}

/// The response with an account that has been added.
fn created(app: &App, format: Format, id: i64, person: &Person) -> Result<HttpResponse, AppError> {
    let location = app.url.join(&format!("/users/{id}"));
    let body = format.write("user", person)?;
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
    let parameters = Parameters::read(&request, format, payload, Operation::Update).await?;
    let (document, owners): (PersonDocument, _) = (parameters.user()?, parameters.user_words("owners"));
    let user = find(&app, id_of(&request)?).await?;
    let id = user.id;
    if document.kind()?.is_some_and(|kind| kind != user.kind) {
        return Err(AppError::Invalid(vec!["An account keeps its kind: make another one instead".to_owned()]));
    }
    let trim = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_owned());
    let mut changes = PersonChanges {
        status: None,
        admin: truth("admin", document.admin.as_deref())?,
        must_change_password: truth("must_change_passwd", document.must_change_passwd.as_deref())?,
        login: trim(&document.login),
        firstname: trim(&document.firstname),
        lastname: trim(&document.lastname),
        mail: document.mail.as_deref().map(normalized_mail),
        password_hash: None,
    };
    let (login, profile) = changes.after(&user);
    let checked = changes.clone();
    let mut errors = app.database.read(move |connection| checked.errors(connection, &user)).await?;
    let password = document.password(&app, Owner { login: &login, profile: &profile }, &mut errors)?;
    changes.status = document.status(&mut errors);
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors).into());
    }
    changes.password_hash = hash(&app, password).await?;
    let sends_link = sends_link(&parameters)? && changes.password_hash.is_some();
    let changed = me.mandate.write_about(id, move |tx| {
        changes.apply(tx, id)?;
        if sends_link {
            told::tell_of_account(tx, id)?;
        }
        owners.map_or(Ok(()), |owners| set_owners(tx, id, &owners))
    });
    changed.await??;
    Ok(HttpResponse::NoContent().finish())
}

/// `DELETE /users/ID.{json,xml}`: with the parameter `lock`, the person is locked instead.
///
/// # Errors
/// One's own account; nobody has this id; `confirm` is another login; those of the database.
#[utoipa::path(
    delete,
    path = "/users/{id}.{format}",
    operation_id = "deleteUser",
    summary = "Delete a person with their sessions, keys and activity, or lock them (administrators only)",
    description = "An access token cannot delete or lock an administrator.",
    params(
        ("id" = i64, Path, minimum = 1),
        SwitchUser,
        ("lock" = Option<String>, Query, nullable = false,
            description = "Lock the person instead of deleting them, whatever the value"),
        ("confirm" = Option<String>, Query, nullable = false,
            description = "The login of the person: nothing happens if it is another one"),
    ),
    responses(
        (status = 204, description = "The person was deleted or locked."),
        (status = 404, description = "No account has this id."),
        NotLetIn,
        NotTaken,
    ),
)]
pub async fn delete(
    request: HttpRequest,
    format: Format,
    me: AdminUser<UsersWrite>,
    payload: web::Payload,
) -> Result<HttpResponse, AppError> {
    let parameters = Parameters::read(&request, format, payload, Operation::Delete).await?;
    let id = id_of(&request)?;
    let confirmed = parameters.text("confirm")?.filter(|login| !login.is_empty());
    let locks = parameters.is_given("lock");
    let done = me.mandate.write_about(id, move |tx| {
        if let Some(login) = confirmed {
            administration::confirm_login(tx, id, &login)?;
        }
        match locks {
            true => PersonChanges { status: Some(UserStatus::Locked), ..PersonChanges::default() }.apply(tx, id),
            false => administration::delete(tx, id),
        }
    });
    done.await??;
    Ok(HttpResponse::NoContent().finish())
}

async fn find(app: &App, id: i64) -> Result<User, AppError> {
    app.database.lookup(move |connection| User::find(connection, id)).await?.ok_or(AppError::NotFound)
}

async fn hash(app: &App, password: Option<NewPassword>) -> Result<Option<String>, AppError> {
    match password {
        Some(password) => Ok(Some(app.passwords.hash(&password).await?)),
        None => Ok(None),
    }
}

/// Whether the person is to be sent a link to choose a password.
fn sends_link(parameters: &Parameters) -> Result<bool, AppError> {
    Ok(truth("send_information", parameters.text("send_information")?.as_deref())?.unwrap_or(false))
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
    /// Whom the account is for; `None`: it does not say.
    fn kind(&self) -> Result<Option<AccountKind>, AppError> {
        let Some(kind) = self.kind.as_deref().map(str::trim).filter(|kind| !kind.is_empty()) else { return Ok(None) };
        let unknown = || AppError::Invalid(vec!["Kind is invalid: there are person and service".to_owned()]);
        AccountKind::of_text(kind).map(Some).ok_or_else(unknown)
    }

    /// The service account that it describes, which cannot have what only people have.
    fn service_account(&self, owners: Vec<String>) -> Result<NewServiceAccount, AppError> {
        let text = |field: &Option<String>| field.as_deref().unwrap_or_default().trim().to_owned();
        let is_said = |field: &Option<String>| !text(field).is_empty();
        if is_said(&self.password) {
            return Err(PersonRefusal::NoPassword.into());
        }
        if is_said(&self.firstname) || is_said(&self.mail) {
            let problem = "A service account has a login, a lastname, which is its name, and owners: no more";
            return Err(AppError::Invalid(vec![problem.to_owned()]));
        }
        Ok(NewServiceAccount { login: text(&self.login), name: text(&self.lastname), owners })
    }

    /// The new password: the one that is given, or one that nobody knows. `None` if it is missing, empty or breaks a rule.
    fn password(
        &self,
        app: &App,
        owner: Owner<'_>,
        errors: &mut Vec<FieldError<UserField>>,
    ) -> Result<Option<NewPassword>, AppError> {
        if !truth("generate_password", self.generate_password.as_deref())?.unwrap_or(false) {
            return Ok(self.given_password(owner, errors));
        }
        if !app.config.sends_mail() {
            return Err(AppError::Invalid(vec![NO_MAIL.to_owned()]));
        }
        let unknown = NewPassword::of(Password::new(random_base62(UNKNOWN_PASSWORD)), owner);
        Ok(unknown.map_err(|error| errors.push(error)).ok())
    }

    fn given_password(&self, owner: Owner<'_>, errors: &mut Vec<FieldError<UserField>>) -> Option<NewPassword> {
        let password = self.password.as_deref().filter(|password| !password.is_empty())?;
        let accepted = NewPassword::of(Password::new(password), owner).map_err(|error| errors.push(error)).ok();
        let differs = |confirmation: &str| Password::new(confirmation) != Password::new(password);
        if self.password_confirmation.as_deref().is_some_and(differs) {
            errors.push(FieldError::new(UserField::Password, "doesn't match confirmation"));
        }
        accepted
    }

    fn status(&self, errors: &mut Vec<FieldError<UserField>>) -> Option<UserStatus> {
        let number = self.status.as_deref().map(str::trim).filter(|number| !number.is_empty())?;
        let status = UserStatus::numbered(number);
        if status.is_none() {
            errors.push(FieldError::new(UserField::Status, "is invalid"));
        }
        status
    }
}
