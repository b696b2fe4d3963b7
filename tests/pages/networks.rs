//! Where a key may be used from, on pages: of one's own keys, and of other people's.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

const ASKED: &str =
    "There is a problem The key will not work from 127.0.0.1, where you are now. Tick the box to save it anyway";

async fn works(site: &Site, key: &Key) -> bool {
    site.get_with_key("/users/current.json", key).await.status == 200
}

/// The text of the field.
fn typed(page: &Page) -> String {
    let area =
        page.html.split_once("<textarea id=\"networks\"").unwrap_or_else(|| panic!("no field in {}", page.html)).1;
    let text = area.split_once('>').and_then(|(_, rest)| rest.split_once("</textarea>")).expect("a text").0;
    text.trim_start_matches('\n').to_owned()
}

#[rstest]
#[tokio::test]
async fn an_access_token_is_made_with_networks_and_edited(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let blank = alice.get("/my/tokens/new").await;
    let hint = "Allowed networks (optional) Addresses and networks such as 192.0.2.7 or 10.0.0.0/8, one per line. From \
                anywhere else, the key is refused. Leave this empty to allow all. You are at 127.0.0.1.";
    assert!(blank.shows(hint) && !blank.html.contains("confirm_networks"), "{}", blank.text());
    let after = blank.value_of("after");
    let form = |networks: &'static str, more: &[(&'static str, &'static str)]| {
        let rest = [("name", "deploy"), ("scopes", "account:read"), ("expiry", "30d"), ("networks", networks)];
        [&rest[..], more].concat()
    };
    let before = site.database.written();
    let new = async |networks, more: &[(&'static str, &'static str)]| {
        let fields: Vec<_> = form(networks, more).into_iter().chain([("after", after.as_str())]).collect();
        alice.post("/my/tokens", &fields).await
    };
    let wrong = new("127.0.0.1\r\n10.0.0.1/8", &[("name", "")]).await;
    let problem = "There is a problem Name cannot be blank 10.0.0.1/8 is not a network: write 10.0.0.0/8, or 10.0.0.1 for \
                   this one address";
    assert!(wrong.status == 422 && wrong.shows(problem), "{}", wrong.text());
    assert_eq!(typed(&wrong), "127.0.0.1\n10.0.0.1/8");
    assert!(wrong.html.contains("<a href=\"#networks\">"), "{}", wrong.html);
    let asked = new("10.0.0.0/8", &[]).await;
    assert!(asked.status == 422 && asked.shows(ASKED), "{}", asked.text());
    assert!(asked.shows("The key need not work from 127.0.0.1"), "{}", asked.text());
    assert!(asked.html.contains("<a href=\"#confirm_networks\">") && typed(&asked) == "10.0.0.0/8", "{}", asked.html);
    assert_eq!(site.database.written(), before, "nothing is made until it is confirmed");
    let made = new("10.0.0.0/8", &[("confirm_networks", "1")]).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let id = site.database.number("SELECT id AS number FROM tokens WHERE action = 'access'");
    let (key, path) = (Key { id, secret: made.secret() }, format!("/my/tokens/{id}"));
    assert!(!works(&site, &key).await);
    let shown = alice.get(&path).await;
    assert!(shown.shows("Allowed networks 10.0.0.0/8 Secret"), "{}", shown.text());
    assert!(alice.get("/my/tokens").await.shows("See your account Only from 10.0.0.0/8"));

    let edit = format!("{path}/edit");
    assert_eq!(typed(&alice.get(&edit).await), "10.0.0.0/8");
    let saved = alice.post(&edit, &form("10.0.0.0/8", &[("name", "other")])).await;
    assert_eq!(saved.status, 303, "what stays as it is is not asked for: {}", saved.text());
    let saved = alice.post(&edit, &form("192.0.2.7, 127.0.0.0/8 10.0.0.0/8\r\n2001:db8::/32", &[])).await;
    assert_eq!(saved.location(), format!("{path}?notice=token_changed"), "{}", saved.text());
    let shown = alice.get(&path).await;
    assert!(shown.shows("Allowed networks 10.0.0.0/8, 127.0.0.0/8, 192.0.2.7, 2001:db8::/32"), "{}", shown.text());
    assert!(alice.get("/my/tokens").await.shows("Only from 10.0.0.0/8, 127.0.0.0/8, 192.0.2.7 and 1 more"));
    assert!(works(&site, &key).await);
    assert_eq!(alice.post(&edit, &form(" ", &[])).await.status, 303);
    assert!(!alice.get(&path).await.shows("Allowed networks"), "it works from anywhere");
}

#[rstest]
#[tokio::test]
async fn the_keys_on_my_account_have_networks_too(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    for (action, name) in [(TokenAction::Api, "API access key"), (TokenAction::Feeds, "Atom access key")] {
        let key = site.add_key(&user, action).await;
        let path = format!("/my/tokens/{}/networks", key.id);
        assert!(alice.get("/my/account").await.html.contains(&format!("href=\"{path}\"")));
        let form = alice.get(&path).await;
        assert!(
            form.shows(&format!(
                "My account Allowed networks of “{name}” A key with allowed networks works from these"
            ))
        );
        assert_eq!(typed(&form), "");
        let asked = alice.post(&path, &[("networks", "10.0.0.0/8")]).await;
        assert!(asked.status == 422 && asked.shows(ASKED) && typed(&asked) == "10.0.0.0/8", "{}", asked.text());
        let wrong = alice.post(&path, &[("networks", "office"), ("confirm_networks", "1")]).await;
        assert!(wrong.status == 422 && wrong.shows("There is a problem “office” is not"), "{}", wrong.text());
        assert!(wrong.html.contains("value=\"1\" checked"), "the answer stays: {}", wrong.html);
        let saved = alice.post(&path, &[("networks", "10.0.0.0/8"), ("confirm_networks", "1")]).await;
        assert_eq!((saved.status, saved.location()), (303, "/my/account?notice=key_limited"));
        let account = alice.get(saved.location()).await;
        assert!(account.shows("The allowed networks have been saved. They apply from the next request."));
        assert!(account.shows("Only from 10.0.0.0/8"), "{}", account.text());
        assert!(!works(&site, &key).await);
        assert_eq!(alice.post(&path, &[("networks", "")]).await.status, 303);
        assert_eq!(works(&site, &key).await, action == TokenAction::Api);
    }
    let bob = site.add_user("bob").await;
    let theirs = format!("/my/tokens/{}/networks", site.add_key(&bob, TokenAction::Api).await.id);
    assert_eq!((alice.get(&theirs).await.status, alice.post(&theirs, &[("networks", "")]).await.status), (404, 404));
}

#[rstest]
#[tokio::test]
async fn an_administrator_limits_a_key_of_somebody_else(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let bob = site.add_user("bob").await;
    let key = site.add_access_token(&bob, "account:read", "30d").await;
    let page = format!("/admin/users/{}/keys/{}", bob.id, key.id);
    let (root, path) = (site.signed_in("root").await, format!("{page}/networks"));
    let shown = root.get(&page).await;
    assert!(shown.shows("Allowed networks All Change") && shown.html.contains(&format!("href=\"{path}\"")));
    let form = root.get(&path).await;
    assert!(form.shows("Allowed networks of “deploy” of Test Person bob"), "{}", form.text());
    assert!(root.post(&path, &[("networks", "10.0.0.0/8")]).await.shows(ASKED));
    let saved = root.post(&path, &[("networks", "10.0.0.0/8"), ("confirm_networks", "1")]).await;
    assert_eq!((saved.status, saved.location()), (303, format!("{page}?notice=key_limited").as_str()));
    assert!(root.get(saved.location()).await.shows("Allowed networks 10.0.0.0/8 Change"));
    assert!(root.get("/admin/keys").await.shows("Only from 10.0.0.0/8"));
    let list = root.get("/admin/keys/export.csv").await.html;
    assert!(list.starts_with("id,") && list.contains(",services,networks\r\n"), "{list}");
    assert!(list.contains(",10.0.0.0/8\r\n"), "{list}");
    assert!(!works(&site, &key).await);
    let activity = site.signed_in("bob").await.get("/activity").await;
    assert!(activity.shows("Access token “deploy” changed by root"), "{}", activity.text());
    assert!(activity.shows("may be used from 10.0.0.0/8"), "{}", activity.text());
    let bobs = site.signed_in("bob").await;
    assert_eq!((bobs.get(&path).await.status, bobs.post(&path, &[("networks", "")]).await.status), (403, 403));
    // From where its program is, it can be tried.
    site.add_service("wiki", latchkey::models::services::settings::ServiceSettings::new("Wiki", "wiki.example.org"))
        .await;
    let tried = async |address: &str| {
        let form =
            [("key", key.secret.as_str()), ("tried_method", "GET"), ("tried_path", "/"), ("tried_address", address)];
        root.post("/admin/services/1/try", &form).await
    };
    let refusal = "It may not be used from 127.0.0.1, only from 10.0.0.0/8.";
    assert!(tried("127.0.0.1").await.shows(refusal) && tried("").await.shows(refusal));
    let inside = tried("10.1.2.3").await;
    assert!(inside.status == 200 && inside.shows("the key lacks the scope for that"), "{}", inside.text());
    let nowhere = tried("office").await;
    assert!(nowhere.status == 422 && nowhere.shows("Address of the client must be an address such as 192.0.2.7"));
}
