//! A key in the list of everybody's keys, as a JSON document and as a line of CSV.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::export::Exported;
use super::key::KeyDocument;
use crate::clock::{Timestamp, iso8601};
use crate::models::keys::list::{ListedKey, UnwrittenUses};
use crate::models::services::used_on::UsedService;

/// A key of anybody's, and where it is used.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedKey)]
pub struct ListedKeyDocument {
    #[serde(flatten)]
    key: KeyDocument,
    /// The id of the owner.
    user_id: i64,
    /// The services on which the key was used, the latest use first.
    services: Vec<UsedServiceDocument>,
}

/// A service on which a key was used.
#[derive(Serialize, ToSchema)]
#[schema(as = UsedService)]
pub struct UsedServiceDocument {
    /// The name of the service.
    service: String,
    /// When the key was last used there.
    #[schema(format = DateTime)]
    last_used_on: String,
}

impl ListedKeyDocument {
    /// The document of a key at `now`.
    pub fn new(listed: &ListedKey, uses: &impl UnwrittenUses, now: Timestamp) -> Self {
        let ListedKey { key, owner, .. } = listed;
        let last_use = key.last_use(|secret| uses.last_use(secret));
        let used_by = last_use.and_then(|last_use| uses.used_by(key, last_use));
        let document = KeyDocument::new(key, &owner.login, |secret| uses.last_use(secret), now);
        Self {
            key: document.used_by(used_by.as_ref()),
            user_id: owner.id,
            services: listed.services.iter().map(UsedServiceDocument::from).collect(),
        }
    }
}

impl From<&UsedService> for UsedServiceDocument {
    fn from(used: &UsedService) -> Self {
        Self { service: used.name.clone(), last_used_on: iso8601(used.last_used_on) }
    }
}

impl Exported for ListedKeyDocument {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "user_id",
        "login",
        "action",
        "name",
        "note",
        "hint",
        "scopes",
        "created_on",
        "expires_on",
        "state",
        "suspended_until",
        "last_used_on",
        "last_used_by",
        "last_address",
        "last_agent",
        "recorded_since",
        "verdict",
        "services",
        "networks",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let Self { key, user_id, services } = self;
        let networks = key.networks.as_ref().map(|networks| match networks.is_empty() {
            true => "none".to_owned(),
            false => networks.join(" "),
        });
        let networks = networks.unwrap_or_default();
        let services = services.iter().map(|used| used.service.as_str()).collect::<Vec<_>>();
        vec![
            key.id.to_string().into(),
            user_id.to_string().into(),
            key.login.as_str().into(),
            key.action.into(),
            or_empty(&key.name),
            key.note.as_str().into(),
            key.hint.as_str().into(),
            key.scopes.join(" ").into(),
            key.created_on.as_str().into(),
            or_empty(&key.expires_on),
            word(&key.state).into(),
            or_empty(&key.suspended_until),
            or_empty(&key.last_used_on),
            key.last_used_by.as_ref().map(word).unwrap_or_default().into(),
            or_empty(&key.last_address),
            or_empty(&key.last_agent),
            key.recorded_since.as_str().into(),
            key.verdict.into(),
            services.join(" ").into(),
            // As it is stored: what lets nobody in must not look like what lets everybody in.
            networks.into(),
        ]
    }
}

fn or_empty(text: &Option<String>) -> Cow<'_, str> {
    Cow::from(text.as_deref().unwrap_or_default())
}

/// The word that stands for a value in JSON, too.
fn word(value: &impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    word.unwrap_or_default()
}
