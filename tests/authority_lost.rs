//! What let a request in may be lost while the request waits: for a slow body, for a password to be hashed, for somebody
//! else's lock. Nobody writes on an authority that they have no longer, and who has lost it is told what a request is
//! told that arrives now. Every address that writes is in this by the table of routes.

use latchkey::models::keys::token::TokenAction;
use reqwest::{Method, RequestBuilder};
use rstest::rstest;

use crate::support::site::UNREACHABLE_MAIL;
use crate::support::wire::HeldBack;
use crate::support::world::{By, World, routes_that_write};
use crate::support::*;

/// What is lost while a request waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    Ended,
    Narrowed,
    Expired,
    Suspended,
    Elsewhere,
    Locked,
    Demoted,
    Deleted,
    PasswordChanged,
    SecondFactor,
}

/// The key or session that lets somebody in.
fn token_of(world: &World, by: By) -> i64 {
    if by == By::Session { world.session } else { world.key.id }
}

/// What takes the authority away, as SQL.
fn loss_of(world: &World, by: By, loss: Loss) -> String {
    let (root, token) = (world.root.id, token_of(world, by));
    let user = |set: &str| format!("UPDATE users SET {set} WHERE id = {root}");
    match loss {
        Loss::Ended => format!("DELETE FROM tokens WHERE id = {token}"),
        Loss::Narrowed => format!("UPDATE tokens SET scopes = 'tokens:read' WHERE id = {token}"),
        Loss::Expired if by == By::Session => {
            // Too old, but not so old that it is removed meanwhile.
            format!("UPDATE tokens SET created_on = '2026-10-20 00:00:00' WHERE id = {token}")
        }
        Loss::Expired => format!("UPDATE tokens SET expires_on = '2026-11-24 09:00:00' WHERE id = {token}"),
        Loss::Suspended => format!("UPDATE tokens SET suspended_on = '2026-11-24 09:00:00' WHERE id = {token}"),
        Loss::Elsewhere => format!("UPDATE tokens SET networks = '192.0.2.0/24' WHERE id = {token}"),
        Loss::Locked => user("status = 'locked'"),
        Loss::Demoted => user("admin = false"),
        Loss::Deleted => format!("DELETE FROM tokens WHERE user_id = {root}; DELETE FROM users WHERE id = {root}"),
        Loss::PasswordChanged => {
            let ended = format!("DELETE FROM tokens WHERE action = 'session' AND user_id = {root}");
            format!("{}; {ended}", user("password_hash = 'another'"))
        }
        Loss::SecondFactor => user("twofa_scheme = 'totp'"),
    }
}

/// Sends a request of the world's; while it waits, its authority is lost. Gives the answer, what was written by then, and
/// what has been written when it is answered.
async fn overtaken(
    site: &Site,
    world: &World,
    (by, pattern): (By, &str),
    request: RequestBuilder,
    loss: &str,
) -> (Answer, String, String) {
    site.later(chrono::TimeDelta::seconds(1));
    let now = site.clock.now();
    let mut held = site.database.hold(&format!("SELECT id FROM users WHERE id = {} FOR UPDATE", world.root.id));
    let hashed = site.app.passwords.hash_calls();
    let answer = tokio::spawn(Answer::of(request));
    match by {
        By::Password => eventually("it is let in", || site.app.passwords.hash_calls() > hashed).await,
        By::Key | By::ApiKey | By::Session => {
            let row = site.token(token_of(world, by)).expect("a token");
            eventually("it is let in", || site.app.recorder.last_use.of(&row) == Some(now)).await;
        }
    }
    // This page compares the current password before it waits: with the loss in between, it would call that wrong.
    if pattern == "/my/password" {
        eventually("the password is read", || site.app.passwords.hash_calls() > hashed).await;
    }
    site.database.until_somebody_waits().await;
    held.execute(loss);
    let before = held.written();
    held.commit("SELECT 1");
    let answer = answer.await.expect("an answer").noted();
    (answer, before, site.database.written())
}

/// What an answer says, but for the name of its own request.
fn text_of(answer: &Answer) -> &str {
    answer.text.split("<p class=\"request\">").next().unwrap_or_default()
}

#[rstest]
#[case(By::Key)]
#[case(By::ApiKey)]
#[case(By::Password)]
#[case(By::Session)]
#[tokio::test]
async fn whoever_has_not_lost_it_writes(#[case] by: By, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    for (number, route) in routes_that_write(by).iter().enumerate() {
        let world = World::new(&site, number, by).await;
        let (answer, before, after) = {
            let request = world.request(&site, by, route);
            overtaken(&site, &world, (by, route.1), request, "SELECT 1").await
        };
        let case = format!("{} {} by {by:?}: {} {}", route.0, route.1, answer.status, answer.text);
        assert!(
            [200, 201, 204, 303].contains(&answer.status),
            "{case}\nan address that is new needs a line in filled()"
        );
        // Of a notice that is not there nothing is written, nor of a key that is only tried.
        assert!(before != after || ["/notices", "/try"].iter().any(|it| route.1.contains(it)), "{case}");
    }
}

#[rstest]
#[case(By::Key, Loss::Ended)]
#[case(By::Key, Loss::Narrowed)]
#[case(By::Key, Loss::Expired)]
#[case(By::Key, Loss::Suspended)]
#[case(By::Key, Loss::Elsewhere)]
#[case(By::Key, Loss::Locked)]
#[case(By::Key, Loss::Demoted)]
#[case(By::Key, Loss::Deleted)]
#[case(By::Password, Loss::Locked)]
#[case(By::Password, Loss::Demoted)]
#[case(By::Password, Loss::Deleted)]
#[case(By::Password, Loss::PasswordChanged)]
#[case(By::Password, Loss::SecondFactor)]
#[case(By::Session, Loss::Ended)]
#[case(By::Session, Loss::Expired)]
#[case(By::Session, Loss::Locked)]
#[case(By::Session, Loss::Demoted)]
#[case(By::Session, Loss::Deleted)]
#[case(By::Session, Loss::PasswordChanged)]
#[tokio::test]
async fn whoever_has_lost_it_writes_nothing(#[case] by: By, #[case] loss: Loss, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    let mut refused = 0;
    for (number, route) in routes_that_write(by).iter().enumerate() {
        let (_, pattern, _) = route;
        let is_for_administrators = pattern.contains("users") || pattern.starts_with("/admin");
        // A key may end itself, whatever its scopes are.
        let changes_nothing = match loss {
            Loss::Demoted => !is_for_administrators,
            Loss::Narrowed => pattern.contains("current"),
            _ => false,
        };
        if changes_nothing {
            continue;
        }
        let world = World::new(&site, number, by).await;
        let request = world.request(&site, by, route);
        let (answer, before, after) =
            overtaken(&site, &world, (by, pattern), request, &loss_of(&world, by, loss)).await;
        let case = format!("{} {pattern} by {by:?}, {loss:?}", route.0);
        assert_eq!(before, after, "{case}: {} {}", answer.status, answer.text);
        let now = Answer::of(world.request(&site, by, route)).await;
        assert_eq!((answer.status, text_of(&answer)), (now.status, text_of(&now)), "{case}");
        for header in ["Location", "WWW-Authenticate", "X-Latchkey-Token-Expires"] {
            assert_eq!(answer.header(header), now.header(header), "{case}: {header}");
        }
        assert!([302, 401, 403].contains(&answer.status), "{case}: {} {}", answer.status, answer.text);
        refused += 1;
    }
    assert!(refused > 2, "{refused}");
}

/// A body that is held back is read long after its sender was let in. By then the key is revoked, the session ended, the
/// account locked or no administrator's.
#[rstest]
#[case(By::ApiKey)]
#[case(By::Session)]
#[tokio::test]
async fn a_body_that_is_held_back_until_then_brings_nothing(
    #[case] by: By,
    #[values(Loss::Ended, Loss::Locked, Loss::Demoted)] loss: Loss,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    let routes = routes_that_write(by).into_iter().filter(|(method, pattern, _)| {
        let is_for_administrators = pattern.contains("users") || pattern.starts_with("/admin");
        *method != Method::DELETE && (loss != Loss::Demoted || is_for_administrators)
    });
    let mut refused = 0;
    for (number, route) in routes.enumerate() {
        let world = World::new(&site, number, by).await;
        let request = world.request(&site, by, &route).build().expect("a request");
        if request.body().and_then(|body| body.as_bytes()).is_none_or(<[u8]>::is_empty) {
            continue;
        }
        site.later(chrono::TimeDelta::seconds(1));
        let (now, row) = (site.clock.now(), site.token(token_of(&world, by)).expect("a token"));
        let held_back = HeldBack::send(&site, request, &world.cookie);
        eventually("it is let in", || site.app.recorder.last_use.of(&row) == Some(now)).await;
        site.database.execute(&loss_of(&world, by, loss));
        let before = site.database.written();
        let answer = held_back.finish();
        let case = format!("{} {} by {by:?}, {loss:?}: {}", route.0, route.1, answer.text);
        assert_eq!(before, site.database.written(), "{case}");
        // The password of somebody who is locked counts as wrong.
        let is_told_so = route.1 == "/my/password" && loss == Loss::Locked && answer.status == 422;
        assert!(is_told_so || [302, 401, 403].contains(&answer.status), "{case}");
        refused += 1;
    }
    assert!(refused > 2, "{refused}");
}

/// Whoever is no owner of a service account any more, or of one that is locked meanwhile, does nothing about its keys.
#[rstest]
#[case(By::Key)]
#[case(By::Session)]
#[tokio::test]
async fn nobody_looks_after_a_service_account_that_is_theirs_no_longer(
    #[case] by: By,
    #[values("DELETE FROM account_owners", "UPDATE users SET status = 'locked' WHERE id = ACCOUNT")] loss: &str,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    let mut refused = 0;
    for (number, route) in routes_that_write(by).iter().enumerate() {
        if !route.1.contains("{service_account}") {
            continue;
        }
        let world = World::new(&site, number, by).await;
        let loss = loss.replace("ACCOUNT", &world.account.id.to_string());
        let request = world.request(&site, by, route);
        let (answer, before, after) = overtaken(&site, &world, (by, route.1), request, &loss).await;
        assert_eq!((answer.status, before), (404, after), "{} {}: {}", route.0, route.1, answer.text);
        refused += 1;
    }
    assert!(refused > 4, "{refused}");
}

/// With Switch-User the rows of both are asked again.
#[rstest]
#[case("DELETE FROM users WHERE id = OTHER", 412)]
#[case("UPDATE users SET status = 'locked' WHERE id = OTHER", 412)]
#[case("UPDATE users SET admin = false WHERE id = ROOT", 403)]
#[case("UPDATE tokens SET scopes = 'account:write' WHERE id = KEY", 403)]
#[tokio::test]
async fn nobody_acts_as_somebody_else_on_an_authority_that_is_lost(
    #[case] loss: &str,
    #[case] status: u16,
    #[values(Sqlite, Postgres)] db: Db,
) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    site.add_admin("everlasting").await;
    let world = World::new(&site, 0, By::Key).await;
    let request = world.request(&site, By::Key, &(Method::PUT, "/my/account.{format:json|xml}", "json"));
    let request = request.header("X-Redmine-Switch-User", &world.other.login);
    let numbers = [("OTHER", world.other.id), ("ROOT", world.root.id), ("KEY", world.key.id)];
    let loss = numbers.iter().fold(loss.to_owned(), |loss, (name, id)| loss.replace(name, &id.to_string()));
    let (answer, before, after) = overtaken(&site, &world, (By::Key, ""), request, &loss).await;
    assert_eq!((answer.status, before), (status, after), "{}", answer.text);
}

/// Of two who change one password at the same time, the second has no session any more.
#[rstest]
#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_changed_again(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &UNREACHABLE_MAIL).await;
    let world = World::new(&site, 0, By::Session).await;
    let api = site.add_key(&world.root, TokenAction::Api).await;
    let request = world.request(&site, By::Session, &(Method::POST, "/my/password", "json"));
    let loss = loss_of(&world, By::Session, Loss::PasswordChanged);
    let (answer, before, after) = overtaken(&site, &world, (By::Session, "/my/password"), request, &loss).await;
    assert_eq!((answer.status, before), (302, after), "{}", answer.text);
    assert!(!world.visitor.is_signed_in().await);
    assert_eq!(site.get_with_key("/users/current.json", &api).await.status, 200, "keys go on");
}
