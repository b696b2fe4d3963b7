//! The access token as pages show it.

use super::path_of;
use crate::app::App;
use crate::clock::Timestamp;
use crate::models::keys::key::{Key, UsedSecret};
use crate::models::keys::scope::KeyScopes;
use crate::models::keys::scope_group::capitalized;
use crate::models::keys::token::Token;
use crate::models::people::user::User;
use crate::pages::moment::{Due, Moment};
use crate::pages::networks::shown::ShownNetworks;
use crate::pages::suspension::shown::ShownSuspension;
use crate::pages::verdict::{ShownVerdict, used_by};

/// An access token.
pub struct ShownToken {
    /// The id.
    pub id: i64,
    /// The path of its page.
    pub path: String,
    /// The name.
    pub name: String,
    /// The owner's note; may be empty.
    pub note: String,
    /// The last four characters of the current secret.
    pub hint: String,
    /// The permissions, in words.
    pub scopes: String,
    /// When the token was created.
    pub created: Moment,
    /// Who created it, if that was not the account it belongs to.
    pub made_by: Option<String>,
    /// When the token was last used, by any of its secrets; `None` if no use is recorded.
    pub last_used: Option<Moment>,
    /// Where the last use came from, in words; `None`: nobody knows.
    pub used_by: Option<String>,
    /// Whether the last use was by a secret that has been replaced.
    pub by_earlier: bool,
    /// Since when uses have been recorded, if that is later than the creation of the token (as it is for an imported
    /// key).
    pub recorded_since: Option<Moment>,
    /// Where the token may be used from; `None`: anywhere.
    pub networks: Option<ShownNetworks>,
    /// Whether the token works, and until when.
    pub state: ShownState,
    /// Whether programs can use the token now.
    pub works: bool,
    /// Whether anybody still uses the token; `None` if it has expired, so that nobody can.
    pub verdict: Option<ShownVerdict>,
}

/// Whether a token works, and until when.
pub enum ShownState {
    /// The token does not expire.
    Lasting,
    /// The token works until this time.
    Expiring(Due),
    /// The token works until this time, which is near.
    ExpiringSoon(Due),
    /// The token is suspended.
    Suspended(ShownSuspension),
    /// The token has been refused since this time.
    Expired(Moment),
}

/// A secret of a token.
pub struct ShownSecret {
    /// The last four characters of the secret.
    pub hint: String,
    /// When the secret was created.
    pub created: Moment,
    /// When the secret was last used; `None` if never.
    pub last_used: Option<Moment>,
    /// When a replaced secret stops working; `None` if it works as long as the token.
    pub works_until: Option<Due>,
}

/// The secrets of a rotated token that still work, and whether programs have switched.
pub struct Rotation {
    /// The secrets that work, newest first.
    pub secrets: Vec<ShownSecret>,
    /// Whether programs have switched to the new secret, in words.
    pub progress: String,
}

impl ShownToken {
    /// `key` as it is now.
    pub fn new(app: &App, key: &Key) -> Self {
        let now = app.clock.now();
        let moment = |time| Moment::new(time, now);
        let last_use = key.last_use(|token| app.recorder.last_use.of(token));
        let evidence = key.evidence(last_use);
        Self {
            id: key.id,
            path: path_of(key.id),
            name: key.name.clone().unwrap_or_default(),
            note: key.note.clone(),
            hint: key.current.hint.clone(),
            scopes: in_words(&key.scopes),
            created: moment(key.created_on),
            made_by: key.made_by.clone(),
            last_used: last_use.map(|last_use| moment(last_use.on)),
            used_by: used_by(app, key, last_use),
            by_earlier: last_use.is_some_and(|last_use| last_use.by == UsedSecret::Earlier),
            recorded_since: evidence.recorded_later().map(moment),
            networks: ShownNetworks::of(key),
            state: ShownState::of(key, now),
            works: key.works(now),
            verdict: (!key.is_expired(now)).then(|| ShownVerdict::of(&evidence, now)),
        }
    }

    /// The token as it is while its owner is active, or is not.
    pub fn of_owner(app: &App, key: &Key, owner: &User) -> Self {
        let shown = Self::new(app, key);
        Self { works: shown.works && owner.is_active(), ..shown }
    }

    /// Whether nobody will miss the token.
    pub fn is_safe_to_end(&self) -> bool {
        self.verdict.as_ref().is_some_and(|verdict| verdict.is_safe_to_end)
    }

    /// Whether the token has expired.
    pub fn is_expired(&self) -> bool {
        matches!(self.state, ShownState::Expired(_))
    }

    /// Whether the token is suspended.
    pub fn is_suspended(&self) -> bool {
        matches!(self.state, ShownState::Suspended(_))
    }

    /// The verb for deleting the token: an expired one is removed, as there is nothing left to revoke.
    pub fn end_verb(&self) -> &'static str {
        if self.is_expired() { "Remove" } else { "Revoke" }
    }
}

impl ShownState {
    fn of(key: &Key, now: Timestamp) -> Self {
        match (key.expires_on, key.suspension(now)) {
            (Some(expires_on), _) if expires_on <= now => Self::Expired(Moment::of_end(expires_on, now)),
            (_, Some(suspension)) => Self::Suspended(ShownSuspension::new(&suspension, now)),
            (None, None) => Self::Lasting,
            (Some(expires_on), None) if key.expires_soon(now) => Self::ExpiringSoon(Due::new(expires_on, now)),
            (Some(expires_on), None) => Self::Expiring(Due::new(expires_on, now)),
        }
    }
}

impl ShownSecret {
    fn new(app: &App, secret: &Token) -> Self {
        let now = app.clock.now();
        Self {
            hint: secret.hint.clone(),
            created: Moment::new(secret.created_on, now),
            last_used: app.recorder.last_use.of(secret).map(|time| Moment::new(time, now)),
            works_until: secret.retired_on.and(secret.ends_on()).map(|time| Due::new(time, now)),
        }
    }
}

impl Rotation {
    /// The rotation of `key`; `None` if only its current secret works, which needs no explanation.
    pub fn of(app: &App, key: &Key) -> Option<Self> {
        let now = app.clock.now();
        let in_grace: Vec<&Token> = key.in_grace(now).collect();
        if in_grace.is_empty() || key.is_expired(now) {
            return None;
        }
        let rotated_on = key.current.created_on;
        let used = |secret: &Token| app.recorder.last_use.of(secret);
        let by_earlier_since = in_grace.iter().filter_map(|secret| used(secret)).filter(|on| *on > rotated_on).max();
        let progress = match (used(&key.current), by_earlier_since) {
            (None, None) => "None of them has been used since the rotation.".to_owned(),
            (None, Some(_)) => "Programs still use an old secret. The new one has not been used yet.".to_owned(),
            (Some(_), None) => "Only the new secret has been used since the rotation.".to_owned(),
            (Some(new), Some(earlier)) if earlier < new => {
                "The new secret was used last. Once no old secret is used any more, every program has switched."
                    .to_owned()
            }
            (Some(_), Some(_)) => "Some programs still use an old secret.".to_owned(),
        };
        let secrets = std::iter::once(&key.current).chain(in_grace).map(|secret| ShownSecret::new(app, secret));
        Some(Self { secrets: secrets.collect(), progress })
    }
}

/// The permissions that `scopes` give a program, as a sentence without its full stop.
pub fn in_words(scopes: &KeyScopes) -> String {
    capitalized(&scopes.summary())
}
