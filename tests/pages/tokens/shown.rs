//! The page of one access token.

use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn it_tells_all_that_is_known_of_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [("name", "Backup"), ("note", "ask <Bob>"), ("scopes", "account:read"), ("expiry", "7d")];
    let secret = create(&alice, &fields).await.secret();
    let made = Made { id: all_of(&site, &user)[0].id, key: Key { id: 0, secret } };
    let page = alice.get(&made.path()).await;
    assert_eq!(page.status, 200);
    let told = format!(
        "Backup Never used Too early to say: recorded for less than a minute. State Expires in 7 days Expiration 1 Dec \
         2026, 09:30:00 UTC Permissions Your account See your account account:read Note ask <Bob> Secret \
         ends in ····{} Created less than a minute ago Edit Rotate secret Suspend Revoke",
        made.hint()
    );
    assert!(page.shows(&told), "{told} is not in {}", page.text());
    assert!(!page.html.contains("name=\"scopes\""), "the form has a page of its own");
    assert!(page.html.contains(&format!("href=\"{}\">Edit</a>", made.edit_path())), "{}", page.html);
    assert_eq!(status(&site, &made).await, 200);
    site.later(TimeDelta::minutes(3));
    assert!(
        alice
            .get(&made.path())
            .await
            .shows("Backup Last used: 3 minutes ago from 127.0.0.1 In use State Expires in 7 days")
    );
}

#[rstest]
#[tokio::test]
async fn there_is_nothing_to_see_of_other_peoples_and_other_kinds(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let (alice, root) = (site.add_user("alice").await, site.add_admin("root").await);
    let hers = add(&site, &alice, "Hers", "account:read", Expiry::Never).await;
    let rotated = rotate(&site, &alice, hers.id, Grace::Day).await;
    let api = site.add_key(&root, TokenAction::Api).await;
    let visitor = site.signed_in("root").await;
    let session = site.database.number("SELECT max(id) AS number FROM tokens");
    let before = rows_of_tokens(&site);
    let ids = [hers.id.to_string(), rotated.key.id.to_string(), api.id.to_string(), session.to_string()];
    let ids = ids.iter().map(String::as_str).chain(["4711", "99999999999999999999", "x", "-1"]);
    for id in ids {
        for end in ["", "/edit", "/rotate", "/revoke"] {
            let path = format!("/my/tokens/{id}{end}");
            assert_eq!(visitor.get(&path).await.status, 404, "{path}");
            let fields = [("name", "Mine"), ("scopes", "account:read"), ("replaces", "1"), ("grace", "0")];
            if end.is_empty() {
                continue;
            }
            let answer = visitor.post(&path, &fields).await;
            let gone = answer.status == 303 && answer.location() == "/my/tokens?notice=token_gone";
            assert!(answer.status == 404 || (gone && end == "/revoke"), "{path}: {}", answer.status);
        }
    }
    assert_eq!(rows_of_tokens(&site), before, "nothing was changed");
    assert!(site.token(api.id).is_some() && site.token(session).is_some());
    let other = site.signed_in("alice").await;
    assert_eq!(
        other.get(&format!("/my/tokens/{}", rotated.key.id)).await.status,
        404,
        "a secret's id is none of a token"
    );
    assert_eq!(other.get(&hers.path()).await.status, 200);
}

/// "An expired key is refused at the second it expires and shown as expired until removed"
#[rstest]
#[tokio::test]
async fn one_that_has_expired_can_only_be_removed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let made = add(&site, &user, "Over", "account:read", Expiry::InDays(7)).await;
    site.later(days(7));
    let alice = site.signed_in("alice").await;
    let page = alice.get(&made.path()).await;
    assert!(page.shows("State Expired less than a minute ago"), "{}", page.text());
    assert!(page.shows("Programs that use it are refused. Latchkey deletes it 30 days after it expired."));
    assert!(page.shows("Remove") && !page.shows("Rotate") && !page.html.contains("name=\"scopes\""));
    assert!(!page.shows("Edit") && page.shows("Expiration 1 Dec 2026, 09:30:00 UTC"), "{}", page.text());
    for end in ["/edit", "/rotate"] {
        let asked = alice.get(&format!("{}{end}", made.path())).await;
        assert_eq!((asked.status, asked.location().to_owned()), (303, made.path()), "{end}");
    }
    let fields = [("name", "New"), ("scopes", "account:read"), ("expiry", "never")];
    for (end, fields) in [("/edit", &fields[..]), ("/rotate", &[("replaces", &*made.id.to_string()), ("grace", "0")])] {
        let refused = alice.post(&format!("{}{end}", made.path()), fields).await;
        assert_eq!(refused.status, 422, "{end}");
        assert!(refused.shows("This access token has expired: create a new one"), "{end}: {}", refused.text());
    }
    assert_eq!(all_of(&site, &user)[0].name.as_deref(), Some("Over"));
    let asked = alice.get(&format!("{}/revoke", made.path())).await;
    assert!(asked.shows("Remove “Over”? It has expired, so no program depends on it."), "{}", asked.text());
    alice.post(&format!("{}/revoke", made.path()), &[]).await;
    assert!(all_of(&site, &user).is_empty());
}

/// Each scope stands below what it is about, and what only administrators may give says so.
#[rstest]
#[tokio::test]
async fn its_scopes_stand_in_groups(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    let settings = ServiceSettings::new("Team <wiki>", "wiki.example.org");
    site.add_service("wiki", ServiceSettings { writers: Admitted::Everyone, ..settings }).await;
    let scopes = "account:read users:read services:write service:wiki:write";
    let made = add(&site, &root, "Everything", scopes, Expiry::Never).await;
    let visitor = site.signed_in("root").await;
    let told = "Permissions Your account See your account account:read People Administrators See everybody's accounts \
                users:read Services Administrators Add, change and remove services, and decide who may use them \
                services:write Team <wiki> Read and write access to Team <wiki> service:wiki:write";
    let page = visitor.get(&made.path()).await;
    assert!(page.shows(told), "{}", page.text());
    let groups = |page: &Page| -> Vec<String> {
        let forms = page.html.split("<fieldset>").skip(1).filter_map(|group| group.split("</fieldset>").next());
        let words = forms.map(|group| group.matches("name=\"scopes\"").count());
        let legends = page.html.split("<fieldset>").skip(1).filter_map(|group| {
            let legend = group.split_once("<legend>")?.1.split_once("</legend>")?.0;
            Some(Page { status: 0, headers: page.headers.clone(), html: legend.to_owned() }.text())
        });
        legends.zip(words).map(|(legend, words)| format!("{legend} {words}")).collect()
    };
    let expected = [
        "Your account 2",
        "Your keys 2",
        "People Administrators 2",
        "Services Administrators 2",
        "Everybody's keys Administrators 2",
        "Audit log Administrators 1",
    ];
    for path in [made.edit_path(), "/my/tokens/new".to_owned()] {
        let form = visitor.get(&path).await;
        assert_eq!(groups(&form), [&expected[..], &["Team <wiki> 2"]].concat(), "{path}: {}", form.html);
    }
    // Whoever is no administrator any more sees what can be taken away, and that it is for administrators.
    site.set_user(&root, "admin = false");
    let form = site.signed_in("root").await.get(&made.edit_path()).await;
    let left =
        ["Your account 2", "Your keys 2", "People Administrators 1", "Services Administrators 1", "Team <wiki> 2"];
    assert_eq!(groups(&form), left, "{}", form.html);
}
