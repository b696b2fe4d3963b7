//! The verdict on a key: its boundaries, to the microsecond, as pages and programs are told it.

use chrono::TimeDelta;
use latchkey::clock::{Timestamp, iso8601};
use latchkey::models::keys::token::TokenAction;
use latchkey::models::keys::verdict::{Evidence, Verdict};
use rstest::rstest;

use super::*;

/// What is known of a key so many days before a moment, and the verdicts just before it and at it.
struct Case {
    created: i64,
    recorded: Option<i64>,
    used: Option<i64>,
    before: Verdict,
    then: Verdict,
}

const CASES: [Case; 7] = [
    Case { created: 200, recorded: None, used: Some(90), before: Verdict::InUse, then: Verdict::Idle },
    Case { created: 90, recorded: None, used: None, before: Verdict::Unused, then: Verdict::Unused },
    Case { created: 30, recorded: None, used: None, before: Verdict::TooEarly, then: Verdict::Unused },
    // A key that moved in, or one whose uses a crash has lost.
    Case { created: 300, recorded: Some(30), used: None, before: Verdict::TooEarly, then: Verdict::Unused },
    Case { created: 300, recorded: Some(90), used: Some(100), before: Verdict::TooEarly, then: Verdict::Idle },
    Case { created: 300, recorded: Some(10), used: Some(90), before: Verdict::InUse, then: Verdict::TooEarly },
    Case { created: 300, recorded: Some(90), used: Some(80), before: Verdict::InUse, then: Verdict::InUse },
];

#[rstest]
#[tokio::test]
async fn pages_and_programs_are_told_the_same_to_the_microsecond(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    site.add_admin("root").await;
    let reader = site.add_key(&alice, TokenAction::Api).await;
    let moment = site.clock.now() + TimeDelta::minutes(5);
    let before = |days: i64| moment - TimeDelta::days(days);
    let mut keys = Vec::new();
    for case in &CASES {
        let key = site.add_access_token(&alice, "account:read", "never").await;
        let sql = |time: Option<i64>| time.map_or("NULL".to_owned(), |days| format!("'{}'", before(days)));
        let known = format!(
            "created_on = {}, recorded_since = {}, updated_on = {}",
            sql(Some(case.created)),
            sql(case.recorded),
            sql(case.used)
        );
        site.database.execute(&format!("UPDATE tokens SET {known} WHERE id = {}", key.id));
        keys.push(key);
    }
    let (visitor, root) = (site.signed_in("alice").await, site.signed_in("root").await);
    for (now, is_then) in [(moment - TimeDelta::microseconds(1), false), (moment, true)] {
        site.clock.set(now);
        for (case, key) in CASES.iter().zip(&keys) {
            let (verdict, since) =
                (if is_then { case.then } else { case.before }, case.recorded.unwrap_or(case.created));
            let path = format!("/my/tokens/{}", key.id);
            let document = site.get_with_key(&format!("{path}.json"), &reader).await.json();
            assert_eq!(document["verdict"], verdict.as_str(), "{document} at {now}");
            assert_eq!(document["recorded_since"], iso8601(before(since)), "{document}");
            let evidence = Evidence {
                created_on: before(case.created),
                recorded_since: before(since),
                last_use: case.used.map(before),
            };
            let words = in_words(&evidence, now);
            for page in [
                visitor.get(&path).await,
                visitor.get(&format!("{path}/revoke")).await,
                root.get(&format!("/admin/users/{}/keys/{}", alice.id, key.id)).await,
            ] {
                assert!(page.shows(&words), "{words} is not in {}", page.text());
            }
        }
        let verdicts = CASES.iter().map(|case| if is_then { case.then } else { case.before });
        for (state, count) in [
            ("safe_to_end", verdicts.clone().filter(|it| it.is_safe_to_end()).count()),
            ("too_early", verdicts.clone().filter(|it| *it == Verdict::TooEarly).count()),
            ("in_use", verdicts.filter(|it| *it == Verdict::InUse).count()),
        ] {
            let list = visitor.get(&format!("/my/tokens?state={state}")).await;
            let found =
                if count == 1 { "1 access token found".to_owned() } else { format!("{count} access tokens found") };
            assert!(list.shows(&found), "{found} in {}", list.text());
        }
    }
}

/// As a page says it, where the last use stands right above.
fn in_words(evidence: &Evidence, now: Timestamp) -> String {
    match evidence.verdict(now) {
        Verdict::InUse => "ago In use".to_owned(),
        _ => evidence.in_words(now),
    }
}
