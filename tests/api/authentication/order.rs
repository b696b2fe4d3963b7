//! Which one counts when a request presents several secrets.

use latchkey::models::keys::token::TokenAction;
use rstest::rstest;

use super::*;

/// What a request presents at each place; `None`: nothing.
#[derive(Default)]
struct Presents<'a> {
    parameter: Option<&'a str>,
    header: Option<&'a str>,
    authorization: Option<String>,
}

impl Presents<'_> {
    fn to(&self, site: &Site) -> RequestBuilder {
        let mut request = match self.parameter {
            Some(key) => site.get(&format!("{ADDRESS}?{key}")),
            None => site.get(ADDRESS),
        };
        if let Some(key) = self.header {
            request = request.header(KEY_HEADER, key);
        }
        match &self.authorization {
            Some(value) => request.header("Authorization", value),
            None => request,
        }
    }
}

/// "A `key` parameter wins over the header; either wins over Basic. The first one present decides, even when it is
/// wrong and the next would be right."
#[rstest]
#[tokio::test]
async fn the_first_secret_that_is_present_decides(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let mut secrets = Vec::new();
    for login in ["alice", "bob", "carol"] {
        let user = site.add_user(login).await;
        secrets.push(site.add_key(&user, TokenAction::Api).await.secret);
    }
    let [alice, bob, carol] = [&secrets[0], &secrets[1], &secrets[2]];
    let alices = format!("key={alice}");
    let (parameter, header) = (Some(alices.as_str()), Some(bob.as_str()));
    let keyed = || Some(basic(format!("{carol}:")));
    let passworded = || Some(basic(format!("carol:{PASSWORD}")));
    let bearer = || Some(format!("Bearer {carol}"));
    for (case, presents, login) in [
        ("all three", Presents { parameter, header, authorization: keyed() }, "alice"),
        ("parameter and header", Presents { parameter, header, authorization: None }, "alice"),
        ("parameter and password", Presents { parameter, header: None, authorization: passworded() }, "alice"),
        ("parameter and Bearer", Presents { parameter, header: None, authorization: bearer() }, "alice"),
        ("header and Basic", Presents { header, authorization: keyed(), parameter: None }, "bob"),
        ("header and password", Presents { header, authorization: passworded(), parameter: None }, "bob"),
        ("header and Bearer", Presents { header, authorization: bearer(), parameter: None }, "bob"),
        ("Basic alone", Presents { authorization: keyed(), ..Presents::default() }, "carol"),
    ] {
        assert_eq!(login_of(presents.to(&site), case).await, login, "{case}");
    }
    let (wrong_parameter, wrong_header) = (Some("key=wrong"), Some("wrong"));
    for (case, presents) in [
        ("parameter, then header", Presents { parameter: wrong_parameter, header, authorization: None }),
        ("parameter, then Basic", Presents { parameter: wrong_parameter, header: None, authorization: keyed() }),
        (
            "parameter, then password",
            Presents { parameter: wrong_parameter, header: None, authorization: passworded() },
        ),
        ("header, then Basic", Presents { parameter: None, header: wrong_header, authorization: keyed() }),
        ("header, then password", Presents { parameter: None, header: wrong_header, authorization: passworded() }),
        ("header, then Bearer", Presents { parameter: None, header: wrong_header, authorization: bearer() }),
    ] {
        assert_refused(presents.to(&site), None, &format!("a wrong {case}")).await;
    }
}

/// "An empty one counts as absent."
#[rstest]
#[tokio::test]
async fn an_empty_secret_counts_as_absent(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let Key { secret, .. } = site.add_key(&alice, TokenAction::Api).await;
    let twice = format!("key={secret}&key=");
    for parameter in [None, Some("key="), Some("key"), Some("key=%20+%09"), Some("key[]=wrong"), Some(&twice)] {
        let presents = Presents { parameter, header: Some(&secret), ..Presents::default() };
        assert_eq!(login_of(presents.to(&site), "the header").await, "alice", "{parameter:?}, then the header");
        for header in [None, Some(""), Some("  \t ")] {
            for authorization in [basic(format!("{secret}:")), format!("Bearer {secret}")] {
                let presents = Presents { parameter, header, authorization: Some(authorization) };
                let case = format!("{parameter:?} and {header:?}, then Authorization");
                assert_eq!(login_of(presents.to(&site), &case).await, "alice", "{case}");
            }
            for authorization in ["", " ", "Basic", "basic  ", "Bearer", "Bearer \t"].map(str::to_owned) {
                let case = format!("{parameter:?}, {header:?} and {authorization:?}");
                let presents = Presents { parameter, header, authorization: Some(authorization) };
                assert_refused(presents.to(&site), BASIC, &case).await;
            }
            let presents = Presents { parameter, header, authorization: Some(basic(format!(":{PASSWORD}"))) };
            assert_refused(presents.to(&site), BASIC, "a password without a user name").await;
        }
    }
}
