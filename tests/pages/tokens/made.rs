//! The form for another access token, and the page that shows its secret.

use futures_util::future::join_all;
use latchkey::models::keys::key_request::KeyPolicy;
use latchkey::models::keys::scope::Scope;
use rstest::rstest;

use super::*;

/// Names and values.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// "scopes as described check boxes", "and for admins `users:read`, `users:write`, and those of services"
#[rstest]
#[tokio::test]
async fn what_it_may_do_is_ticked_with_a_description_each(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    site.add_admin("root").await;
    for (login, offered) in [("alice", 4), ("root", 11)] {
        let form = site.signed_in(login).await.get("/my/tokens/new").await;
        assert_eq!(form.status, 200);
        for (number, scope) in Scope::ALL.into_iter().enumerate() {
            let expected = (number < offered).then_some(false);
            assert_eq!(choice(&form, scope.as_str()), expected, "{login}: {scope}");
            let described = form.text().to_lowercase().contains(&format!("{} {scope}", scope.description()));
            assert_eq!(described, number < offered, "{login}: {scope} in {}", form.text());
        }
        assert_eq!(form.html.matches("type=\"checkbox\"").count(), offered, "{login}");
    }
}

/// "Expiry: 7, 30, 60, 90 days, a date, or none; a setting for the longest allowed and one for the default (30 days)."
#[rstest]
#[tokio::test]
async fn each_life_says_its_date_and_the_settings_say_which_there_are(
    #[values(Sqlite, Postgres)] db: Db,
    #[values(
        ("", "7d 30d! 60d 90d never date"),
        ("--access-token-lifetime=90d", "7d 30d 60d 90d! never date"),
        ("--access-token-lifetime=0", "7d 30d 60d 90d never! date"),
        ("--access-token-lifetime=45d", "usual! 7d 30d 60d 90d never date"),
        ("--access-token-longest-lifetime=60d", "7d 30d! 60d date"),
        ("--access-token-longest-lifetime=10d", "usual! 7d date"),
        ("--access-token-longest-lifetime=12h", "usual! date"),
    )]
    case: (&'static str, &'static str),
) {
    let (flag, expected) = case;
    let flags: Vec<&str> = flag.split_whitespace().collect();
    let site = Site::start_with(db, &flags).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let form = alice.get("/my/tokens/new").await;
    let values = ["usual", "7d", "30d", "60d", "90d", "never", "date"];
    let offered = values.into_iter().filter_map(|value| match choice(&form, value) {
        Some(true) => Some(format!("{value}!")),
        Some(false) => Some(value.to_owned()),
        None => None,
    });
    assert_eq!(offered.collect::<Vec<_>>().join(" "), expected, "{flags:?}");
    for (value, said) in
        [("7d", "7 days until 1 Dec 2026"), ("90d", "90 days until 22 Feb 2027"), ("never", "No expiration")]
    {
        assert_eq!(form.shows(said), choice(&form, value).is_some(), "{flags:?}: {said}");
    }
    let usual = match flag {
        "--access-token-lifetime=45d" => "45 days until 8 Jan 2027",
        "--access-token-longest-lifetime=10d" => "10 days until 4 Dec 2026",
        "--access-token-longest-lifetime=12h" => "about 12 hours until 24 Nov 2026",
        _ => "",
    };
    assert!(form.shows(usual), "{flags:?}: {}", form.text());
    let chosen = expected.split(' ').find_map(|it| it.strip_suffix('!')).expect("one");
    create(&alice, &[("name", "As offered"), ("scopes", "account:read"), ("expiry", chosen)]).await.secret();
    let policy = KeyPolicy::of(&site.app.config);
    let expected = policy.usual_expiry(&latchkey::models::keys::authority::Authority::OWNER, site.clock.now());
    assert_eq!(all_of(&site, &user)[0].expires_on, expected, "{flags:?}");
}

#[rstest]
#[tokio::test]
async fn a_new_token_is_shown_once_with_a_command_that_works(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [
        ("name", " Backup on the NAS "),
        ("note", "first line\r\nsecond line\r\n"),
        ("scopes", "account:read"),
        ("scopes", "tokens:write"),
        ("expiry", "60d"),
    ];
    let made = create(&alice, &fields).await;
    assert_eq!((made.status, made.header("Cache-Control")), (200, Some("no-store")), "{}", made.text());
    let secret = made.secret();
    assert!(made.html.contains("<title>“Backup on the NAS” created · Latchkey</title>"), "{}", made.html);
    assert!(made.shows("Copy it now: it will not be shown again."));
    let input = field(&made, "secret");
    assert!(input.contains(" readonly") && input.contains("autocomplete=\"off\""), "{input}");
    assert!(made.html.contains("data-copy=\"secret\" hidden"), "Copy is for where scripts run");
    let answer = run(&made);
    assert_eq!(answer["user"]["login"], "alice");

    let [token] = &all_of(&site, &user)[..] else { panic!("one token") };
    assert_eq!((token.name.as_deref(), token.note.as_str()), (Some("Backup on the NAS"), "first line\nsecond line"));
    assert_eq!(token.scopes.to_string(), "account:read tokens:write");
    assert_eq!(token.expires_on, Some(site.clock.now() + days(60)));
    let path = format!("/my/tokens/{}", token.id);
    assert!(made.html.contains(&format!("href=\"{path}\"")));
    for path in ["/my/account", "/my/tokens", &path, &format!("{path}/rotate"), &format!("{path}/revoke"), "/activity"]
    {
        let page = alice.get(path).await;
        assert!(page.status == 200 && !page.html.contains(&secret), "{path} shows it again");
    }
    let told = alice.get("/activity").await;
    assert!(told.shows("Access token “Backup on the NAS” created"), "{}", told.text());
    let by = "SELECT count(*) AS number FROM events WHERE action = 'key_created' AND credential = 'session'";
    assert_eq!(site.database.number(by), 1);
}

/// Runs the command that a page shows, and gives the JSON that it prints.
fn run(made: &Page) -> serde_json::Value {
    let line = made.html.split("<code id=\"curl\">").nth(1).and_then(|it| it.split_once("</code>")).expect("a line").0;
    let command = line.replace("&#39;", "'") + " --silent --noproxy '*'";
    let output = std::process::Command::new("sh").args(["-c", &command]).output().expect("a shell");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error} in {output:?}"))
}

#[rstest]
#[tokio::test]
async fn the_command_asks_for_something_that_the_token_may_see(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    for (scope, path) in [
        ("account:write", "/users/current.json"),
        ("users:read", "/my/tokens/current.json"),
        ("tokens:write", "/my/tokens/current.json"),
    ] {
        let made = create(&root, &[("name", "Any"), ("scopes", scope), ("expiry", "7d")]).await;
        let command = format!("curl -H 'Authorization: Bearer {}' {}{path} Copy", made.secret(), site.url);
        assert!(made.shows(&command), "{scope}: {}", made.text());
    }
}

/// "a form sent twice makes nothing the second time and says so"
#[rstest]
#[tokio::test]
async fn a_form_that_is_sent_twice_makes_one_token_and_says_so(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let after = alice.get("/my/tokens/new").await.value_of("after");
    assert_eq!(after, "", "there is none yet");
    let fields = [("after", after.as_str()), ("name", "Once"), ("scopes", "account:read"), ("expiry", "90d")];
    let secret = alice.post("/my/tokens", &fields).await.secret();
    let again = alice.post("/my/tokens", &fields).await;
    assert_eq!((again.status, again.header("Cache-Control")), (409, Some("no-store")));
    assert!(again.html.contains("<title>Already created · Latchkey</title>"), "{}", again.html);
    assert!(again.shows("You have already created this access token with this form."));
    assert!(!again.html.contains("id=\"secret\"") && !again.html.contains(&secret));
    let [once] = &all_of(&site, &user)[..] else { panic!("one token") };
    assert!(again.html.contains(&format!("href=\"/my/tokens/{}/rotate\">Rotate Once</a>", once.id)), "{}", again.html);
    assert_eq!(
        (again.value_of("name").as_str(), choice(&again, "90d")),
        ("Once", Some(true)),
        "what was typed is kept"
    );

    // Whoever wants another all the same sends the form that is on that page.
    let second = [("after", &*again.value_of("after")), fields[1], fields[2]];
    alice.post("/my/tokens", &second).await.secret();
    assert_eq!(all_of(&site, &user).len(), 2);
    let last = all_of(&site, &user)[1].id;
    assert_eq!(alice.post(&format!("/my/tokens/{last}/revoke"), &[]).await.status, 303);
    let gone = alice.post("/my/tokens", &second).await;
    assert_eq!(gone.status, 409, "also when what it made is gone");
    assert!(gone.shows("You have already created an access token with this form, and revoked it since."));
    assert_eq!(all_of(&site, &user).len(), 1);
}

/// Two tabs that were opened at the same time: another name, note, scope or expiry makes another token.
#[rstest]
#[tokio::test]
async fn a_form_with_other_content_makes_another_token(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let form = |name, note, scope, expiry| {
        [("after", ""), ("name", name), ("note", note), ("scopes", scope), ("expiry", expiry)]
    };
    let forms = [
        form("First", "", "account:read", "90d"),
        form("Second", "", "account:read", "90d"),
        form("Second", "with a note", "account:read", "90d"),
        form("Second", "", "account:write", "90d"),
        form("Second", "", "account:read", "7d"),
    ];
    for (made, form) in forms.iter().enumerate() {
        alice.post("/my/tokens", form).await.secret();
        assert_eq!(all_of(&site, &user).len(), made + 1, "{form:?}");
    }
    let renamed = all_of(&site, &user)[0].id;
    let changes = [("name", "Renamed"), ("scopes", "account:read"), ("expiry", "keep")];
    assert_eq!(alice.post(&format!("/my/tokens/{renamed}/edit"), &changes).await.status, 303);
    for form in forms {
        let again = alice.post("/my/tokens", &form).await;
        assert_eq!(again.status, 409, "a reload of the page that shows the secret: {form:?}");
    }
    assert_eq!(all_of(&site, &user).len(), 5);
}

#[rstest]
#[tokio::test]
async fn forms_sent_at_the_same_time_make_one_token(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [("after", ""), ("name", "Once"), ("scopes", "account:read")];
    let answers = join_all((0..8).map(|_| alice.post("/my/tokens", &fields))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
    let made = answers.iter().find(|answer| answer.status == 200).expect("one");
    let key = Key { id: 0, secret: made.secret() };
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200, "the one that was shown works");
    assert_eq!(all_of(&site, &user).len(), 1);
}

/// "every form keeps what was typed, errors say what to do"
#[rstest]
#[tokio::test]
async fn what_is_wrong_is_said_and_what_was_typed_is_kept(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--access-token-longest-lifetime=60d"]).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let long = "n".repeat(101);
    let note_of_501 = "x".repeat(501);
    let cases: [(Fields, &[&str]); 10] = [
        (&[("scopes", "account:read")], &["#name\">Name cannot be blank"]),
        (
            &[("name", &long), ("scopes", "account:read"), ("expiry", "7d")],
            &["#name\">Name is too long (maximum is 100 characters)"],
        ),
        (
            &[("name", "<b>&"), ("note", &note_of_501), ("scopes", "account:read")],
            &["#note\">Note is too long (maximum is 500 characters)"],
        ),
        (&[("name", "A"), ("note", "<b>")], &["#scopes\">Choose at least one scope"]),
        (
            &[("name", "A"), ("scopes", "users:read")],
            &["#scopes\">Only administrators can use the scopes of users and services"],
        ),
        (&[("name", "A"), ("scopes", "tokens:read"), ("expiry", "date")], &["#expiry\">Expiration needs a date"]),
        (
            &[("name", "A"), ("scopes", "tokens:read"), ("expiry", "date"), ("date", "tomorrow")],
            &["#expiry\">Expiration must be a date such as 2027-01-31"],
        ),
        (
            &[("name", "A"), ("scopes", "tokens:read"), ("expiry", "date"), ("date", "2026-11-23")],
            &["#expiry\">Expiration must be in the future"],
        ),
        (
            &[("expiry", "date"), ("date", "2027-02-30")],
            &[
                "#name\">Name cannot",
                "#scopes\">Choose at least one scope",
                "#expiry\">Expiration must be a date such as 2027-01-31",
            ],
        ),
        (
            &[("expiry", "never")],
            &["#name\">Name", "#scopes\">Choose", "#expiry\">Expiration cannot be more than 60 days away"],
        ),
    ];
    for (fields, told) in cases {
        let refused = create(&alice, fields).await;
        assert_eq!(refused.status, 422, "{told:?}: {}", refused.text());
        assert!(refused.html.contains("<title>Error: New access token · Latchkey</title>"), "{told:?}");
        assert!(told.iter().all(|text| refused.html.contains(text)), "{told:?} not in {}", refused.html);
        assert_eq!(refused.html.matches("class=\"errors\"").count(), told.len(), "beside the fields, too: {told:?}");
        let typed = |name: &str| fields.iter().find(|(it, _)| *it == name).map_or("", |(_, value)| value);
        assert_eq!(refused.value_of("name"), typed("name"), "{told:?}");
        assert_eq!(note(&refused), typed("note").replace("<b>", "&#60;b&#62;"), "{told:?}");
        assert_eq!(refused.value_of("date"), typed("date"), "{told:?}");
        let scope = typed("scopes");
        if !scope.is_empty() && !scope.starts_with("users") {
            assert_eq!(choice(&refused, scope), Some(true), "{told:?}");
        }
        if !["", "never"].contains(&typed("expiry")) {
            assert_eq!(choice(&refused, typed("expiry")), Some(true), "{told:?}");
        }
        assert!(!refused.html.contains("<b>"), "{told:?}");
    }
    assert!(all_of(&site, &user).is_empty());
}

/// A date expires at its end.
#[rstest]
#[tokio::test]
async fn a_date_is_the_last_day_that_it_works(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let fields = [("name", "Today"), ("scopes", "account:read"), ("expiry", "date"), ("date", "2026-11-24")];
    create(&alice, &fields).await.secret();
    assert_eq!(all_of(&site, &user)[0].expires_on, Some(at("2026-11-25T00:00:00")));
    // A date that was typed and then not chosen does not count.
    let fields = [("name", "Other"), ("scopes", "account:read"), ("expiry", "never"), ("date", "2026-11-24")];
    create(&alice, &fields).await.secret();
    assert_eq!(all_of(&site, &user)[1].expires_on, None);
}

#[rstest]
#[tokio::test]
async fn what_no_form_sends_is_refused(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let user = site.add_user("alice").await;
    let alice = site.signed_in("alice").await;
    let good = [("name", "A"), ("scopes", "account:read"), ("expiry", "7d")];
    for (what, name, value, status) in [
        ("an unknown scope", "scopes", "admin", 400),
        ("several in one", "scopes", "account:read tokens:read", 400),
        ("a form that names no token", "after", "x", 400),
        ("a life that is not offered", "expiry", "soon", 422),
        ("more days than are counted", "expiry", "65536d", 422),
        ("a hundred years and more", "expiry", "40000d", 422),
        ("a name of control characters", "name", "a\u{1b}[31m", 422),
        ("a note that turns what follows", "note", "\u{202e}", 422),
    ] {
        let mut fields: Vec<_> = good.iter().copied().filter(|(it, _)| *it != name).collect();
        fields.push((name, value));
        let answer = alice.post("/my/tokens", &fields).await;
        assert_eq!(answer.status, status, "{what}: {}", answer.text());
    }
    assert!(all_of(&site, &user).is_empty());
    alice.post("/my/tokens", &good).await.secret();
}
