//! What is said about services, and the rules of it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use diesel::prelude::*;

use super::service::{KeptIn, Service};
use crate::clock::Timestamp;
use crate::db::schema::{service_admissions, services, users};
use crate::db::{DbConnection, lower};
use crate::models::keys::scope::{Access, LONGEST_SERVICE_NAME, is_service_name};
use crate::models::people::user::login_errors;
use crate::models::rules::{FieldError, Labelled, name_errors, presence_and_length};

/// Whom a service admits to read, or to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// Everybody who has an account.
    Everyone,
    /// The people with these logins, which may be none.
    People(Vec<String>),
}

impl Admitted {
    /// The word for everybody.
    pub const EVERYONE: &'static str = "everyone";
    /// The word for none.
    pub const NOBODY: &'static str = "nobody";
    /// So many are told by name.
    const NAMED: usize = 5;

    /// What `text` says, as people write it on the command line: one of the two words, or logins with commas between.
    pub fn of_text(text: &str) -> Self {
        match text.trim() {
            Self::EVERYONE => Self::Everyone,
            Self::NOBODY => Self::nobody(),
            logins => Self::People(words(logins)),
        }
    }

    /// Nobody at all.
    pub fn nobody() -> Self {
        Self::People(Vec::new())
    }

    /// The logins, where people are named.
    pub fn logins(&self) -> &[String] {
        match self {
            Self::Everyone => &[],
            Self::People(logins) => logins,
        }
    }

    /// In words, with every login.
    pub fn in_full(&self) -> String {
        match self {
            Self::People(logins) if !logins.is_empty() => logins.join(", "),
            other => other.in_words(),
        }
    }

    /// In a few words.
    pub fn in_words(&self) -> String {
        match self {
            Self::Everyone => Self::EVERYONE.to_owned(),
            Self::People(logins) if logins.is_empty() => Self::NOBODY.to_owned(),
            Self::People(logins) if logins.len() <= Self::NAMED => logins.join(", "),
            Self::People(logins) => format!("{} people", logins.len()),
        }
    }
}

/// The words of `text`, between which are commas, blanks or ends of lines.
pub fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// What an administrator says about a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSettings {
    /// What people call it: 1 to 100 characters.
    pub title: String,
    /// Where it lives: a DNS name or an IP address (IPv6 in brackets), without a port.
    pub host: String,
    /// What of that host belongs to it: `/`, or segments with everything below.
    pub path: String,
    /// The methods that read.
    pub reading_methods: Vec<String>,
    /// Whether whoever presents nothing may read.
    pub anonymous_reads: bool,
    /// Whether API access keys are good for it.
    pub classic_keys: bool,
    /// Whether a key may stand in the address as `key=`.
    pub key_parameter: bool,
    /// How many requests a key may send in a minute; `None`: any number.
    pub requests_per_minute: Option<i64>,
    /// Whom it admits to read.
    pub readers: Admitted,
    /// Whom it admits to write, and so to read.
    pub writers: Admitted,
}

/// What is to change about a service; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ServiceChanges {
    /// See [`ServiceSettings::title`].
    pub title: Option<String>,
    /// See [`ServiceSettings::host`].
    pub host: Option<String>,
    /// See [`ServiceSettings::path`].
    pub path: Option<String>,
    /// See [`ServiceSettings::reading_methods`].
    pub reading_methods: Option<Vec<String>>,
    /// See [`ServiceSettings::anonymous_reads`].
    pub anonymous_reads: Option<bool>,
    /// See [`ServiceSettings::classic_keys`].
    pub classic_keys: Option<bool>,
    /// See [`ServiceSettings::key_parameter`].
    pub key_parameter: Option<bool>,
    /// See [`ServiceSettings::requests_per_minute`].
    pub requests_per_minute: Option<Option<i64>>,
    /// See [`ServiceSettings::readers`].
    pub readers: Option<Admitted>,
    /// See [`ServiceSettings::writers`].
    pub writers: Option<Admitted>,
    /// When the settings were changed last, as whoever changes them saw it: if they are others by now, nothing is
    /// changed. `None`: whatever they are.
    pub seen: Option<Timestamp>,
}

/// The parts of a service that a rule can be broken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceField {
    /// `name`
    Name,
    /// `title`
    Title,
    /// `host`
    Host,
    /// `path`
    Path,
    /// `reading_methods`
    ReadingMethods,
    /// `anonymous_reads`
    AnonymousReads,
    /// `classic_keys`
    ClassicKeys,
    /// `key_parameter`
    KeyParameter,
    /// `requests_per_minute`
    RequestsPerMinute,
    /// `readers`
    Readers,
    /// `writers`
    Writers,
}

impl ServiceField {
    /// As programs and the file write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Title => "title",
            Self::Host => "host",
            Self::Path => "path",
            Self::ReadingMethods => "reading_methods",
            Self::AnonymousReads => "anonymous_reads",
            Self::ClassicKeys => "classic_keys",
            Self::KeyParameter => "key_parameter",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::Readers => "readers",
            Self::Writers => "writers",
        }
    }
}

impl Labelled for ServiceField {
    fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::Title => "Title",
            Self::Host => "Host",
            Self::Path => "Path",
            Self::ReadingMethods => "Reading methods",
            Self::AnonymousReads => "Anonymous reads",
            Self::ClassicKeys => "Classic keys",
            Self::KeyParameter => "Key parameter",
            Self::RequestsPerMinute => "Requests per minute",
            Self::Readers => "Readers",
            Self::Writers => "Writers",
        }
    }
}

/// The most characters of a title.
const LONGEST_TITLE: usize = 100;
/// The most characters of a host's name (RFC 1035, section 2.3.4, without the dot at the end).
const LONGEST_HOST: usize = 253;
/// The most characters of a path.
const LONGEST_PATH: usize = 255;
/// The most methods that read, and the most characters of each: there are forty registered.
const MOST_METHODS: usize = 50;
const LONGEST_METHOD: usize = 40;
/// The most requests a minute that can be asked for.
const MOST_REQUESTS: i64 = 1_000_000;

impl ServiceSettings {
    /// Those of a service at `host` about which nothing else is said: nobody is admitted.
    pub fn new(title: impl Into<String>, host: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            host: host.into(),
            path: "/".to_owned(),
            reading_methods: Service::READING_METHODS.map(str::to_owned).to_vec(),
            anonymous_reads: false,
            classic_keys: false,
            key_parameter: false,
            requests_per_minute: None,
            readers: Admitted::nobody(),
            writers: Admitted::nobody(),
        }
    }

    /// Those of one service.
    ///
    /// # Errors
    /// Those of the query.
    pub fn of(connection: &mut DbConnection, service: &Service) -> QueryResult<Self> {
        let admissions = service_admissions::table
            .inner_join(users::table)
            .filter(service_admissions::service_id.eq(service.id))
            .order(lower(users::login))
            .select((service_admissions::access, users::login))
            .load(connection)?;
        Ok(Self::of_rows(service, admissions))
    }

    /// Every service with its settings, by name.
    ///
    /// # Errors
    /// Those of the queries.
    pub fn of_all(connection: &mut DbConnection) -> QueryResult<Vec<(Service, Self)>> {
        let all: Vec<Service> = services::table.order(services::name).select(Service::as_select()).load(connection)?;
        let rows: Vec<(i64, Access, String)> = service_admissions::table
            .inner_join(users::table)
            .order(lower(users::login))
            .select((service_admissions::service_id, service_admissions::access, users::login))
            .load(connection)?;
        let mut admissions: BTreeMap<i64, Vec<(Access, String)>> = BTreeMap::new();
        for (service_id, access, login) in rows {
            admissions.entry(service_id).or_default().push((access, login));
        }
        let with_settings = all.into_iter().map(|service| {
            let settings = Self::of_rows(&service, admissions.remove(&service.id).unwrap_or_default());
            (service, settings)
        });
        Ok(with_settings.collect())
    }

    fn of_rows(service: &Service, admissions: Vec<(Access, String)>) -> Self {
        let admitted = |access: Access, everyone: bool| match everyone {
            true => Admitted::Everyone,
            false => Admitted::People(
                admissions.iter().filter(|it| it.0 == access).map(|(_, login)| login.clone()).collect(),
            ),
        };
        Self {
            title: service.title.clone(),
            host: service.host.clone(),
            path: service.path.clone(),
            reading_methods: service.reading_methods().map(str::to_owned).collect(),
            anonymous_reads: service.anonymous_reads,
            classic_keys: service.classic_keys,
            key_parameter: service.key_parameter,
            requests_per_minute: service.requests_per_minute,
            readers: admitted(Access::Read, service.everyone_reads),
            writers: admitted(Access::Write, service.everyone_writes),
        }
    }

    /// The same as it is stored, however it was typed.
    pub fn tidied(self) -> Self {
        let host = self.host.trim().to_ascii_lowercase();
        let host = match host.trim_start_matches('[').trim_end_matches(']').parse::<Ipv6Addr>() {
            Ok(address) => format!("[{address}]"),
            Err(_) => host,
        };
        let path = match self.path.trim() {
            "" | "/" => "/",
            path => path.strip_suffix('/').unwrap_or(path),
        };
        let mut reading_methods: Vec<String> = Vec::new();
        for method in self.reading_methods {
            let method = method.trim().to_ascii_uppercase();
            if !reading_methods.contains(&method) {
                reading_methods.push(method);
            }
        }
        Self { title: self.title.trim().to_owned(), host, path: path.to_owned(), reading_methods, ..self }
    }

    /// Every rule that they break by themselves, when they are tidied.
    pub fn errors(&self) -> Vec<FieldError<ServiceField>> {
        let mut errors = name_errors(ServiceField::Title, &self.title, LONGEST_TITLE);
        errors.extend(host_errors(&self.host));
        errors.extend(path_errors(&self.path));
        errors.extend(method_errors(&self.reading_methods));
        if self.requests_per_minute.is_some_and(|number| !(1..=MOST_REQUESTS).contains(&number)) {
            errors.push(FieldError::new(
                ServiceField::RequestsPerMinute,
                "must be a whole number from 1 to 1000000, or none",
            ));
        }
        errors
    }

    /// Whether they say that it lives there. There are servers to which upper and lower case are one.
    pub fn are_at(&self, host: &str, path: &str) -> bool {
        self.host == host && self.path.eq_ignore_ascii_case(path)
    }

    /// In words: what of `before` is another now.
    pub(super) fn told_since(&self, before: &Self) -> Vec<String> {
        let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let limit = |limit: Option<i64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
        let all = [
            ("title", self.title != before.title, format!("“{}”", self.title)),
            ("host", self.host != before.host, self.host.clone()),
            ("path", self.path != before.path, self.path.clone()),
            ("reading methods", self.reading_methods != before.reading_methods, self.reading_methods.join(" ")),
            ("anonymous reads", self.anonymous_reads != before.anonymous_reads, yes(self.anonymous_reads)),
            ("classic keys", self.classic_keys != before.classic_keys, yes(self.classic_keys)),
            ("key parameter", self.key_parameter != before.key_parameter, yes(self.key_parameter)),
            (
                "requests per minute",
                self.requests_per_minute != before.requests_per_minute,
                limit(self.requests_per_minute),
            ),
            ("readers", self.readers != before.readers, self.readers.in_words()),
            ("writers", self.writers != before.writers, self.writers.in_words()),
        ];
        all.into_iter().filter(|(_, differs, _)| *differs).map(|(what, _, now)| format!("{what}: {now}")).collect()
    }

    /// Puts the logins as they are stored in place of those that were typed, by login, and gives those that nobody has,
    /// which it leaves out.
    pub(super) fn resolve(&mut self, connection: &mut DbConnection) -> QueryResult<(Vec<String>, Vec<String>)> {
        let readers = resolve(connection, &mut self.readers)?;
        Ok((readers, resolve(connection, &mut self.writers)?))
    }

    pub(super) fn row(&self, kept_in: KeptIn, updated_on: Timestamp) -> Row<'_> {
        Row {
            title: &self.title,
            host: &self.host,
            path: &self.path,
            reading_methods: self.reading_methods.join(" "),
            anonymous_reads: self.anonymous_reads,
            classic_keys: self.classic_keys,
            key_parameter: self.key_parameter,
            requests_per_minute: self.requests_per_minute,
            everyone_reads: self.readers == Admitted::Everyone,
            everyone_writes: self.writers == Admitted::Everyone,
            kept_in,
            updated_on,
        }
    }

    /// Names the people whom service `id` admits in place of those whom it has.
    pub(super) fn store_admissions(&self, connection: &mut DbConnection, id: i64) -> QueryResult<()> {
        let of_service = service_admissions::table.filter(service_admissions::service_id.eq(id));
        diesel::delete(of_service).execute(connection)?;
        for (access, admitted) in [(Access::Read, &self.readers), (Access::Write, &self.writers)] {
            for user_id in ids_of(connection, admitted.logins())? {
                let values = (
                    service_admissions::service_id.eq(id),
                    service_admissions::user_id.eq(user_id),
                    service_admissions::access.eq(access),
                );
                diesel::insert_into(service_admissions::table).values(values).execute(connection)?;
            }
        }
        Ok(())
    }
}

impl ServiceChanges {
    /// All of `settings`.
    pub fn to(settings: ServiceSettings) -> Self {
        Self {
            title: Some(settings.title),
            host: Some(settings.host),
            path: Some(settings.path),
            reading_methods: Some(settings.reading_methods),
            anonymous_reads: Some(settings.anonymous_reads),
            classic_keys: Some(settings.classic_keys),
            key_parameter: Some(settings.key_parameter),
            requests_per_minute: Some(settings.requests_per_minute),
            readers: Some(settings.readers),
            writers: Some(settings.writers),
            seen: None,
        }
    }

    /// `before` with them.
    pub fn applied_to(&self, before: &ServiceSettings) -> ServiceSettings {
        fn or<T: Clone>(change: &Option<T>, before: &T) -> T {
            change.as_ref().unwrap_or(before).clone()
        }
        ServiceSettings {
            title: or(&self.title, &before.title),
            host: or(&self.host, &before.host),
            path: or(&self.path, &before.path),
            reading_methods: or(&self.reading_methods, &before.reading_methods),
            anonymous_reads: or(&self.anonymous_reads, &before.anonymous_reads),
            classic_keys: or(&self.classic_keys, &before.classic_keys),
            key_parameter: or(&self.key_parameter, &before.key_parameter),
            requests_per_minute: or(&self.requests_per_minute, &before.requests_per_minute),
            readers: or(&self.readers, &before.readers),
            writers: or(&self.writers, &before.writers),
        }
    }
}

/// What a row holds that settings say.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = services, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Row<'a> {
    title: &'a str,
    host: &'a str,
    path: &'a str,
    reading_methods: String,
    anonymous_reads: bool,
    classic_keys: bool,
    key_parameter: bool,
    requests_per_minute: Option<i64>,
    everyone_reads: bool,
    everyone_writes: bool,
    kept_in: KeptIn,
    updated_on: Timestamp,
}

/// Every rule of a name that `name` breaks.
pub fn service_name_errors(name: &str) -> Vec<FieldError<ServiceField>> {
    let errors = presence_and_length(ServiceField::Name, name, LONGEST_SERVICE_NAME);
    if errors.is_empty() && !is_service_name(name) {
        let problem = "may hold small letters, digits and, between them, hyphens only";
        return vec![FieldError::new(ServiceField::Name, problem)];
    }
    errors
}

pub(super) fn host_errors(host: &str) -> Vec<FieldError<ServiceField>> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    // A name whose last part is a number is read as an address by some, and by none as a name.
    let is_name = host.split('.').all(label)
        && !host.rsplit('.').next().is_some_and(|last| last.chars().all(|c| c.is_ascii_digit()));
    let is_ipv6 = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        inside.is_some_and(|inside| inside.parse::<Ipv6Addr>().is_ok())
    };
    let problem = if host.contains("://") {
        "is written without a scheme: wiki.example.org, not https://wiki.example.org"
    } else if host.contains('/') {
        "is written without a path: that is a setting of its own"
    } else if is_ipv6(host) {
        return Vec::new();
    } else if host.contains(':') {
        "is written without a port: a service is the same on every port"
    } else if !host.is_ascii() {
        "is written as browsers send it, in ASCII: such as xn--bcher-kva.example for bücher.example"
    } else if host.is_empty() || host.len() > LONGEST_HOST {
        return presence_and_length(ServiceField::Host, host, LONGEST_HOST);
    } else if is_address || is_name {
        return Vec::new();
    } else {
        "must be a name such as wiki.example.org, or an IP address"
    };
    vec![FieldError::new(ServiceField::Host, problem)]
}

pub(super) fn path_errors(path: &str) -> Vec<FieldError<ServiceField>> {
    let Some(segments) = path.strip_prefix('/') else {
        return vec![FieldError::new(ServiceField::Path, "must begin with a slash, such as /wiki")];
    };
    if path.chars().count() > LONGEST_PATH {
        return presence_and_length(ServiceField::Path, path, LONGEST_PATH);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~-".contains(c);
    let mut segments = segments.split('/');
    let problem = if path == "/" {
        return Vec::new();
    } else if segments.clone().any(str::is_empty) {
        "cannot have two slashes in a row"
    } else if segments.clone().any(|segment| segment == "." || segment == "..") {
        "cannot have the segments . and .."
    } else if segments.all(|segment| segment.chars().all(plain)) {
        return Vec::new();
    } else {
        "may hold letters, digits and . _ ~ - between slashes only"
    };
    vec![FieldError::new(ServiceField::Path, problem)]
}

fn method_errors(methods: &[String]) -> Vec<FieldError<ServiceField>> {
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_method = |method: &String| (1..=LONGEST_METHOD).contains(&method.len()) && method.chars().all(plain);
    if methods.len() > MOST_METHODS || !methods.iter().all(is_method) {
        return vec![FieldError::new(ServiceField::ReadingMethods, "must be methods such as GET, HEAD and OPTIONS")];
    }
    Vec::new()
}

fn resolve(connection: &mut DbConnection, admitted: &mut Admitted) -> QueryResult<Vec<String>> {
    let Admitted::People(logins) = admitted else { return Ok(Vec::new()) };
    let found = logins_of(connection, logins)?;
    let is_found = |login: &String| found.iter().any(|found| found.eq_ignore_ascii_case(login));
    let unknown = logins.iter().filter(|login| !is_found(login)).cloned().collect();
    *logins = found;
    Ok(unknown)
}

/// The logins as they are stored of those that somebody has, in the order of logins, each once.
fn logins_of(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<String>> {
    let same = lower(users::login).eq_any(folded(logins));
    users::table.filter(same).order(lower(users::login)).select(users::login).load(connection)
}

fn ids_of(connection: &mut DbConnection, logins: &[String]) -> QueryResult<Vec<i64>> {
    users::table.filter(lower(users::login).eq_any(folded(logins))).select(users::id).load(connection)
}

/// What databases compare; what cannot be a login is nobody's.
fn folded(logins: &[String]) -> Vec<String> {
    let possible = logins.iter().filter(|login| login_errors(login).is_empty());
    possible.map(|login| login.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(host: &str, path: &str) -> ServiceSettings {
        ServiceSettings { path: path.to_owned(), ..ServiceSettings::new("Wiki", host) }.tidied()
    }

    fn problems(settings: &ServiceSettings) -> Vec<String> {
        settings.errors().iter().map(FieldError::message).collect()
    }

    #[test]
    fn a_host_is_a_name_or_an_address_without_anything_around_it() {
        for (typed, host) in [
            ("wiki.example.org", "wiki.example.org"),
            (" Wiki.Example.ORG ", "wiki.example.org"),
            ("localhost", "localhost"),
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8::0:1", "[2001:db8::1]"),
            ("[::1]", "[::1]"),
        ] {
            let settings = at(typed, "/");
            assert_eq!((settings.host.as_str(), problems(&settings)), (host, Vec::new()), "{typed}");
        }
        for (host, told) in [
            ("", "Host cannot be blank"),
            ("https://wiki.example.org", "Host is written without a scheme"),
            ("wiki.example.org/wiki", "Host is written without a path"),
            ("wiki.example.org:8080", "Host is written without a port"),
            ("[::1]:8080", "Host is written without a port"),
            ("bücher.example", "Host is written as browsers send it"),
            ("wiki.example.org.", "Host must be a name"),
            ("-wiki", "Host must be a name"),
            ("wiki example", "Host must be a name"),
            ("1.2.3", "Host must be a name"),
            ("*.example.org", "Host must be a name"),
        ] {
            let problems = problems(&at(host, "/"));
            assert!(problems.len() == 1 && problems[0].starts_with(told), "{host}: {problems:?}");
        }
    }

    #[test]
    fn a_path_is_plain_segments_without_a_slash_at_the_end() {
        for (typed, path) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/wiki", "/wiki"),
            ("/wiki/", "/wiki"),
            (" /a.b/C_d~-1 ", "/a.b/C_d~-1"),
        ] {
            let settings = at("h", typed);
            assert_eq!((settings.path.as_str(), problems(&settings)), (path, Vec::new()), "{typed}");
        }
        for (path, told) in [
            ("wiki", "Path must begin with a slash"),
            ("/a//b", "Path cannot have two slashes in a row"),
            ("/a//", "Path cannot have two slashes in a row"),
            ("/a/../b", "Path cannot have the segments . and .."),
            ("/.", "Path cannot have the segments . and .."),
            ("/a?b", "Path may hold letters"),
            ("/%61", "Path may hold letters"),
            ("/a b", "Path may hold letters"),
            ("/ä", "Path may hold letters"),
        ] {
            let problems = problems(&at("h", path));
            assert!(problems.len() == 1 && problems[0].starts_with(told), "{path}: {problems:?}");
        }
    }

    #[test]
    fn methods_are_capitals_each_once() {
        let with = |methods: &[&str]| {
            let reading_methods = methods.iter().map(ToString::to_string).collect();
            ServiceSettings { reading_methods, ..at("h", "/") }.tidied()
        };
        assert_eq!(with(&["get", "GET", "Version-Control"]).reading_methods, ["GET", "VERSION-CONTROL"]);
        assert_eq!(problems(&with(&[])), Vec::<String>::new());
        for wrong in ["G T", "", "É", "GET;"] {
            assert_eq!(problems(&with(&[wrong])), ["Reading methods must be methods such as GET, HEAD and OPTIONS"]);
        }
    }

    proptest! {
        #[test]
        fn what_is_tidied_stays_as_it_is(host in "\\PC{0,20}|[a-z.:\\[\\]0-9]{0,20}", path in "\\PC{0,20}|[/a.]{0,9}") {
            let settings = at(&host, &path);
            if settings.errors().is_empty() {
                prop_assert_eq!(settings.clone().tidied(), settings.clone());
                prop_assert!(!settings.host.contains(char::is_uppercase) && !settings.host.contains(char::is_whitespace));
                prop_assert!(settings.path == "/" || !settings.path.ends_with('/'));
            }
        }
    }
}
