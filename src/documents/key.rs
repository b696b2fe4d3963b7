//! The JSON document of a key, the same from the API and the command line.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::{Timestamp, iso8601};
use crate::models::keys::key::{Key, UsedSecret};
use crate::models::keys::list_query::ListedState;
use crate::models::keys::recording::UsedBy;
use crate::models::keys::scope::Scope;
use crate::models::keys::suspension::Afterwards;
use crate::models::keys::token::{Token, TokenAction};
use crate::models::keys::verdict::Verdict;
use crate::secret::Secret;

/// A key. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyDocument {
    /// The id of the key. It stays the same after a rotation, and is never reused.
    pub id: i64,
    /// The login of the owner.
    pub login: String,
    /// The kind of key: `access` (access token), `api` (API access key) or `feeds` (Atom access key).
    #[schema(value_type = TokenAction)]
    pub action: &'static str,
    /// The name of an access token. The other kinds have no name.
    #[schema(required)]
    pub name: Option<String>,
    /// The owner's note; may be empty.
    pub note: String,
    /// The last four characters of the current secret.
    pub hint: String,
    /// What the key may do.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Vec<String>,
    /// When the key was created.
    #[schema(format = DateTime)]
    pub created_on: String,
    /// The login of whoever created it, if that was not its holder: an owner of the service account, for example.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub made_by: Option<String>,
    /// When the key expires; null: never.
    #[schema(format = DateTime, required)]
    pub expires_on: Option<String>,
    /// The addresses and networks (in CIDR notation) that the key may be used from; null: anywhere.
    #[schema(required)]
    pub networks: Option<Vec<String>>,
    /// Whether the key is active, is suspended or has expired.
    pub state: KeyState,
    /// When the suspension ends by itself; null: the key is not suspended, or until somebody switches it on again.
    #[schema(format = DateTime, required)]
    pub suspended_until: Option<String>,
    /// What becomes of the key then; null: the suspension does not end by itself.
    #[schema(required)]
    pub suspended_then: Option<Then>,
    /// When any of its secrets was last used; null: not since `recorded_since`.
    #[schema(format = DateTime, required)]
    pub last_used_on: Option<String>,
    /// Which secret was used then.
    #[schema(required)]
    pub last_used_by: Option<LastUsedBy>,
    /// The client's address at that use; null: not known.
    #[schema(required)]
    pub last_address: Option<String>,
    /// The client's user agent at that use, which may be empty; null: not known.
    #[schema(required)]
    pub last_agent: Option<String>,
    /// Since when uses are recorded without a gap. This is later than `created_on` if the key was imported, or if a
    /// crash has lost uses of it.
    #[schema(format = DateTime)]
    pub recorded_since: String,
    /// Whether anybody still uses the key: `in_use` (used in the last 90 days), `idle` (used, but not in 90 days),
    /// `unused` (never used, in at least 30 days of recording), `too_early` (not recorded for as long as that).
    #[schema(value_type = Verdict)]
    pub verdict: &'static str,
    /// The replaced secrets that still work, latest first.
    pub earlier_secrets: Vec<EarlierSecret>,
    /// The secret. Only the response that creates it contains it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub secret: Option<String>,
}

/// Whether a key works.
#[derive(Serialize, ToSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// The key works.
    Active,
    /// The key is suspended and is refused.
    Suspended,
    /// The key has expired and is refused.
    Expired,
}

/// What becomes of a suspended key.
#[derive(Serialize, ToSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Then {
    /// It works again.
    Resume,
    /// It is revoked.
    Revoke,
}

impl KeyState {
    /// The state of `key`.
    pub fn of(key: &Key, now: Timestamp) -> Self {
        match ListedState::of(key, now) {
            ListedState::Active => Self::Active,
            ListedState::Suspended => Self::Suspended,
            ListedState::Expired => Self::Expired,
        }
    }
}

impl From<Afterwards> for Then {
    fn from(afterwards: Afterwards) -> Self {
        match afterwards {
            Afterwards::Resume => Self::Resume,
            Afterwards::Revoke => Self::Revoke,
        }
    }
}

/// Which secret of a key was used.
#[derive(Serialize, ToSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LastUsedBy {
    /// The current secret.
    Current,
    /// A secret that a rotation has replaced.
    Earlier,
}

/// A secret that a rotation has replaced and that still works.
#[derive(Serialize, ToSchema)]
pub struct EarlierSecret {
    /// The last four characters of the secret.
    pub hint: String,
    /// When the secret stops working.
    #[schema(format = DateTime, required)]
    pub works_until: Option<String>,
    /// When the secret was last used; null: never.
    #[schema(format = DateTime, required)]
    pub last_used_on: Option<String>,
}

impl KeyDocument {
    /// The document of `key`, whose owner has this login, at `now`. `last_use` returns the last use of one secret.
    pub fn new(key: &Key, login: &str, last_use: impl Fn(&Token) -> Option<Timestamp>, now: Timestamp) -> Self {
        let latest = key.last_use(&last_use);
        let evidence = key.evidence(latest);
        let end = key.suspension(now).and_then(|suspension| Some((suspension.end.at()?, suspension.end.afterwards())));
        let earlier = key.in_grace(now).map(|secret| EarlierSecret {
            hint: secret.hint.clone(),
            works_until: secret.ends_on().map(iso8601),
            last_used_on: last_use(secret).map(iso8601),
        });
        let document = Self {
            id: key.id,
            login: login.to_owned(),
            action: key.action.as_str(),
            name: key.name.clone(),
            note: key.note.clone(),
            hint: key.current.hint.clone(),
            scopes: key.scopes.words().collect(),
            created_on: iso8601(key.created_on),
            made_by: key.made_by.clone(),
            expires_on: key.expires_on.map(iso8601),
            networks: key.networks.as_ref().map(|networks| networks.words().collect()),
            state: KeyState::of(key, now),
            suspended_until: end.map(|(at, _)| iso8601(at)),
            suspended_then: end.map(|(_, afterwards)| afterwards.into()),
            last_used_on: latest.map(|latest| iso8601(latest.on)),
            last_used_by: latest.map(|latest| match latest.by {
                UsedSecret::Current => LastUsedBy::Current,
                UsedSecret::Earlier => LastUsedBy::Earlier,
            }),
            last_address: None,
            last_agent: None,
            recorded_since: iso8601(evidence.recorded_since),
            verdict: evidence.verdict(now).as_str(),
            earlier_secrets: earlier.collect(),
            secret: None,
        };
        document.used_by(latest.and_then(|latest| key.used_by(latest)))
    }

    /// The same document with who used the key last, if that is not written yet; `None`: nobody knows.
    pub fn used_by(self, by: Option<&UsedBy>) -> Self {
        let (last_address, last_agent) = (by.map(|by| by.address.clone()), by.map(|by| by.agent.clone()));
        Self { last_address, last_agent, ..self }
    }

    /// The same document with the new secret, which is shown only once.
    pub fn with_secret(self, secret: &Secret) -> Self {
        Self { secret: Some(secret.expose().to_owned()), ..self }
    }
}
