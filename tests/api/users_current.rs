//! `/users/current`

use latchkey::models::token::TokenAction;
use rstest::rstest;

use crate::support::*;

#[rstest]
#[tokio::test]
async fn a_key_in_the_header_shows_its_owner(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let key = site.add_key(&alice, TokenAction::Api).await;
    let answer = site.get_with_key("/users/current.json", &key).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["user"]["login"], "alice");
}
