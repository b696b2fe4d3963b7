//! "sensitive steps (create, rotate, reset) ask for the password again if it was given more than 15 minutes ago"

use latchkey::auth::throttle::Lane;
use latchkey::models::event::EventAction;
use rstest::rstest;

use super::*;

const LABEL: &str = "Your password You last entered it more than 15 minutes ago.";
const WRONG: &str = "a-wrong-password";

/// A step that asks: where its form is, where that is sent, and what is in it.
struct Step {
    form: String,
    action: String,
    fields: Vec<(&'static str, String)>,
}

impl Step {
    async fn send(&self, visitor: &Visitor, password: Option<&str>) -> Page {
        password.into_iter().for_each(log::note_secret);
        let fields = self.fields.iter().map(|(name, value)| (*name, value.as_str()));
        let fields: Vec<_> = fields.chain(password.map(|password| ("password", password))).collect();
        visitor.post(&self.action, &fields).await
    }
}

/// Every such step, as Alice can take them who has an API access key, no Atom access key and an access token.
async fn steps(site: &Site, user: &User) -> Vec<Step> {
    let api = site.add_key(user, TokenAction::Api).await;
    let made = add(site, user, "Report", "account:read", Expiry::Never).await;
    let typed = ["name", "note"].map(|name| (name, format!("typed {name}")));
    let fields = [("after", made.id.to_string()), ("scopes", "tokens:read".to_owned()), ("expiry", "90d".to_owned())];
    let rotate = format!("{}/rotate", made.path());
    let step = |form: &str, action: &str, fields| Step { form: form.to_owned(), action: action.to_owned(), fields };
    vec![
        step("/my/tokens/new", "/my/tokens", typed.into_iter().chain(fields).collect()),
        step(&rotate, &rotate, vec![("replaces", made.id.to_string()), ("grace", "7d".to_owned())]),
        step("/my/api_key", "/my/api_key", vec![("replaces", api.id.to_string())]),
        step("/my/atom_key", "/my/atom_key", vec![("replaces", String::new())]),
    ]
}

#[rstest]
#[tokio::test]
async fn a_password_that_was_given_15_minutes_ago_is_not_asked_for(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(15));
    let hashed = site.app.passwords.hash_calls();
    for step in &steps {
        let form = alice.get(&step.form).await;
        assert!(!form.shows("Your password"), "{}: {}", step.form, form.text());
        let made = step.send(&alice, None).await;
        assert_eq!(made.status, 200, "{}: {}", step.action, made.text());
        made.secret();
    }
    assert_eq!(site.app.passwords.hash_calls(), hashed);
}

#[rstest]
#[tokio::test]
async fn after_that_each_step_asks_and_keeps_what_was_typed_until_it_is_right(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let all = steps(&site, &user).await;
    for step in &all {
        let alice = site.signed_in("alice").await;
        site.later(TimeDelta::minutes(15) + TimeDelta::microseconds(1));
        let before = site.database.number("SELECT max(id) AS number FROM tokens");
        let form = alice.get(&step.form).await;
        assert!(form.status == 200 && form.shows(LABEL), "{}: {}", step.form, form.text());
        for (password, told) in [
            (None, "Enter your password: you last entered it more than 15 minutes ago"),
            (Some(""), "Enter your password: you last entered it more than 15 minutes ago"),
            (Some(WRONG), "Your password is wrong"),
        ] {
            let refused = step.send(&alice, password).await;
            assert_eq!(refused.status, 422, "{}: {}", step.action, refused.text());
            assert!(refused.shows(&format!("There is a problem {told}")), "{}: {}", step.action, refused.text());
            assert!(refused.html.contains("<title>Error: ") && refused.html.contains("href=\"#password\""));
            assert!(field(&refused, "password").contains(told), "{}", step.action);
            assert!(!refused.html.contains(WRONG), "{} shows a password", step.action);
            for (name, value) in &step.fields {
                let kept = match *name {
                    "note" => note(&refused) == value,
                    "scopes" | "expiry" | "grace" => choice(&refused, value) == Some(true),
                    name => refused.value_of(name) == *value,
                };
                assert!(kept, "{} has lost {name}: {}", step.action, refused.html);
            }
        }
        assert_eq!(site.database.number("SELECT max(id) AS number FROM tokens"), before, "nothing was made");
        let made = step.send(&alice, Some(PASSWORD)).await;
        assert_eq!(made.status, 200, "{}: {}", step.action, made.text());
        made.secret();
    }
    let by_session =
        "SELECT count(*) AS number FROM events WHERE credential = 'session' AND action <> 'sign_in_refused'";
    assert_eq!(site.database.number(by_session), 4, "each was done by the session");
}

#[rstest]
#[tokio::test]
async fn once_given_it_does_for_15_minutes_in_this_session_and_no_other(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let (alice, other) = (site.signed_in("alice").await, site.signed_in("alice").await);
    site.later(TimeDelta::hours(2));
    steps[1].send(&alice, Some(PASSWORD)).await.secret();
    site.later(TimeDelta::minutes(15));
    assert!(!alice.get("/my/tokens/new").await.shows(LABEL));
    assert!(other.get("/my/tokens/new").await.shows(LABEL));
    assert_eq!(steps[0].send(&other, None).await.status, 422);
    steps[0].send(&alice, None).await.secret();
    site.later(TimeDelta::microseconds(1));
    assert!(alice.get("/my/tokens/new").await.shows(LABEL), "what needed none does not count as given");
    let new = "another-test-password";
    log::note_secret(new);
    let change = [("password", PASSWORD), ("new_password", new), ("new_password_confirmation", new)];
    assert_eq!(alice.post("/my/password", &change).await.status, 303);
    assert!(!alice.get("/my/tokens/new").await.shows(LABEL), "it was given with the new one");
}

/// Who typed the right password into a form that is wrong elsewhere need not type it again.
#[rstest]
#[tokio::test]
async fn a_right_password_counts_even_if_the_rest_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    let fields = [("name", ""), ("scopes", "account:read"), ("expiry", "date"), ("password", PASSWORD)];
    let refused = create(&alice, &fields).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.shows("Name cannot be blank Expiration needs a date") && !refused.shows(LABEL),
        "{}",
        refused.text()
    );
    assert!(!refused.html.contains(PASSWORD) && !refused.html.contains("type=\"password\""));
    let fields = [("name", "Report"), ("scopes", "account:read"), ("expiry", "7d")];
    create(&alice, &fields).await.secret();
    assert_eq!(all_of(&site, &user).len(), 1);
}

#[rstest]
#[tokio::test]
async fn a_clock_that_was_set_back_does_not_make_it_last_longer(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    site.later(days(1));
    let alice = site.signed_in("alice").await;
    site.later(-TimeDelta::minutes(15));
    assert!(!alice.get("/my/tokens/new").await.shows(LABEL));
    site.later(-TimeDelta::microseconds(1));
    assert!(alice.get("/my/tokens/new").await.shows(LABEL));
    assert_eq!(steps[0].send(&alice, None).await.status, 422);
}

/// The button on *My account* that makes a key at once leads to where the password is asked for.
#[rstest]
#[tokio::test]
async fn the_sidebar_leads_to_where_it_is_asked_for(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("/my/api_key", "/my/atom_key")] path: &str,
) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let account = alice.get("/my/account").await;
    assert!(account.html.contains(&format!("<form action=\"{path}\" method=\"post\">")), "{}", account.html);
    site.later(TimeDelta::minutes(16));
    let late = alice.post(path, &[("replaces", "")]).await;
    assert!(late.status == 422 && late.shows(LABEL), "the button of a page that was opened before: {}", late.text());
    let account = alice.get("/my/account").await;
    assert!(!account.html.contains(&format!("<form action=\"{path}\"")), "{}", account.html);
    let name = if path == "/my/api_key" { "API access key" } else { "Atom access key" };
    assert!(account.html.contains(&format!("href=\"{path}\">Create {name}</a>")), "{}", account.html);
    let asked = alice.get(path).await;
    assert!(asked.shows(&format!("Create your {name}")) && asked.shows(LABEL), "{}", asked.text());
    let made = alice.post(path, &[("replaces", ""), ("password", PASSWORD)]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    made.secret();
}

/// It is no way to guess a password: counted with the others, told in the activity, and nothing is hashed after that.
#[rstest]
#[tokio::test]
async fn who_guesses_has_to_wait(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    for number in 0..10 {
        assert_eq!(steps[number % 4].send(&alice, Some(WRONG)).await.status, 422, "{number}");
    }
    let hashed = site.app.passwords.hash_calls();
    for step in &steps {
        let refused = step.send(&alice, Some(PASSWORD)).await;
        assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("900")), "{}", step.action);
        assert!(refused.shows("Too many wrong passwords."), "{}", refused.text());
    }
    assert_eq!(site.app.passwords.hash_calls(), hashed, "nothing is hashed");
    site.flush().await;
    let refused = EventAction::SignInRefused.as_str();
    let told = format!("SELECT times AS number FROM events WHERE action = '{refused}'");
    assert_eq!(site.database.number(&told), 10);
    assert!(alice.is_signed_in().await, "the session goes on");
}

#[rstest]
#[tokio::test]
async fn when_too_many_wait_to_be_hashed_it_says_when_to_come_back(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    let mut held = HeldThreads::of(&site).await;
    held.fill_queue(Lane::Known);
    for step in &steps {
        let refused = step.send(&alice, Some(PASSWORD)).await;
        assert_eq!((refused.status, refused.header("Retry-After")), (503, Some("2")), "{}", step.action);
    }
    held.release().await;
    steps[0].send(&alice, Some(PASSWORD)).await.secret();
}

/// Hashing takes its time, in which somebody else may have locked the door.
#[rstest]
#[tokio::test]
async fn a_password_that_is_another_by_the_time_it_was_hashed_makes_nothing(
    #[values(Sqlite, Postgres)] db: Db,
    #[values("password_hash = NULL", "status = 'locked'", "the session ends")] meanwhile: &str,
) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    let before = site.database.number("SELECT max(id) AS number FROM tokens");
    let held = HeldThreads::of(&site).await;
    let change = async {
        eventually("the password waits to be hashed", || site.app.passwords.threads().waiting() > 0).await;
        match meanwhile {
            "the session ends" => site.database.execute("DELETE FROM tokens WHERE action = 'session'"),
            set => site.set_user(&user, set),
        }
        held.release().await;
    };
    let (answer, ()) = tokio::join!(steps[1].send(&alice, Some(PASSWORD)), change);
    assert_eq!((answer.status, answer.location()), (302, "/login?back_url=%2Fmy%2Faccount"), "{meanwhile}");
    let made = "SELECT count(*) AS number FROM tokens WHERE action <> 'session' AND id > ";
    assert_eq!(site.database.number(&format!("{made}{before}")), 0, "{meanwhile}");
}

#[rstest]
#[tokio::test]
async fn a_password_that_is_not_enough_any_more_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let steps = steps(&site, &user).await;
    let alice = site.signed_in("alice").await;
    site.later(TimeDelta::minutes(20));
    site.set_user(&user, "twofa_scheme = 'totp'");
    let refused = steps[0].send(&alice, Some(PASSWORD)).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.shows("This account needs a second factor, which Latchkey does not support."),
        "{}",
        refused.text()
    );
    assert_eq!(refused.value_of("name"), "typed name");
}
