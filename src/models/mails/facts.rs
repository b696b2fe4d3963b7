//! What a mail tells, as it is stored in the outbox: facts, of which the text and the HTML are made when it is sent. No
//! secret is ever among them.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::models::client::Client;
use crate::models::keys::token::{Token, TokenAction};

/// The facts of one thing that a mail tells. Fields that do not apply are left out.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(default)]
pub struct Facts {
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none", with = "to_the_second")]
    pub at: Option<Timestamp>,
    /// The key that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyFacts>,
    /// The service account that it is about, if the mail is for its owners.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountFacts>,
    /// The login of who did it, if that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The client's address; `None`: it was done on the machine, or by Latchkey itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The client's user agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Further details, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// When the key expires.
    #[serde(skip_serializing_if = "Option::is_none", with = "to_the_second")]
    pub expires_on: Option<Timestamp>,
    /// Whether nobody has used the key for long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unused: bool,
    /// What administrators should look at, a line each, with the path of the page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<(String, String)>,
}

/// A key, as people recognise it.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct KeyFacts {
    /// Its id.
    pub id: i64,
    /// Its title, such as `API access key` or `Access token “backup”`.
    pub title: String,
    /// The last characters of the secret.
    pub hint: String,
    /// Whether it is an access token, which has a page of its own.
    pub has_page: bool,
}

/// A service account.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// Its id.
    pub id: i64,
    /// Its login.
    pub login: String,
}

impl Facts {
    /// What a client did at a time.
    pub fn of_client(client: &Client, at: Timestamp) -> Self {
        let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let address = said(client.audited_address());
        Self { at: Some(at), agent: address.as_ref().and_then(|_| said(client.agent())), address, ..Self::default() }
    }

    /// The same about a key.
    pub fn about(self, token: &Token) -> Self {
        Self { key: Some(KeyFacts::of(token)), expires_on: token.expires_on, ..self }
    }
}

impl KeyFacts {
    /// The key of this secret.
    pub fn of(token: &Token) -> Self {
        Self {
            id: token.key(),
            title: token.title(),
            hint: token.hint.clone(),
            has_page: token.action == TokenAction::Access,
        }
    }
}

/// Times as the API writes them.
mod to_the_second {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::clock::{Timestamp, iso8601, parse_time};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => serializer.serialize_some(&iso8601(*time)),
            None => serializer.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.and_then(|text| parse_time(&text)))
    }
}
