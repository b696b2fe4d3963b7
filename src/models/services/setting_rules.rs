//! The rules of what may be said about a service, and how that is tidied before they are checked.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::settings::{ServiceField, ServiceSettings};
use crate::models::keys::scope::{LONGEST_SERVICE_NAME, is_service_name};
use crate::models::rules::{FieldError, name_errors, presence_and_length};

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
}

/// Every rule of a name that `name` breaks.
pub fn service_name_errors(name: &str) -> Vec<FieldError<ServiceField>> {
    let errors = presence_and_length(ServiceField::Name, name, LONGEST_SERVICE_NAME);
    if errors.is_empty() && !is_service_name(name) {
        let problem = "can only have lowercase letters, digits and, between them, hyphens";
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
        "must not have a scheme: write wiki.example.org, not https://wiki.example.org"
    } else if host.contains('/') {
        "must not have a path: the path is a setting of its own"
    } else if is_ipv6(host) {
        return Vec::new();
    } else if host.contains(':') {
        "must not have a port: a service covers every port"
    } else if !host.is_ascii() {
        "must be in ASCII: write xn--bcher-kva.example for bücher.example"
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
        "cannot have a segment . or .."
    } else if segments.all(|segment| segment.chars().all(plain)) {
        return Vec::new();
    } else {
        "can only have letters, digits and . _ ~ - between slashes"
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
            ("https://wiki.example.org", "Host must not have a scheme"),
            ("wiki.example.org/wiki", "Host must not have a path"),
            ("wiki.example.org:8080", "Host must not have a port"),
            ("[::1]:8080", "Host must not have a port"),
            ("bücher.example", "Host must be in ASCII"),
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
            ("/a/../b", "Path cannot have a segment . or .."),
            ("/.", "Path cannot have a segment . or .."),
            ("/a?b", "Path can only have letters"),
            ("/%61", "Path can only have letters"),
            ("/a b", "Path can only have letters"),
            ("/ä", "Path can only have letters"),
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
