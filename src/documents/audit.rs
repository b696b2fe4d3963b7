//! An entry of the audit log as programs read it: the same document from the API, the command line and in exports. The
//! lines of the process's log have members of the same names.

use std::borrow::Cow;

use serde::Serialize;
use utoipa::ToSchema;

use super::export::Exported;
use crate::clock::iso8601;
use crate::models::audit::AuditEntry;

/// An entry of the audit log. Names, logins and addresses are those of the time. Times are RFC 3339 in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub struct AuditDocument {
    /// The id, which is never reused.
    pub id: i64,
    /// When it happened; of what is counted, when it happened last.
    #[schema(format = DateTime)]
    pub created_on: String,
    /// What happened, such as `key_revoked`.
    pub action: String,
    /// Whether somebody was refused something.
    pub refused: bool,
    /// How many times it had happened by then, where that is counted: refused sign-ins within an hour.
    #[schema(minimum = 1)]
    pub times: i64,
    /// The login of the person whom it is about; null: it is about nobody, as with a service.
    #[schema(required)]
    pub user: Option<String>,
    /// The id of that person, who may be deleted by now.
    #[schema(required)]
    pub user_id: Option<i64>,
    /// The login of who did it, or `command line`, `Latchkey itself` or `not signed in`.
    pub actor: String,
    /// The id of who did it; null: it was no person, or the id is not known.
    #[schema(required)]
    pub actor_id: Option<i64>,
    /// The login of the person as whom the actor did it (Switch-User); null: as themself.
    #[schema(required)]
    pub acting_as: Option<String>,
    /// The id of that person.
    #[schema(required)]
    pub acting_as_id: Option<i64>,
    /// The id of the key that it is about.
    #[schema(required)]
    pub key_id: Option<i64>,
    /// The kind of that key: api, feeds or access.
    #[schema(required)]
    pub key_kind: Option<String>,
    /// The name of that key; null: it has none.
    #[schema(required)]
    pub key_name: Option<String>,
    /// The last characters of the secret of that key.
    #[schema(required)]
    pub key_hint: Option<String>,
    /// The address of the client; null: there was none, as on the command line.
    #[schema(required)]
    pub address: Option<String>,
    /// The user agent of the client.
    #[schema(required)]
    pub agent: Option<String>,
    /// The key or session that it was done with, in words; of a command, the operating system's user.
    #[schema(required)]
    pub credential: Option<String>,
    /// What else there is to say, in words.
    #[schema(required)]
    pub detail: Option<String>,
}

impl From<AuditEntry> for AuditDocument {
    fn from(entry: AuditEntry) -> Self {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        Self {
            refused: entry.is_refused(),
            id: entry.id,
            created_on: iso8601(entry.created_on),
            action: entry.action,
            times: entry.times,
            user: entry.user_login,
            user_id: entry.user_id,
            actor: entry.actor,
            actor_id: entry.actor_id,
            acting_as: entry.acting_as,
            acting_as_id: entry.acting_as_id,
            key_id: entry.token_id,
            key_kind: entry.token_action,
            key_name: entry.token_name,
            key_hint: entry.token_hint,
            address: given(entry.address),
            agent: given(entry.agent),
            credential: entry.credential,
            detail: entry.detail,
        }
    }
}

impl Exported for AuditDocument {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "created_on",
        "action",
        "refused",
        "times",
        "user",
        "user_id",
        "actor",
        "actor_id",
        "acting_as",
        "acting_as_id",
        "key_id",
        "key_kind",
        "key_name",
        "key_hint",
        "address",
        "agent",
        "credential",
        "detail",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        fn text(text: &Option<String>) -> Cow<'_, str> {
            text.as_deref().unwrap_or_default().into()
        }
        let number = |number: Option<i64>| Cow::from(number.map(|it| it.to_string()).unwrap_or_default());
        vec![
            self.id.to_string().into(),
            self.created_on.as_str().into(),
            self.action.as_str().into(),
            self.refused.to_string().into(),
            self.times.to_string().into(),
            text(&self.user),
            number(self.user_id),
            self.actor.as_str().into(),
            number(self.actor_id),
            text(&self.acting_as),
            number(self.acting_as_id),
            number(self.key_id),
            text(&self.key_kind),
            text(&self.key_name),
            text(&self.key_hint),
            text(&self.address),
            text(&self.agent),
            text(&self.credential),
            text(&self.detail),
        ]
    }
}
