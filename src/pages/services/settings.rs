//! The settings of a service as pages have them: in the form that changes them, and as they read where nothing can be
//! changed. The template of the form is `services/_fields.html`.

use serde::Deserialize;

use crate::clock::parse_without_zone;
use crate::http::error::AppError;
use crate::models::rules::FieldError;
use crate::models::services::admitted::{Admitted, Admittee};
use crate::models::services::service::Service;
use crate::models::services::settings::{ServiceChanges, ServiceField, ServiceSettings, words};
use crate::pages::form::{Checkbox, Choice, Field};

/// What is sent where those are admitted who are named, if anybody is.
const PEOPLE: &str = "people";
/// How the form carries when the settings were changed last.
const SEEN: &str = "%Y-%m-%dT%H:%M:%S%.6f";

/// The fields as they were sent, with what is wrong with each.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct ServiceForm {
    pub(super) name: Field,
    pub(super) title: Field,
    pub(super) host: Field,
    pub(super) path: Field,
    pub(super) reading_methods: Field,
    pub(super) anonymous_reads: Checkbox,
    pub(super) classic_keys: Checkbox,
    pub(super) key_parameter: Checkbox,
    pub(super) requests_per_minute: Field,
    may_read: String,
    pub(super) readers: Field,
    may_write: String,
    pub(super) writers: Field,
    /// When the settings were changed last, as the page that was sent showed them.
    pub(super) seen: String,
    /// All that is wrong, with the ids of the fields that it is about.
    #[serde(skip)]
    pub(super) error_summary: Vec<(&'static str, String)>,
}

impl ServiceForm {
    /// A form that nobody has touched yet.
    pub fn blank() -> Self {
        Self::saying(ServiceSettings::new("", ""))
    }

    /// The form as it stands for a service.
    pub fn of(service: &Service, settings: ServiceSettings) -> Self {
        Self::saying(settings).seeing(service)
    }

    fn saying(settings: ServiceSettings) -> Self {
        let ticked = |is: bool| if is { Checkbox::ticked() } else { Checkbox::default() };
        let choice = |admitted: &Admitted| match admitted {
            Admitted::Everyone => Admitted::EVERYONE.to_owned(),
            Admitted::These(_) => PEOPLE.to_owned(),
        };
        Self {
            name: Field::default(),
            title: settings.title.into(),
            host: settings.host.into(),
            path: settings.path.into(),
            reading_methods: settings.reading_methods.join(" ").into(),
            anonymous_reads: ticked(settings.anonymous_reads),
            classic_keys: ticked(settings.classic_keys),
            key_parameter: ticked(settings.key_parameter),
            requests_per_minute: settings.requests_per_minute.map(|limit| limit.to_string()).unwrap_or_default().into(),
            may_read: choice(&settings.readers),
            readers: settings.readers.in_lines().into(),
            may_write: choice(&settings.writers),
            writers: settings.writers.in_lines().into(),
            seen: String::new(),
            error_summary: Vec::new(),
        }
    }

    /// The settings that it asks for.
    pub fn settings(&self) -> ServiceSettings {
        let admitted = |choice: &str, list: &str| match choice {
            Admitted::EVERYONE => Admitted::Everyone,
            _ => Admitted::These(Admittee::of_text(list)),
        };
        let limit = self.requests_per_minute.value.trim();
        ServiceSettings {
            title: self.title.value.clone(),
            host: self.host.value.clone(),
            path: self.path.value.clone(),
            reading_methods: words(&self.reading_methods.value),
            anonymous_reads: self.anonymous_reads.is_ticked(),
            classic_keys: self.classic_keys.is_ticked(),
            key_parameter: self.key_parameter.is_ticked(),
            // What is no number is told as one that is too small.
            requests_per_minute: Some(limit).filter(|it| !it.is_empty()).map(|it| it.parse().unwrap_or_default()),
            readers: admitted(&self.may_read, &self.readers.value),
            writers: admitted(&self.may_write, &self.writers.value),
        }
    }

    /// The changes that it asks for, if the settings are still those that its page showed.
    ///
    /// # Errors
    /// 400 for what no form of ours sends.
    pub fn changes(&self) -> Result<ServiceChanges, AppError> {
        let incomplete =
            || AppError::BadRequest("The form is incomplete: open the page again and send it from there.".into());
        let seen = parse_without_zone(&self.seen).ok_or_else(incomplete)?;
        Ok(ServiceChanges { seen: Some(seen), ..ServiceChanges::to(self.settings()) })
    }

    /// The same form, sent from a page that showed the settings that `service` has now.
    pub fn seeing(self, service: &Service) -> Self {
        Self { seen: service.updated_on.format(SEEN).to_string(), name: service.name.clone().into(), ..self }
    }

    /// The same form, with what is wrong told beside each field.
    pub fn with_errors(mut self, errors: &[FieldError<ServiceField>]) -> Self {
        let mut summary = Vec::new();
        for (field, shown) in self.fields_mut() {
            *shown = Field::new(std::mem::take(&mut shown.value), field, errors);
            summary.extend(shown.errors.iter().map(|error| (field.as_str(), error.clone())));
        }
        Self { error_summary: summary, ..self }
    }

    /// The fields that can be wrong, in the order in which the page has them.
    fn fields_mut(&mut self) -> [(ServiceField, &mut Field); 8] {
        // Each is named, so that none can be forgotten.
        let Self {
            name,
            title,
            host,
            path,
            reading_methods,
            may_read: _,
            readers,
            may_write: _,
            writers,
            anonymous_reads: _,
            classic_keys: _,
            key_parameter: _,
            requests_per_minute,
            seen: _,
            error_summary: _,
        } = self;
        [
            (ServiceField::Name, name),
            (ServiceField::Title, title),
            (ServiceField::Host, host),
            (ServiceField::Path, path),
            (ServiceField::ReadingMethods, reading_methods),
            (ServiceField::Readers, readers),
            (ServiceField::Writers, writers),
            (ServiceField::RequestsPerMinute, requests_per_minute),
        ]
    }

    /// Who may read.
    pub fn may_read(&self) -> Vec<Choice> {
        choices("may_read", &self.may_read)
    }

    /// Who may write.
    pub fn may_write(&self) -> Vec<Choice> {
        choices("may_write", &self.may_write)
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
    let all = [choice(Admitted::EVERYONE, "Everyone with an account"), choice(PEOPLE, "Only these people and groups")];
    Choice::numbered(id, all.into_iter())
}

/// A setting as it reads where it is not to be changed.
pub struct Fact {
    /// The name that people see.
    pub label: &'static str,
    /// What it is.
    pub value: String,
}

/// All the settings of a service.
pub fn facts(service: &Service, settings: &ServiceSettings) -> Vec<Fact> {
    let yes = |is: &bool| if *is { "yes" } else { "no" }.to_owned();
    // Each is named, so that none can be left out by mistake. Who may read hangs on three of them.
    let ServiceSettings {
        title,
        host: _,
        path: _,
        reading_methods,
        anonymous_reads: _,
        classic_keys,
        key_parameter,
        requests_per_minute,
        readers: _,
        writers,
    } = settings;
    let methods = reading_methods.join(" ");
    let limit = requests_per_minute.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    [
        ("Title", title.clone()),
        ("Address", service.place()),
        (
            "Reading methods",
            if methods.is_empty() { "none: every method counts as writing".to_owned() } else { methods },
        ),
        ("Read access", who_reads(settings, Admitted::in_full)),
        ("Write access", writers.in_full()),
        ("Accepts API access keys", yes(classic_keys)),
        ("Accepts keys in the address", yes(key_parameter)),
        ("Requests per minute", limit),
    ]
    .into_iter()
    .map(|(label, value)| Fact { label, value })
    .collect()
}

/// Who may read, in words; `told` puts the people into them.
pub fn who_reads(settings: &ServiceSettings, told: impl Fn(&Admitted) -> String) -> String {
    match (&settings.readers, &settings.writers) {
        _ if settings.anonymous_reads => "anybody, even without a key".to_owned(),
        (_, Admitted::Everyone) => Admitted::EVERYONE.to_owned(),
        (Admitted::These(readers), Admitted::These(writers)) if readers.is_empty() && !writers.is_empty() => {
            "everyone with write access".to_owned()
        }
        (readers, _) => told(readers),
    }
}
