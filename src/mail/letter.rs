//! What a mail says. A letter is made of facts once, and written as plain text and as HTML.

use askama::Template;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use super::correspondence::{Correspondence, Item};
use super::words::Words;
use crate::clock::Timestamp;
use crate::config::mail::MailSettings;
use crate::models::mails::facts::Facts;
use crate::models::mails::kind::MailKind;
use crate::models::people::user::User;
use crate::secret::random_base62;

/// What a mail says, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// The subject, without the name of the installation.
    pub subject: String,
    /// Sentences at the beginning.
    pub intro: Vec<String>,
    /// Each thing that it tells, as names and values.
    pub items: Vec<Item>,
    /// How many more things there are that are not told one by one.
    pub more: i64,
    /// Sentences after them: what to do.
    pub advice: Vec<String>,
    /// The words and the address of the link.
    pub link: Option<(String, String)>,
    /// Why the person gets it.
    pub reason: String,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    greeting: &'a str,
    letter: &'a Letter,
    host: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.html")]
struct Html<'a> {
    greeting: &'a str,
    letter: &'a Letter,
    host: &'a str,
}

/// Why a letter could not be made into a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unwritable(String);

impl Letter {
    /// The message (RFC 5322), as plain text and as HTML.
    ///
    /// # Errors
    /// Returns [`Unwritable`] if `to` is no address that mail can be sent to.
    pub fn message(
        &self,
        about: &Correspondence<'_>,
        (from, to): (&Mailbox, &str),
        message_id: &str,
    ) -> Result<Message, Unwritable> {
        let unwritable = |error: &dyn std::fmt::Display| Unwritable(format!("“{to}” cannot be written to: {error}"));
        let address = to.parse().map_err(|error| unwritable(&error))?;
        let User { firstname, lastname, .. } = about.person;
        let name = format!("{firstname} {lastname}").trim().to_owned();
        let (greeting, host) = (greeting(about.person), about.url.authority());
        let text = Text { greeting: &greeting, letter: self, host }.render();
        let html = Html { greeting: &greeting, letter: self, host }.render();
        let (text, html) = (text.map_err(|error| unwritable(&error))?, html.map_err(|error| unwritable(&error))?);
        let message = Message::builder()
            .from(from.clone())
            .to(Mailbox::new(Some(name).filter(|name| !name.is_empty()), address))
            .subject(self.subject.as_str())
            .message_id(Some(format!("<{message_id}>")))
            .date(about.now.and_utc().into())
            // No machine should answer it (RFC 3834).
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        message.multipart(MultiPart::alternative_plain_html(text, html)).map_err(|error| unwritable(&error))
    }

    /// The letter that tells `told`, of the same kind, and says that there are `more` such things. The path that
    /// `secret_link` gives has a secret in it, which only this letter has.
    pub fn about(
        kind: MailKind,
        told: &[Facts],
        more: i64,
        about: &Correspondence<'_>,
        secret_link: Option<&str>,
    ) -> Self {
        let nothing = Facts::default();
        let words = Words { kind, first: told.first().unwrap_or(&nothing), all: told.len() as i64 + more, about };
        let link = match secret_link {
            Some(path) => Some((words.link().0, about.url.join(path))),
            None if kind == MailKind::Weekly => None,
            None => Some(words.link()).map(|(text, path)| (text, about.url.join(&path))),
        };
        Self {
            subject: words.subject(),
            intro: words.intro(),
            items: told
                .iter()
                .map(|facts| words.item(facts))
                .filter(|item| !item.facts.is_empty() || !item.pages.is_empty())
                .collect(),
            more,
            advice: words.advice(),
            link,
            reason: words.reason(),
        }
    }
}

/// The message of `latchkey mail test`.
///
/// # Errors
/// Returns [`Unwritable`] if it cannot be made.
pub fn test_message(settings: &MailSettings, to: Address, now: Timestamp) -> Result<Message, Unwritable> {
    let host = settings.url.authority();
    let text = format!("Latchkey on {host} can send mail: latchkey mail test has sent this.\n");
    let message = Message::builder()
        .from(settings.from.clone())
        .to(Mailbox::new(None, to))
        .subject(format!("A test from Latchkey on {}", settings.url.host()))
        .message_id(Some(format!("<{}@{}>", random_base62(24), settings.from.email.domain())))
        .date(now.and_utc().into());
    message.body(text).map_err(|error| Unwritable(format!("the mail cannot be written: {error}")))
}

fn greeting(person: &User) -> String {
    if person.firstname.is_empty() { person.login.clone() } else { person.firstname.clone() }
}
