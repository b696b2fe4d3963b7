//! `docs/moving-from-redmine.md`: the rules that send Redmine's account and keys here.

use rstest::rstest;

use super::*;
use crate::support::daemon::free_port;
use crate::support::redmine::From::*;
use crate::support::wire::RawRequest;

/// The block of nginx's language in that document.
fn rules() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/moving-from-redmine.md");
    let document = std::fs::read_to_string(path).expect("the document");
    let block = document.split("```nginx\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("a block for nginx").to_owned()
}

#[rstest]
#[tokio::test]
async fn the_rules_of_the_document_send_the_account_and_keys_here(#[values(Sqlite, Postgres)] db: Db) {
    let redmine = Redmine::new(SqliteFile);
    everybody(&redmine);
    let database = TestDatabase::migrated(db);
    import(&database, &redmine, &[]).done();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let flags = [&format!("--url={url}/keys"), "--trusted-proxies=127.0.0.1"];
    let latchkey = Process::serve(&command_line(&database), &flags);
    let ours = latchkey.url.strip_prefix("http://").expect("an address");
    let rules = rules().replace("127.0.0.1:3000", ours);
    let _nginx = nginx::serve(port, &format!("{rules} location / {{ return 200 redmine; }}"));

    let client = Visitor::new(&url);
    let get = async |path: &str| {
        let request = client.request(reqwest::Method::GET, path).header("X-Redmine-API-Key", key("alice api"));
        Answer::of(request).await
    };
    assert_eq!(get("/users/current.json").await.json()["user"]["login"], "alice");
    assert!(get("/users/current.xml?include=memberships").await.text.contains("<login>alice</login>"));
    assert_eq!(get("/my/account.json").await.json()["user"]["login"], "alice");
    let change = client.request(reqwest::Method::PUT, "/my/account.json").header("X-Redmine-API-Key", key("alice api"));
    let change = change.json(&serde_json::json!({"user": {"firstname": "Alicia"}}));
    assert_eq!(Answer::of(change).await.status, 204);
    for path in
        ["/issues.json", "/projects", "/users/1.json", "/my/page", "/my/account/destroy", "/my/api_keys", "/login"]
    {
        assert_eq!(get(path).await.text, "redmine", "{path}");
    }

    // Nobody asks through Redmine's address what proxies ask: nginx is trusted, and its visitors choose their headers.
    command_line(&database).run(&["service", "add", "wiki", "--host=127.0.0.1", "--readers=everyone"]).done();
    for path in
        ["nginx", "forwarded", "envoy/", "%6eginx", "/nginx", "./nginx", "../auth/nginx", "", "%2e%2e/auth/nginx"]
    {
        for address in [format!("/keys/auth/{path}"), format!("/keys/%61uth/{path}"), format!("//keys/auth/{path}")] {
            let question = RawRequest::get(address.as_bytes()).with("X-Redmine-API-Key", key("alice api"));
            let question = question.with("X-Original-URI", "/").with("X-Original-Method", "GET");
            let question = question.with("X-Forwarded-Uri", "/").with("X-Forwarded-Method", "GET");
            let question = question.with("X-Forwarded-Host", "127.0.0.1").with("X-Forwarded-Proto", "https");
            let answer = question.send(&url).expect("an answer");
            assert_eq!(answer.status, 404, "{address}: {}", answer.text);
        }
    }

    let alice = Visitor::new(&url);
    for path in ["/my/account", "/my/password", "/my/api_key", "/my/atom_key", "/my/rss_key", "/my/account?tab=1"] {
        let sent = alice.get(path).await;
        assert_eq!((sent.status, sent.location()), (303, format!("{url}/keys/my/account").as_str()), "{path}");
    }
    // Buttons of Redmine's that make a new key there.
    for path in ["/my/api_key", "/my/atom_key", "/my/rss_key"] {
        let sent = alice.post(path, &[]).await;
        assert_eq!((sent.status, sent.location()), (303, format!("{url}/keys/my/account").as_str()), "{path}");
    }
    let form = [("username", "alice"), ("password", PASSWORD)];
    let signed_in = alice.post("/keys/login", &form).await;
    assert_eq!((signed_in.status, signed_in.location()), (303, "/keys/my/account"), "{}", signed_in.text());
    let account = alice.get("/keys/my/account").await;
    assert_eq!(account.value_of("firstname"), "Alicia");
    assert!(account.shows("API access key Last used: less than a minute ago"), "{}", account.text());
}
