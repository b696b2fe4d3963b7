//! Service accounts: programs have keys that belong to nobody who may leave, and people who look after them.

mod commands;
mod in_file;
mod model;
mod over_the_api;
mod owned;
mod who_may;

use latchkey::models::people::user::User;

use crate::support::*;

/// Root, who is an administrator, alice, and a service account of hers.
async fn with_backup(db: Db) -> (Site, User, User) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    let backup = site.add_service_account("backup", &alice).await;
    (site, alice, backup)
}

/// Where its owners find the tokens of a service account.
fn tokens_of(account: &User) -> String {
    format!("/my/service-accounts/{}/tokens", account.id)
}
