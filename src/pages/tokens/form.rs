//! The form for an access token: its name, note, scopes and expiry.

use std::net::IpAddr;

use actix_web::HttpRequest;
use chrono::TimeDelta;
use serde::Deserialize;

use crate::app::App;
use crate::callers::mandate::Mandate;
use crate::callers::posted_form::Fields;
use crate::clock::{Timestamp, parse_date};
use crate::http::error::AppError;
use crate::models::keys::authority::Authority;
use crate::models::keys::idempotency::OnceOnly;
use crate::models::keys::key::Key;
use crate::models::keys::key_request::{Expiry, KeyChanges, KeyField, KeyPolicy, NewKey};
use crate::models::keys::networks::{NetworkLimit, Networks};
use crate::models::keys::scope::{KeyScopes, Scopes};
use crate::models::keys::scope_group::{DescribedScope, ScopeGroup, Titles};
use crate::models::people::user::User;
use crate::models::rules::FieldError;
use crate::models::services::scopes_of_keys;
use crate::pages::form::{Checkbox, Choice, Field, error_summary};
use crate::pages::moment::Due;
use crate::pages::networks::field::{NetworksField, NetworksForm};

/// The lifetimes to choose from, in days.
const LIFETIMES: [u16; 4] = [7, 30, 60, 90];
/// The expiry choice that stands for the default lifetime.
const USUAL: &str = "usual";
/// The expiry choice that keeps the current expiry.
const KEEP: &str = "keep";
const NEVER: &str = "never";
const DATE: &str = "date";

/// The fields as they were sent.
#[derive(Clone, Default, Deserialize)]
#[serde(from = "Fields")]
pub struct TokenForm {
    name: String,
    note: String,
    scopes: Vec<String>,
    expiry: String,
    date: String,
    networks: NetworksForm,
    /// The token that was created last when the form was shown; see [`Key::latest_made`].
    pub after: String,
}

/// How the idempotency keys of this form differ from those of programs.
const FORM: &str = "form";

impl From<Fields> for TokenForm {
    fn from(fields: Fields) -> Self {
        let mut form = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "name" => form.name = value,
                // Browsers send line breaks as CRLF.
                "note" => form.note = value.replace("\r\n", "\n"),
                "scopes" => form.scopes.push(value),
                "expiry" => form.expiry = value,
                "date" => form.date = value,
                "networks" => form.networks.networks = value.replace("\r\n", "\n"),
                "confirm_networks" => form.networks.confirm_networks = Checkbox::ticked(),
                "after" => form.after = value,
                _ => {}
            }
        }
        form
    }
}

impl TokenForm {
    /// A form that nobody has filled in yet.
    pub fn blank(app: &App) -> Self {
        Self { expiry: usual_choice(app), ..Self::default() }
    }

    /// A form with the current values of `key`.
    pub fn of(key: &Key) -> Self {
        Self {
            name: key.name.clone().unwrap_or_default(),
            note: key.note.clone(),
            scopes: key.scopes.words().collect(),
            expiry: KEEP.to_owned(),
            networks: NetworksForm::of(key),
            ..Self::default()
        }
    }

    /// The token that the form asks for, and the errors in its expiry and networks, if these cannot be parsed. `now` and no
    /// networks then stand in for them, which no token may have: nothing is created, and all other errors are reported
    /// together with these.
    ///
    /// # Errors
    /// Returns 400 for values that our forms never send.
    pub fn new_key(&self, now: Timestamp) -> Result<(NewKey, Vec<FieldError<KeyField>>), AppError> {
        let (scopes, mut unclear) = (self.scopes()?, Vec::new());
        let (name, note) = (self.name.trim().to_owned(), self.note.trim().to_owned());
        let expiry = self.expiry().unwrap_or_else(|error| {
            unclear.push(error);
            Some(Expiry::On(now))
        });
        let networks = self.networks.limit().unwrap_or_else(|error| {
            unclear.push(error);
            NetworkLimit { networks: Some(Networks::of([])), is_confirmed: false }
        });
        Ok((NewKey { name, note, scopes, expiry, networks: Some(networks) }, unclear))
    }

    /// The changes that the form asks for, with what cannot be parsed handled in the same way.
    ///
    /// # Errors
    /// Returns the same errors as [`TokenForm::new_key`].
    pub fn changes(&self, now: Timestamp) -> Result<(KeyChanges, Vec<FieldError<KeyField>>), AppError> {
        let (new, unclear) = self.new_key(now)?;
        let (name, note, scopes) = (Some(new.name), Some(new.note), Some(new.scopes));
        Ok((KeyChanges { name, note, scopes, expiry: new.expiry, networks: new.networks }, unclear))
    }

    /// The form as a request that is done only once. It is the same request if it has the same content and was opened
    /// at the same state of the list: a reload creates nothing, but another name in a second tab does.
    pub fn once(&self, app: &App, user_id: i64) -> OnceOnly {
        let mut scopes = self.scopes.clone();
        scopes.sort();
        let rest = (&self.expiry, self.date.trim(), self.networks.networks.trim(), &self.after);
        let content = (self.name.trim(), self.note.trim(), scopes, rest);
        OnceOnly::new(user_id, FORM, &format!("{content:?}"), &[], app.config.idempotency_retention.limit())
    }

    fn scopes(&self) -> Result<KeyScopes, AppError> {
        let scopes = KeyScopes::of_words(self.scopes.iter().map(String::as_str));
        scopes.map_err(|unknown| AppError::BadRequest(format!("{unknown}.")))
    }

    /// The expiry; `None` for the default one, or to keep the current one.
    fn expiry(&self) -> Result<Option<Expiry>, FieldError<KeyField>> {
        let wrong = |problem: &str| FieldError::new(KeyField::Expiry, problem);
        match self.expiry.as_str() {
            "" | USUAL | KEEP => Ok(None),
            DATE if self.date.trim().is_empty() => Err(wrong("needs a date")),
            DATE if parse_date(self.date.trim()).is_none() => Err(wrong("must be a date such as 2027-01-31")),
            DATE => self.date.parse().map(Some).map_err(wrong),
            lifetime => lifetime.parse().map(Some).map_err(wrong),
        }
    }
}

/// The `errors` with those that are `unclear` in place of others about the same fields.
pub fn with_unclear(
    errors: Vec<FieldError<KeyField>>,
    unclear: Vec<FieldError<KeyField>>,
) -> Vec<FieldError<KeyField>> {
    let is_unclear = |field: KeyField| unclear.iter().any(|error| error.field == field);
    let mut all: Vec<_> = errors.into_iter().filter(|error| !is_unclear(error.field)).collect();
    all.extend(unclear);
    all
}

/// The scopes that a person can choose for a token, and what they call the services.
pub struct Offered {
    scopes: KeyScopes,
    /// The titles of the services that admit the person.
    pub titles: Titles,
}

/// The scopes about one thing, each with a checkbox.
pub struct ScopeChoices {
    /// What they are about.
    pub title: String,
    /// Whether only administrators can choose them.
    pub is_for_administrators: bool,
    /// The checkboxes.
    pub choices: Vec<Choice>,
}

impl Offered {
    /// The scopes that can be given to a token of `holder` by `mandate`.
    ///
    /// # Errors
    /// Returns an error if a query fails.
    pub async fn to(app: &App, holder: &User, mandate: &Mandate) -> Result<Self, AppError> {
        let (user_id, is_admin) = (holder.id, holder.admin);
        let of_services =
            app.database.lookup(move |connection| scopes_of_keys::offered_to(connection, user_id)).await?;
        let titles = of_services.iter().map(|(service, _)| (service.name.clone(), service.settings.title.clone()));
        let titles = titles.collect();
        let own = Scopes::open_to(is_admin);
        let services = of_services.into_iter().map(|(_, scope)| scope).collect();
        let scopes = KeyScopes { own, services };
        let most = mandate.most_scopes().await?;
        Ok(Self { scopes: most.map_or_else(|| scopes.clone(), |most| scopes.intersection(&most)), titles })
    }

    /// The checkboxes, ticked where `chosen` has the scope's word. The scopes that `key` has already are among them,
    /// even if its owner could not give it those now, so that they can be removed.
    fn choices(&self, key: Option<&Key>, chosen: &[String]) -> Vec<ScopeChoices> {
        let all = key.map_or_else(|| self.scopes.clone(), |key| self.scopes.union(&key.scopes));
        let groups = ScopeGroup::of(&all, &self.titles);
        let choice = |scope: &DescribedScope| Choice {
            id: String::new(),
            value: scope.word.clone(),
            label: scope.description.clone(),
            detail: scope.word.clone(),
            is_chosen: chosen.contains(&scope.word),
        };
        let mut choices =
            Choice::numbered("scopes", groups.iter().flat_map(|group| &group.scopes).map(choice)).into_iter();
        let of_group = |ScopeGroup { title, is_for_administrators, scopes }| ScopeChoices {
            title,
            is_for_administrators,
            choices: choices.by_ref().take(scopes.len()).collect(),
        };
        groups.into_iter().map(of_group).collect()
    }
}

/// The fields as the page shows them, with their errors.
pub struct TokenFields {
    /// The name.
    pub name: Field,
    /// The note.
    pub note: Field,
    /// The errors about the scopes as a whole.
    pub scopes: Field,
    /// A checkbox for each scope, in groups.
    pub scope_choices: Vec<ScopeChoices>,
    /// The errors about the expiry.
    pub expiry: Field,
    /// The lifetimes to choose from, a date, and no expiry.
    pub expiry_choices: Vec<Choice>,
    /// The date that was typed.
    pub date: String,
    /// The first and the last date that can be chosen; empty if there is no limit.
    pub dates: (String, String),
    /// Where the token may be used from.
    pub networks: NetworksField,
}

impl TokenFields {
    /// The fields of `form` for whoever sent `request` and can choose the scopes `offered`. `kept` is the token that the
    /// form changes; `None` for a new one.
    pub fn new(
        (app, request): (&App, &HttpRequest),
        offered: &Offered,
        form: TokenForm,
        kept: Option<&Key>,
        errors: &[FieldError<KeyField>],
    ) -> Self {
        let now = app.clock.now();
        let longest = KeyPolicy::of(&app.config).longest_lifetime;
        let day = |time: Timestamp| time.format("%Y-%m-%d").to_string();
        Self {
            scope_choices: offered.choices(kept, &form.scopes),
            expiry_choices: Choice::numbered("expiry", expiries(app, kept, &form.expiry).into_iter()),
            name: Field::new(form.name, KeyField::Name, errors),
            note: Field::new(form.note, KeyField::Note, errors),
            scopes: Field::new("", KeyField::Scopes, errors),
            expiry: Field::new("", KeyField::Expiry, errors),
            date: form.date,
            dates: (day(now), longest.map(|longest| day(now + longest)).unwrap_or_default()),
            networks: NetworksField::new(app, request, form.networks, errors),
        }
    }

    /// The same fields, asking whether the token shall really not work from `address`.
    pub fn asking(self, address: IpAddr) -> Self {
        Self { networks: self.networks.asking(address), ..self }
    }

    /// Everything that is wrong with the form, with the ids of the fields concerned.
    pub fn error_summary(&self) -> Vec<(&'static str, String)> {
        let Self { name, note, scopes, expiry, networks, .. } = self;
        let fields = [("name", name), ("note", note), ("scopes", scopes), ("expiry", expiry)];
        let of_networks = [("networks", &networks.field), ("confirm_networks", &networks.question)];
        error_summary(&[&fields[..], &of_networks].concat())
    }
}

fn expiries(app: &App, kept: Option<&Key>, chosen: &str) -> Vec<Choice> {
    let (now, policy) = (app.clock.now(), KeyPolicy::of(&app.config));
    let choice = |value: &str, label: String, ends_on: Option<Timestamp>| Choice {
        id: String::new(),
        value: value.to_owned(),
        label,
        detail: ends_on.map(|time| format!("until {}", Due::new(time, now).day)).unwrap_or_default(),
        is_chosen: value == chosen,
    };
    let mut all = Vec::new();
    let usual = policy.usual_expiry(&Authority::OWNER, now).filter(|_| usual_choice(app) == USUAL);
    match (kept, usual) {
        (Some(key), _) => {
            let label = if key.expires_on.is_some() { "Keep current" } else { "Keep current: no expiration" };
            all.push(choice(KEEP, label.to_owned(), key.expires_on));
        }
        (None, Some(usual)) => {
            let days = (usual - now).num_days();
            let label = match TimeDelta::days(days) == usual - now {
                true => format!("{days} days"),
                false => Due::new(usual, now).ahead,
            };
            all.push(choice(USUAL, label, Some(usual)));
        }
        (None, None) => {}
    }
    let allowed = |days: &u16| policy.longest_lifetime.is_none_or(|longest| TimeDelta::days((*days).into()) <= longest);
    for days in LIFETIMES.into_iter().filter(allowed) {
        let (value, label) = (format!("{days}d"), format!("{days} days"));
        all.push(choice(&value, label, Some(now + TimeDelta::days(days.into()))));
    }
    if policy.longest_lifetime.is_none() && kept.is_none_or(|key| key.expires_on.is_some()) {
        all.push(choice(NEVER, "No expiration".to_owned(), None));
    }
    // The date comes last, because its field follows.
    all.push(choice(DATE, "On a date".to_owned(), None));
    all
}

/// The expiry choice that stands for the default lifetime: one of the lifetimes offered, if it is the same.
fn usual_choice(app: &App) -> String {
    let (now, policy) = (app.clock.now(), KeyPolicy::of(&app.config));
    let Some(usual) = policy.usual_expiry(&Authority::OWNER, now) else { return NEVER.to_owned() };
    let found = LIFETIMES.into_iter().find(|days| now + TimeDelta::days((*days).into()) == usual);
    found.map_or_else(|| USUAL.to_owned(), |days| format!("{days}d"))
}
