//! How many tokens of a kind a person may hold, and how long they are valid.

use chrono::TimeDelta;
use latchkey::models::keys::recording::{RecordIf, TokenUse};
use latchkey::models::keys::token::{Claim, Presented, Token, TokenAction};
use latchkey::models::tx::Tx;
use rstest::rstest;

use crate::support::*;

/// Making one more ends the one that was unused for longest; a use counts as much as being made.
#[rstest]
#[tokio::test]
async fn one_more_than_allowed_ends_the_one_unused_for_longest(
    #[values(
        (TokenAction::Api, 1), (TokenAction::Feeds, 1), (TokenAction::Session, 10), (TokenAction::Autologin, 10),
        (TokenAction::Recovery, 1), (TokenAction::Register, 1), (TokenAction::TwofaBackupCode, 10)
    )]
    (action, most): (TokenAction, usize),
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start(db).await;
    let (alice, bob) = (site.add_user("alice").await, site.add_user("bob").await);
    let of_bob = site.add_key(&bob, action).await;
    let mut made = Vec::new();
    for _ in 0..most {
        site.later(TimeDelta::seconds(1));
        made.push(site.add_key(&alice, action).await);
    }
    assert!(made.iter().all(|key| site.token(key.id).is_some()), "as many as allowed");
    // The first is used now, so that the second is the one unused for longest, if there is one.
    site.later(TimeDelta::seconds(1));
    let used = TokenUse { token_id: made[0].id, used_on: site.clock.now(), by: None };
    let record = move |tx: &mut Tx<'_>| {
        Token::record_uses(tx.connection, &[used], RecordIf::Later).map_err(latchkey::db::DbError::from)
    };
    site.write(record).await;
    site.later(TimeDelta::seconds(1));
    let one_more = site.add_key(&alice, action).await;
    let ended = made.get(1).unwrap_or(&made[0]).id;
    let left: Vec<_> = made.iter().map(|key| key.id).filter(|id| site.token(*id).is_some()).collect();
    assert_eq!(left, made.iter().map(|key| key.id).filter(|id| *id != ended).collect::<Vec<_>>());
    assert!(site.token(one_more.id).is_some() && site.token(of_bob.id).is_some());
}

/// Recovery and activation are valid for a day; the others do not age by themselves.
#[rstest]
#[tokio::test]
async fn recovery_and_activation_are_valid_for_a_day(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let actions = [
        (TokenAction::Recovery, true),
        (TokenAction::Register, true),
        (TokenAction::Api, false),
        (TokenAction::Feeds, false),
        (TokenAction::Session, false),
        (TokenAction::Autologin, false),
        (TokenAction::TwofaBackupCode, false),
    ];
    let mut tokens = Vec::new();
    for (action, ages) in actions {
        tokens.push((action, ages, site.add_key(&alice, action).await));
    }
    let found = |action: TokenAction, key: &Key| {
        let digest = latchkey::secret::Secret::presented(&*key.secret).digest();
        let (actions, now) = (Box::leak(Box::new([action])), site.clock.now());
        let claim = Claim { digest, actions, now, address: [127, 0, 0, 1].into() };
        let found = site.app.database.read_now(|connection| Token::find_active(connection, &claim));
        matches!(found.expect("a query"), Some(Presented::Valid(..)))
    };
    site.later(TimeDelta::days(1) - TimeDelta::microseconds(1));
    assert!(tokens.iter().all(|(action, _, key)| found(*action, key)));
    site.later(TimeDelta::microseconds(1));
    for (action, ages, key) in &tokens {
        assert_eq!(found(*action, key), !ages, "{action:?}");
    }
    site.later(TimeDelta::days(4000));
    for (action, ages, key) in &tokens {
        assert_eq!(found(*action, key), !ages, "{action:?}");
    }
}
