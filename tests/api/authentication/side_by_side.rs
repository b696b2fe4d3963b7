//! Requests at the same time: on PostgreSQL their keys are looked up together.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn each_is_answered_for_its_own_key(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut cases = Vec::new();
    for number in 0..10 {
        let login = format!("user{number}");
        let user = site.add_passwordless_user(&login).await;
        let key = site.add_key(&user, TokenAction::Api).await;
        let feeds = site.add_key(&user, TokenAction::Feeds).await;
        let nobodys = latchkey::secret::Secret::generate();
        // Two of the same, as programs do that send several requests.
        cases.extend([(key.secret.clone(), Some(login.clone())), (key.secret, Some(login))]);
        cases.extend([(feeds.secret, None), (nobodys.expose().to_owned(), None)]);
    }
    let locked = site.add_passwordless_user("locked").await;
    let key_of_locked = site.add_key(&locked, TokenAction::Api).await;
    site.set_user(&locked, "status = 'locked'");
    cases.push((key_of_locked.secret, None));

    let held = (db == Postgres).then(|| site.database.hold("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE"));
    let answers = cases.iter().map(|(secret, _)| {
        let request = site.get(ADDRESS).header(KEY_HEADER, secret);
        tokio::spawn(async move { Answer::of(request).await })
    });
    let answers: Vec<_> = answers.collect();
    site.database.until_somebody_waits().await;
    drop(held);
    for (answer, (_, login)) in answers.into_iter().zip(&cases) {
        let answer = answer.await.expect("an answer");
        let told = answer.json()["user"]["login"].as_str().map(str::to_owned);
        assert_eq!((answer.status, &told), (if login.is_some() { 200 } else { 401 }, login), "{}", answer.text);
    }
}
