//! Whom a letter is for, and what it is made of.

use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::config::public_url::PublicUrl;
use crate::models::people::user::User;

/// One thing that a mail tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Names and values.
    pub facts: Vec<(&'static str, String)>,
    /// What one should look at, in words, and the address of the page.
    pub pages: Vec<(String, String)>,
}

/// Whom a mail goes to.
pub struct Addressee {
    /// The person.
    pub person: User,
    /// The address.
    pub address: String,
    /// The path of a link with a secret, if the mail has one.
    pub link: Option<String>,
}

/// Whom a letter is for, and from which installation.
pub struct Correspondence<'a> {
    /// The person.
    pub person: &'a User,
    /// The address of the installation.
    pub url: &'a PublicUrl,
    /// The person's time zone; `None`: UTC.
    pub zone: Option<Tz>,
    /// The time.
    pub now: Timestamp,
}
