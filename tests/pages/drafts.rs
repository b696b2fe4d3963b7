//! A session that ends while somebody types: the sign-in page says so, and after it what was typed is back on the page
//! where it was, except passwords, for the same person only.

use chrono::TimeDelta;
use latchkey::http::asks::Asks;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::server;
use reqwest::Method;
use rstest::rstest;

use super::*;
use crate::support::form::{Form, FormField};

const KEPT: &str = "Your session has ended. Sign in again to get back what you typed.";
const BACK: &str = "The form has what you typed before your session ended. Check it and send it again.";
const TOO_LONG: &str = "What you typed is too long to be kept. Sign in and type it again.";
/// What is typed has what HTML, JSON and addresses could stumble on.
const TYPED: &str = "Zoë \"&lt;\" <b> 'é' 😀 + 100% \\";
const SECRET: &str = "a secret that is typed";

/// The pages for people who are signed in, of a site where there is one of everything.
async fn pages_of(site: &Site) -> Vec<String> {
    let root = site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_access_token(&root, "account:read", "never").await;
    let service = site.add_service("wiki", ServiceSettings::new("Team wiki", "wiki.example.org")).await;
    let group = site.add_group("Writers", &["bob"]).await;
    let routes = server::routes::pages();
    let shown = routes
        .iter()
        .filter(|at| at.answers().iter().any(|answered| answered.method == "GET" && answered.asks == Asks::Session));
    let id = |path: &str| match path {
        path if path.starts_with("/my/tokens/") => key.id,
        path if path.starts_with("/admin/services/") => service.id,
        path if path.starts_with("/admin/groups/") => group.id,
        _ => bob.id,
    };
    let account = site.add_service_account("account", &root).await;
    let accounts_key = site.add_access_token(&account, "account:read", "never").await;
    let bobs = site.add_access_token(&bob, "account:read", "never").await.id.to_string();
    let of_account = |path: &str| {
        let id = if path.contains("/owners") { account.id } else { accounts_key.id };
        let path = path.replace("{service_account}", &account.id.to_string());
        if path.contains("/my/service-accounts/") || path.contains("/owners") {
            return path.replace("{id:[0-9]+}", &id.to_string());
        }
        path
    };
    let path =
        |path: &str| of_account(path).replace("{key_id:[0-9]+}", &bobs).replace("{id:[0-9]+}", &id(path).to_string());
    shown.map(|at| path(at.path())).collect()
}

/// The same form with other things typed into it, and other choices made.
fn filled_in(mut form: Form) -> Form {
    let mut chosen = None;
    for field in &mut form.fields {
        match field.kind.as_str() {
            "hidden" => {}
            "password" => field.value = SECRET.to_owned(),
            "checkbox" => field.is_checked = !field.is_checked,
            // The last disc of each name.
            "radio" => (chosen, field.is_checked) = (Some(field.name.clone()), false),
            "date" => field.value = "2027-03-31".to_owned(),
            "textarea" => field.value = format!("{TYPED}\r\nand more"),
            _ => field.value = TYPED.to_owned(),
        }
    }
    if let Some(name) = chosen {
        let last = form.fields.iter_mut().rev().find(|field| field.name == name).expect("a disc");
        last.is_checked = true;
    }
    form
}

/// What somebody would see again of the form, and which form it is.
fn seen(form: &Form) -> (&str, Vec<FormField>) {
    let told = |field: &&FormField| field.is_typed() || ["after", "replaces", "seen"].contains(&field.name.as_str());
    let mut fields: Vec<FormField> = form.fields.iter().filter(told).cloned().collect();
    fields.iter_mut().for_each(|field| field.value = field.value.replace("\r\n", "\n"));
    (&form.action, fields)
}

/// Signs in on the page that is shown, and gives the address that this leads to.
async fn signs_in(visitor: &Visitor, login: &str, sign_in: &Page) -> Page {
    let back = sign_in.value_of("back_url");
    visitor.post("/login", &[("username", login), ("password", PASSWORD), ("back_url", &back)]).await
}

#[rstest]
#[tokio::test]
async fn what_was_typed_into_any_form_is_back_after_signing_in(#[values(Sqlite, Postgres)] db: Db) {
    log::note_secret(SECRET);
    let site = Site::start(db).await;
    let mut forms = 0;
    let pages = pages_of(&site).await;
    let root = site.signed_in("root").await;
    for path in &pages {
        // Passwords are asked for again by now.
        site.later(TimeDelta::hours(1));
        let shown = root.get(path).await;
        // A draft is shown by the names of its fields, so a second form on the page would show it, too.
        let of_page: Vec<Form> = Form::all_of(&shown).into_iter().filter(Form::can_be_filled_in).collect();
        assert!(of_page.len() <= 1, "{path} has two forms: {of_page:?}");
        for form in of_page {
            forms += 1;
            let form = filled_in(form);
            site.later(TimeDelta::days(2));
            let refused = root.post(&form.action, &form.sent()).await;
            assert_eq!(refused.status, 302, "{path}: {}", refused.text());
            let cookie = cookie::set_by(&refused.headers).unwrap_or_else(|| panic!("{path}: no cookie for {form:?}"));
            assert!(cookie::sent_back(&cookie).len() < 4096, "{path}: a browser would drop it");
            let held = serde_json::to_string(&cookie::opened(&cookie)).expect("JSON");
            assert!(!held.contains(SECRET), "{path}: {held}");
            let sign_in = root.get(refused.location()).await;
            assert!(sign_in.shows(KEPT), "{path}: {}", sign_in.text());
            let back = signs_in(&root, "root", &sign_in).await;
            assert_eq!(back.location(), path);
            for _ in 0..2 {
                let again = root.get(path).await;
                assert!(again.shows(BACK), "{path}: {}", again.text());
                let forms = Form::all_of(&again);
                let again = forms.iter().find(|it| it.action == form.action).expect("the form");
                assert_eq!(seen(again), seen(&form), "{path}");
                assert!(again.fields.iter().all(|field| !field.value.contains(SECRET)), "{path}");
            }
        }
    }
    assert!(forms >= 8, "{forms} forms in {pages:?}");
}

/// Every way in which a session ends leads there, also where the browser has forgotten who was signed in.
#[rstest]
#[case::too_old("")]
#[case::signed_out_in_another_tab("sign out")]
#[case::ended_by_a_new_password("password")]
#[tokio::test]
async fn however_the_session_ended(#[case] how: &str, #[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let form = filled_in(Form::all_of(&alice.get("/my/tokens/new").await).remove(0));
    match how {
        "" => site.later(TimeDelta::days(2)),
        "sign out" => assert_eq!(alice.post("/logout", &[]).await.status, 303),
        _ => {
            site.database.execute("DELETE FROM tokens WHERE action = 'session'");
        }
    }
    let refused = alice.post(&form.action, &form.sent()).await;
    let sign_in = alice.get(refused.location()).await;
    assert!(sign_in.shows(KEPT), "{}", sign_in.text());
    let wrong = alice.post("/login", &[("username", "alice"), ("password", "wrong")]).await;
    assert!(wrong.shows(KEPT) && wrong.shows("The login or password is wrong."), "{}", wrong.text());
    assert_eq!(signs_in(&alice, "alice", &sign_in).await.location(), "/my/tokens/new");
    let again = alice.get("/my/tokens/new").await;
    assert_eq!(seen(&Form::all_of(&again)[0]), seen(&form));
}

#[rstest]
#[tokio::test]
async fn nobody_else_sees_what_was_typed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_user("bob").await;
    let shared = site.signed_in("alice").await;
    let form = filled_in(Form::all_of(&shared.get("/my/tokens/new").await).remove(0));
    site.later(TimeDelta::days(2));
    let refused = shared.post(&form.action, &form.sent()).await;
    let sign_in = shared.get(refused.location()).await;
    let back = signs_in(&shared, "bob", &sign_in).await;
    let of_bob = shared.get(back.location()).await;
    assert!(!of_bob.shows(BACK) && !of_bob.html.contains("Zoë"), "{}", of_bob.html);
    // Nor does what Alice left open count as his.
    let refused = shared.post(&form.action, &form.sent()).await;
    assert_eq!(refused.status, 403);
    assert!(refused.shows("Somebody else is signed in now."), "{}", refused.text());
    shared.post("/logout", &[]).await;
    shared.sign_in("alice", PASSWORD).await;
    assert!(!shared.get("/my/tokens/new").await.html.contains("Zoë"), "it is gone for good");
}

#[rstest]
#[tokio::test]
async fn a_draft_goes_once_its_form_is_sent_and_after_an_hour(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for is_sent in [true, false] {
        let form = filled_in(Form::all_of(&alice.get("/my/account").await).remove(0));
        site.later(TimeDelta::days(2));
        let refused = alice.post(&form.action, &form.sent()).await;
        let sign_in = alice.get(refused.location()).await;
        signs_in(&alice, "alice", &sign_in).await;
        assert!(alice.get("/my/account").await.shows(BACK));
        assert!(!alice.get("/my/password").await.shows(BACK), "another page");
        if is_sent {
            // The new name is fine, the address is not: what is refused is shown again as ever.
            let again = Form::all_of(&alice.get("/my/account").await).remove(0);
            let refused = alice.post(&again.action, &again.sent()).await;
            assert!(refused.shows("Email is invalid") && !refused.shows(BACK), "{}", refused.text());
        } else {
            site.later(TimeDelta::minutes(61));
        }
        let account = alice.get("/my/account").await;
        assert!(!account.shows(BACK) && !account.html.contains("Zoë"), "{}", account.html);
    }
}

/// The page that shows a refused form again stands for the one where it was opened.
#[rstest]
#[tokio::test]
async fn a_form_that_was_refused_once_leads_back_as_well(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let form = Form::all_of(&alice.get("/my/tokens/new").await).remove(0);
    let refused = alice.post(&form.action, &form.sent()).await;
    assert!(refused.shows("Name cannot be blank"), "{}", refused.text());
    let form = filled_in(Form::all_of(&refused).remove(0));
    site.later(TimeDelta::days(2));
    let sign_in = alice.get(alice.post(&form.action, &form.sent()).await.location()).await;
    assert_eq!(signs_in(&alice, "alice", &sign_in).await.location(), "/my/tokens/new");
    assert_eq!(seen(&Form::all_of(&alice.get("/my/tokens/new").await)[0]), seen(&form));
}

/// nginx takes 4,096 bytes of an answer's head unless it is told otherwise, as long as a browser's longest cookie.
#[rstest]
#[tokio::test]
async fn what_is_too_long_is_not_kept_and_the_page_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    for (length, told) in [(1_500, KEPT), (2_000, TOO_LONG), (20_000, TOO_LONG)] {
        let alice = site.signed_in("alice").await;
        let opened = alice.get("/my/account").await.value_of("opened");
        site.later(TimeDelta::days(2));
        let name = "n".repeat(length);
        let refused = alice.post("/my/account", &[("opened", &opened), ("firstname", &name)]).await;
        let cookie = cookie::set_by(&refused.headers).expect("a cookie");
        assert!(cookie::sent_back(&cookie).len() < 4096, "{length}");
        let sign_in = alice.get(refused.location()).await;
        assert!(sign_in.shows(told), "{length}: {}", sign_in.text());
        let signed_in = signs_in(&alice, "alice", &sign_in).await;
        for answer in [&refused, &signed_in] {
            let head: usize = answer.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
            assert!(head + 100 < 4096, "{length}: {head} bytes");
        }
    }
}

#[rstest]
#[tokio::test]
async fn the_sign_in_page_says_that_a_session_ended_only_where_there_was_one(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    assert!(!site.visitor().get("/login").await.shows("has ended"));
    site.later(TimeDelta::days(2));
    let sign_in = alice.get(alice.get("/activity").await.location()).await;
    assert!(sign_in.shows("Your session has ended. Sign in again."), "{}", sign_in.text());
    alice.sign_in("alice", PASSWORD).await;
    alice.post("/logout", &[]).await;
    assert!(!alice.get("/login").await.shows("has ended"), "she has ended it herself");
    // A form that nobody has filled in leaves no draft.
    let bob = site.visitor();
    let refused =
        crate::support::visitor::page(bob.request(Method::POST, "/my/account").header("Sec-Fetch-Site", "same-origin"))
            .await;
    assert!(!bob.get(refused.location()).await.shows("has ended"));
}

/// The rule stands in the templates: whatever is typed can be shown again.
#[test]
fn every_field_of_every_template_can_be_filled_in_again() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut folders = vec![folder];
    let mut fields = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a template");
            let posted = text.split("<form ").filter(|form| !form.contains("method=\"get\""));
            let parts = posted.flat_map(|form| form.split('<'));
            for tag in parts.filter(|tag| ["input ", "textarea ", "select "].iter().any(|it| tag.starts_with(it))) {
                // Keys are chosen in forms whose method is get.
                let is_our_own = [
                    "name=\"form_token\"",
                    "name=\"opened\"",
                    "name=\"asked\"",
                    "name=\"back_url\"",
                    "value=\"\">",
                    "class=\"pick\"",
                ];
                let is_known = is_our_own.iter().any(|it| tag.contains(it)) || !tag.contains(" name=\"");
                let is_of_sign_in = path.ends_with("sign_in.html");
                fields += 1;
                assert!(
                    is_known || is_of_sign_in || tag.contains("shell.typed(") || tag.contains("shell.is_chosen("),
                    "{}: <{tag}",
                    path.display()
                );
            }
        }
    }
    assert!(fields > 10, "{fields}");
}
