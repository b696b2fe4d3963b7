//! Every command and address that a page offers for copying works as it is copied.

use latchkey::models::services::admitted::Admitted;
use latchkey::models::services::settings::ServiceSettings;
use latchkey::server;
use rstest::rstest;

use super::*;
use crate::support::visitor::unescaped;

/// What the Copy buttons of a page copy, but for the secret itself.
fn copied(page: &Page) -> Vec<String> {
    let targets = page.html.split("data-copy=\"").skip(1).filter_map(|it| it.split('"').next());
    let text = |id: &str| {
        let (_, rest) = page.html.split_once(&format!("id=\"{id}\"")).expect(id);
        let (text, _) = rest.split_once('>')?.1.split_once('<')?;
        Some(unescaped(text))
    };
    targets.filter(|id| *id != "secret").filter_map(text).collect()
}

/// Does with it what somebody does who has copied it, and tells whether that worked.
fn works(copied: &str) -> bool {
    let command = match copied {
        command if command.starts_with("curl ") => command.to_owned(),
        address if address.starts_with("http") => format!("curl '{address}'"),
        // Settings of a proxy, which have tests of their own.
        _ => return true,
    };
    let command = command + " --silent --show-error --fail --noproxy '*'";
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    output.status.success()
}

#[rstest]
#[tokio::test]
async fn what_pages_with_a_new_secret_offer_works(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let everyone = ServiceSettings { writers: Admitted::Everyone, ..ServiceSettings::new("Wiki", "wiki.example.org") };
    site.add_service("wiki", everyone).await;
    let root = site.signed_in("root").await;
    let form = root.get("/my/tokens/new").await;
    let scopes = crate::support::form::Form::all_of(&form).remove(0).fields;
    let scopes: Vec<String> =
        scopes.into_iter().filter(|field| field.name == "scopes").map(|field| field.value).collect();
    assert!(scopes.len() > 9 && scopes.contains(&"service:wiki:read".to_owned()), "{scopes:?}");
    let check = |page: &Page| {
        page.secret();
        let copied = copied(page);
        assert_eq!(copied.len(), 1, "{}", page.text());
        assert!(works(&copied[0]), "{copied:?} does not work");
    };
    for scope in &scopes {
        check(&root.post("/my/tokens", &[("name", scope), ("scopes", scope), ("expiry", "7d")]).await);
    }
    let id = site.database.number("SELECT max(id) AS number FROM tokens");
    let replaces = root.get(&format!("/my/tokens/{id}/rotate")).await.value_of("replaces");
    check(&root.post(&format!("/my/tokens/{id}/rotate"), &[("replaces", &replaces), ("grace", "0")]).await);
    for path in ["/my/api_key", "/my/atom_key"] {
        check(&root.post(path, &[("replaces", "")]).await);
    }
}

#[rstest]
#[tokio::test]
async fn what_other_pages_offer_works(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_admin("root").await;
    let key = site.add_access_token(&user, "account:read", "30d").await;
    let service = site.add_service("wiki", ServiceSettings::new("Wiki", "wiki.example.org")).await;
    let root = site.signed_in("root").await;
    for at in server::routes::pages().iter().filter(|at| at.answers().iter().any(|it| it.method == "GET")) {
        for id in [user.id, key.id, service.id] {
            let page = root
                .get(
                    &at.path()
                        .replace("{service_account}", "1")
                        .replace("{key_id:[0-9]+}", &key.id.to_string())
                        .replace("{id:[0-9]+}", &id.to_string()),
                )
                .await;
            for copied in copied(&page) {
                assert!(works(&copied), "{}: {copied} does not work", at.path());
            }
        }
    }
}
