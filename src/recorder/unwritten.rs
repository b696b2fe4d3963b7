//! What lists of keys are told of uses that are still in memory.

use super::thread::Recorder;
use crate::clock::Timestamp;
use crate::models::keys::key::{Key, KeyUse};
use crate::models::keys::list::UnwrittenUses;
use crate::models::keys::recording::UsedBy;
use crate::models::keys::token::Token;
use crate::models::services::uses::KeyOnService;

impl UnwrittenUses for Recorder {
    fn last_use(&self, secret: &Token) -> Option<Timestamp> {
        self.last_use.of(secret)
    }

    fn used_by(&self, key: &Key, last_use: KeyUse) -> Option<UsedBy> {
        self.last_use.used_by(key, last_use)
    }

    fn on_services(&self, key_ids: &[i64]) -> Vec<(KeyOnService, Timestamp)> {
        self.service_uses.latest_of(key_ids)
    }
}
