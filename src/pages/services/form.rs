//! The form that says where a service lives, and whom it admits.

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::http::error::AppError;
use crate::models::rules::FieldError;
use crate::models::services::service::Service;
use crate::models::services::settings::{Admitted, ServiceChanges, ServiceField, ServiceSettings, words};
use crate::pages::form::{Checkbox, Choice, Field, error_summary};

/// What is sent where those are admitted who are named, if anybody is.
const PEOPLE: &str = "people";
/// How the form carries when the settings were changed last.
const SEEN: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// The fields as they were sent.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ServiceForm {
    pub(super) name: String,
    title: String,
    host: String,
    path: String,
    reading_methods: String,
    anonymous_reads: Checkbox,
    classic_keys: Checkbox,
    key_parameter: Checkbox,
    requests_per_minute: String,
    may_read: String,
    readers: String,
    may_write: String,
    writers: String,
    /// When the settings were changed last, as the page that was sent showed them.
    seen: String,
}

impl ServiceForm {
    /// A form that nobody has touched yet.
    pub fn blank() -> Self {
        Self::saying(ServiceSettings::new("", ""))
    }

    /// The form as it stands for a service.
    pub fn of(service: &Service, settings: ServiceSettings) -> Self {
        let seen = service.updated_on.format(SEEN).to_string();
        Self { name: service.name.clone(), seen, ..Self::saying(settings) }
    }

    fn saying(settings: ServiceSettings) -> Self {
        let ticked = |is: bool| if is { Checkbox::ticked() } else { Checkbox::default() };
        let choice = |admitted: &Admitted| match admitted {
            Admitted::Everyone => Admitted::EVERYONE.to_owned(),
            Admitted::People(_) => PEOPLE.to_owned(),
        };
        Self {
            name: String::new(),
            title: settings.title,
            host: settings.host,
            path: settings.path,
            reading_methods: settings.reading_methods.join(" "),
            anonymous_reads: ticked(settings.anonymous_reads),
            classic_keys: ticked(settings.classic_keys),
            key_parameter: ticked(settings.key_parameter),
            requests_per_minute: settings.requests_per_minute.map(|limit| limit.to_string()).unwrap_or_default(),
            may_read: choice(&settings.readers),
            readers: settings.readers.logins().join("\n"),
            may_write: choice(&settings.writers),
            writers: settings.writers.logins().join("\n"),
            seen: String::new(),
        }
    }

    /// The settings that it asks for.
    pub fn settings(&self) -> ServiceSettings {
        let admitted = |choice: &str, logins: &str| match choice {
            Admitted::EVERYONE => Admitted::Everyone,
            _ => Admitted::People(words(logins)),
        };
        let limit = self.requests_per_minute.trim();
        ServiceSettings {
            title: self.title.clone(),
            host: self.host.clone(),
            path: self.path.clone(),
            reading_methods: words(&self.reading_methods),
            anonymous_reads: self.anonymous_reads.is_ticked(),
            classic_keys: self.classic_keys.is_ticked(),
            key_parameter: self.key_parameter.is_ticked(),
            // What is no number is told as one that is too small.
            requests_per_minute: Some(limit).filter(|it| !it.is_empty()).map(|it| it.parse().unwrap_or_default()),
            readers: admitted(&self.may_read, &self.readers),
            writers: admitted(&self.may_write, &self.writers),
        }
    }

    /// The changes that it asks for, if the settings are still those that its page showed.
    ///
    /// # Errors
    /// 400 for what no form of ours sends.
    pub fn changes(&self) -> Result<ServiceChanges, AppError> {
        let seen = Timestamp::parse_from_str(&self.seen, SEEN)
            .map_err(|_| AppError::BadRequest("The form does not say when its page was shown.".into()))?;
        Ok(ServiceChanges { seen: Some(seen), ..ServiceChanges::to(self.settings()) })
    }

    /// The same form, sent from a page that showed the settings that `service` has now.
    pub fn seeing(self, service: &Service) -> Self {
        Self { seen: service.updated_on.format(SEEN).to_string(), name: service.name.clone(), ..self }
    }
}

/// The same as the page shows it, with what is wrong.
pub struct ServiceFields {
    /// What its scopes call it.
    pub name: Field,
    /// What people call it.
    pub title: Field,
    /// Where it lives.
    pub host: Field,
    /// What of that belongs to it.
    pub path: Field,
    /// The methods that read.
    pub reading_methods: Field,
    /// Whether anonymous requests read.
    pub anonymous_reads: bool,
    /// Whether API access keys are good for it.
    pub classic_keys: bool,
    /// Whether a key may stand in the address.
    pub key_parameter: bool,
    /// The limit.
    pub requests_per_minute: Field,
    /// Who may read.
    pub may_read: Vec<Choice>,
    /// The people, where they are named.
    pub readers: Field,
    /// Who may write.
    pub may_write: Vec<Choice>,
    /// The people, where they are named.
    pub writers: Field,
    /// When the settings were changed last.
    pub seen: String,
}

impl ServiceFields {
    /// `form`, with what is wrong with it.
    pub fn new(form: ServiceForm, errors: &[FieldError<ServiceField>]) -> Self {
        let limit = Field::new(form.requests_per_minute, ServiceField::RequestsPerMinute, errors);
        Self {
            may_read: choices("may_read", &form.may_read),
            may_write: choices("may_write", &form.may_write),
            name: Field::new(form.name, ServiceField::Name, errors),
            title: Field::new(form.title, ServiceField::Title, errors),
            host: Field::new(form.host, ServiceField::Host, errors),
            path: Field::new(form.path, ServiceField::Path, errors),
            reading_methods: Field::new(form.reading_methods, ServiceField::ReadingMethods, errors),
            anonymous_reads: form.anonymous_reads.is_ticked(),
            classic_keys: form.classic_keys.is_ticked(),
            key_parameter: form.key_parameter.is_ticked(),
            requests_per_minute: limit,
            readers: Field::new(form.readers, ServiceField::Readers, errors),
            writers: Field::new(form.writers, ServiceField::Writers, errors),
            seen: form.seen,
        }
    }

    /// Everything that is wrong, with the ids of the fields that it is about.
    pub fn error_summary(&self) -> Vec<(&'static str, String)> {
        error_summary(&[
            ("name", &self.name),
            ("title", &self.title),
            ("host", &self.host),
            ("path", &self.path),
            ("reading_methods", &self.reading_methods),
            ("readers", &self.readers),
            ("writers", &self.writers),
            ("requests_per_minute", &self.requests_per_minute),
        ])
    }
}

fn choices(id: &str, chosen: &str) -> Vec<Choice> {
    let choice = |value: &str, label: &str| Choice {
        id: String::new(),
        value: value.to_owned(),
        label: label.to_owned(),
        detail: String::new(),
        is_chosen: (chosen == Admitted::EVERYONE) == (value == Admitted::EVERYONE),
    };
    let all = [
        choice(Admitted::EVERYONE, "Everyone who has an account here"),
        choice(PEOPLE, "Only those whose logins stand below; none means nobody"),
    ];
    Choice::numbered(id, all.into_iter())
}
