//! The form of *My account*: names and mail; "errors beside their fields, input kept".

use chrono::TimeDelta;
use rstest::rstest;

use super::*;

async fn save(visitor: &Visitor, firstname: &str, lastname: &str, mail: &str) -> Page {
    visitor.post("/my/account", &[("firstname", firstname), ("lastname", lastname), ("mail", mail)]).await
}

#[rstest]
#[tokio::test]
async fn it_shows_and_saves_names_and_mail(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let form = alice.get("/my/account").await;
    let shown = ["firstname", "lastname", "mail"].map(|name| form.value_of(name));
    assert_eq!(shown, ["Test", "Person alice", "alice@example.org"]);
    assert!(form.html.contains("<title>My account · Latchkey</title>"));
    assert!(form.html.contains("aria-current=\"page\">My account</a>"));
    site.later(TimeDelta::minutes(10));
    let answer = save(&alice, "  Zoë ", "O'Neill-Müller 李", "Zoe.O+x@Example.ORG").await;
    assert_eq!((answer.status, answer.location()), (303, "/my/account?notice=account_saved"));
    let saved = alice.get(answer.location()).await;
    assert!(saved.html.contains("role=\"status\">Your account has been saved.</p>"), "{}", saved.html);
    let shown = ["firstname", "lastname", "mail"].map(|name| saved.value_of(name));
    assert_eq!(shown, ["Zoë", "O'Neill-Müller 李", "Zoe.O+x@Example.ORG"]);
    let user = site.user("alice");
    assert_eq!((user.firstname.as_str(), user.lastname.as_str()), ("Zoë", "O'Neill-Müller 李"));
    assert_eq!(user.updated_on, site.clock.now());
    assert!(!alice.get("/my/account").await.html.contains("role=\"status\">Your account"), "told once");
}

#[rstest]
#[tokio::test]
async fn what_breaks_a_rule_is_told_beside_its_field_and_kept(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let alice = site.signed_in("alice").await;
    let before = site.database.dump("users");
    let (x31, x256) = ("x".repeat(31), "x".repeat(256));
    let long_mail = format!("{}@example.org", "x".repeat(250));
    let good = ["Al", "Ice", "al@example.org"];
    for (at, typed, error) in [
        (0, "", "First name cannot be blank"),
        (0, "   ", "First name cannot be blank"),
        (0, x31.as_str(), "First name is too long (maximum is 30 characters)"),
        (0, "Al\u{202e}ice", "First name contains an invisible character (U+202E)"),
        (1, "", "Last name cannot be blank"),
        (1, &x256, "Last name is too long (maximum is 255 characters)"),
        (2, "", "Email cannot be blank"),
        (2, "nowhere", "Email is invalid"),
        (2, "two@at@example.org", "Email is invalid"),
        (2, "with blank@example.org", "Email is invalid"),
        (2, "<script>@example.org", "Email is invalid"),
        (2, &long_mail, "Email is too long (maximum is 254 characters)"),
        (2, "bob@example.org", "Email has already been taken"),
        (2, "BOB@Example.org", "Email has already been taken"),
    ] {
        let mut fields = good;
        fields[at] = typed;
        let answer = save(&alice, fields[0], fields[1], fields[2]).await;
        assert_eq!(answer.status, 422, "{typed:?}");
        let names = ["firstname", "lastname", "mail"];
        assert!(answer.html.contains("<title>Error: My account · Latchkey</title>"), "{typed:?}");
        assert!(answer.html.contains(&format!("<a href=\"#{}\">{error}</a>", names[at])), "{typed:?} at the top");
        for (number, name) in names.into_iter().enumerate() {
            let field = field(&answer, name);
            assert_eq!(answer.value_of(name), fields[number].trim(), "{typed:?}: {name} is kept");
            assert_eq!(field.contains(&format!("Error: </span>{error}")), number == at, "{typed:?} beside {name}");
            assert_eq!(field.contains("aria-invalid=\"true\""), number == at, "{typed:?} marks {name}");
            let described = format!("aria-describedby=\"{name}-error\"");
            assert_eq!(field.contains(&described), number == at, "{typed:?} describes {name}");
        }
        assert!(answer.shows("Missing an API access key"), "the sidebar stays");
        assert_eq!(site.database.dump("users"), before, "{typed:?} changes nothing");
    }
}

#[rstest]
#[tokio::test]
async fn every_broken_rule_is_told_at_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for answer in [save(&alice, "", "", "x").await, alice.post("/my/account", &[("mail", "x")]).await] {
        assert_eq!(answer.status, 422);
        let text = answer.text();
        let summary = "There is a problem First name cannot be blank Last name cannot be blank Email is invalid";
        assert!(text.contains(summary), "{text}");
    }
    // A page that shows errors shows who is signed in as they are, not as they would be.
    assert!(save(&alice, "", "B", "b@example.org").await.shows("Signed in as alice"));
}

/// "other fields (`admin`, `login`, `id`) are ignored"
#[rstest]
#[tokio::test]
async fn the_form_changes_nothing_but_names_and_mail(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let before = site.add_user("alice").await;
    let bob = site.add_user("bob").await;
    let alice = site.signed_in("alice").await;
    let more = [("admin", "true"), ("login", "root"), ("status", "locked"), ("password_hash", "x"), ("language", "de")];
    let id = bob.id.to_string();
    let mut fields = vec![("firstname", "A"), ("lastname", "B"), ("mail", "c@example.org"), ("id", &id)];
    fields.extend(more);
    assert_eq!(alice.post("/my/account", &fields).await.status, 303);
    let after = site.user("alice");
    assert_eq!(after.firstname, "A");
    assert!(!after.admin && after.is_active());
    assert_eq!((after.id, after.password_hash, after.language), (before.id, before.password_hash, before.language));
    assert_eq!(site.user("bob").firstname, bob.firstname);
}

#[rstest]
#[tokio::test]
async fn names_are_text_and_no_markup(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let (first, last) = ("\"><script>alert(1)</script>", "' onfocus='alert(1) <!-- {{ 7*7 }} &lt;b&gt;");
    assert_eq!(save(&alice, first, last, "a@example.org").await.status, 303);
    let saved = alice.get("/my/account").await;
    let refused = save(&alice, first, last, "\"><script>").await;
    for (what, page) in [("saved", &saved), ("refused", &refused)] {
        assert_eq!((page.value_of("firstname").as_str(), page.value_of("lastname").as_str()), (first, last), "{what}");
        assert!(!page.html.contains("<script>") && !page.html.contains("<!-- {{"), "{what}: {}", page.html);
        assert!(!page.html.contains("' onfocus"), "{what}: {}", page.html);
    }
    assert_eq!(refused.value_of("mail"), "\"><script>");
}

/// Two people who want the same address at the same time.
#[rstest]
#[tokio::test]
async fn of_two_who_want_one_mail_address_one_gets_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let (alice, bob) = (site.signed_in("alice").await, site.signed_in("bob").await);
    let (one, other) = tokio::join!(save(&alice, "A", "A", "x@example.org"), save(&bob, "B", "B", "X@example.org"));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 422]);
    let refused = if one.status == 422 { one } else { other };
    assert!(refused.shows("Email has already been taken"), "{}", refused.text());
}
