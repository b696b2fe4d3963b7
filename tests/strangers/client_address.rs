//! "The client's address is that of the connection, or the rightmost untrusted hop when the connection comes from
//! `LATCHKEY_TRUSTED_PROXIES`."

use reqwest::header::HeaderValue;
use rstest::rstest;

use super::*;

/// The address that a sign-in with these `X-Forwarded-For` is told with.
async fn address_of(visitor: &Visitor, forwarded: &[&[u8]]) -> String {
    let mut request = visitor.request(Method::POST, "/login").header("Sec-Fetch-Site", "same-origin");
    for value in forwarded {
        request = request.header("X-Forwarded-For", HeaderValue::from_bytes(value).expect("a header"));
    }
    assert_eq!(page(request.form(&[("username", "alice"), ("password", PASSWORD)])).await.status, 303);
    let activity = visitor.get("/activity").await;
    let first = activity.html.split("class=\"address\">").nth(1).and_then(|it| it.split_once('<'));
    first.expect("a row").0.to_owned()
}

#[rstest]
#[tokio::test]
async fn behind_trusted_proxies_it_is_the_rightmost_hop_that_they_do_not_run(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.0.0.1,10.0.0.0/8,2001:db8:5::/48"]).await;
    site.add_user("alice").await;
    let visitor = site.visitor();
    let cases: [(&[&[u8]], &str); 28] = [
        (&[], "127.0.0.1"),
        (&[b"192.0.2.1"], "192.0.2.1"),
        (&[b"  192.0.2.1  "], "192.0.2.1"),
        (&[b"198.51.100.9, 192.0.2.1"], "192.0.2.1"),
        (&[b"198.51.100.9,192.0.2.1"], "192.0.2.1"),
        (&[b"192.0.2.1, 10.0.0.7"], "192.0.2.1"),
        (&[b"192.0.2.1, 10.0.0.7, 2001:db8:5::1"], "192.0.2.1"),
        (&[b"10.1.0.1, 10.0.0.2"], "10.1.0.1"),
        (&[b"127.0.0.1"], "127.0.0.1"),
        (&[b"198.51.100.9", b"192.0.2.1, 10.0.0.7"], "192.0.2.1"),
        (&[b"198.51.100.9, 192.0.2.1", b"10.0.0.7"], "192.0.2.1"),
        (&[b"192.0.2.1:4711"], "192.0.2.1"),
        (&[b"2001:db8::1"], "2001:db8::1"),
        (&[b"2001:0DB8:0::0:1"], "2001:db8::1"),
        (&[b"[2001:db8::1]"], "2001:db8::1"),
        (&[b"[2001:db8::1]:4711"], "2001:db8::1"),
        (&[b"::ffff:192.0.2.1"], "192.0.2.1"),
        (&[b"192.0.2.1, ::ffff:10.0.0.7"], "192.0.2.1"),
        // What cannot be read was sent by the hop that is known.
        (&[b""], "127.0.0.1"),
        (&[b", ,"], "127.0.0.1"),
        (&[b"unknown"], "127.0.0.1"),
        (&[b"192.0.2.1, unknown"], "127.0.0.1"),
        (&[b"192.0.2.1, _hidden, 10.0.0.7"], "10.0.0.7"),
        (&[b"for=192.0.2.1;proto=https"], "127.0.0.1"),
        (&[b"<script>, 1.2.3.4.5, 192.0.2.1"], "192.0.2.1"),
        (&[b"192.0.2.1", b"\xff\xfe"], "127.0.0.1"),
        (&[b"\xff\xfe, 192.0.2.1"], "192.0.2.1"),
        (&[b"198.51.100.9", b"\xc3\xa4, 192.0.2.1"], "192.0.2.1"),
    ];
    for (forwarded, address) in cases {
        let told: Vec<_> = forwarded.iter().map(|value| String::from_utf8_lossy(value)).collect();
        assert_eq!(address_of(&visitor, forwarded).await, address, "{told:?}");
    }
}

#[rstest]
#[tokio::test]
async fn without_a_trusted_proxy_it_is_that_of_the_connection(#[values(Sqlite, Postgres)] db: Db) {
    for flags in [&[][..], &["--trusted-proxies=10.0.0.0/8,::1"]] {
        let site = Site::start_with(db, flags).await;
        site.add_user("alice").await;
        let visitor = site.visitor_at("127.9.8.7");
        for forwarded in [&[][..], &[b"192.0.2.1".as_slice()], &[b"192.0.2.1, 10.0.0.1", b"10.0.0.2"]] {
            assert_eq!(address_of(&visitor, forwarded).await, "127.9.8.7", "{flags:?}");
        }
        let other_headers = visitor.request(Method::POST, "/login").header("Sec-Fetch-Site", "same-origin");
        let other_headers = other_headers.header("Forwarded", "for=192.0.2.1").header("X-Real-IP", "192.0.2.1");
        let form = [("username", "alice"), ("password", PASSWORD)];
        assert_eq!(page(other_headers.form(&form)).await.status, 303);
        assert!(!visitor.get("/activity").await.shows("192.0.2.1"), "{flags:?}");
    }
}

/// A proxy may stand on a network of its own, and every connection from elsewhere is still not believed.
#[rstest]
#[tokio::test]
async fn only_the_proxy_that_is_named_is_believed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=127.1.0.0/16"]).await;
    site.add_user("alice").await;
    for (from, address) in [("127.1.2.3", "192.0.2.1"), ("127.2.2.3", "127.2.2.3")] {
        assert_eq!(address_of(&site.visitor_at(from), &[b"192.0.2.1"]).await, address, "from {from}");
    }
}

/// Guessing cannot hide behind a header that a stranger writes.
#[rstest]
#[tokio::test]
async fn a_forged_header_does_not_make_another_address(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    for number in 0..10 {
        let answer = basic_from(&site, &format!("192.0.2.{number}"), "alice", "a-wrong-password").await;
        assert_eq!(answer.status, 401);
    }
    assert_eq!(basic_from(&site, "192.0.2.77", "alice", "a-wrong-password").await.status, 429);
    let elsewhere = site.visitor_at("127.3.2.1").try_sign_in("alice", "a-wrong-password").await;
    assert_eq!(elsewhere.status, 422, "another machine is another address");
}

/// "`X-Forwarded-For` from an untrusted connection logs one warning that names the setting."
#[rstest]
#[tokio::test]
async fn an_untrusted_header_is_warned_of_once(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--trusted-proxies=10.0.0.1"]).await;
    // An address that no other test connects from tells this site's lines from those of others.
    let address = if db == Sqlite { "127.77.0.1" } else { "127.77.0.2" };
    let visitor = site.visitor_at(address);
    let warnings = || {
        let lines = log::lines_with(address).into_iter().filter(|line| line["level"] == "WARN");
        lines.map(|line| line["fields"]["message"].as_str().expect("a message").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(visitor.get("/login").await.status, 200);
    assert_eq!(warnings(), [""; 0], "nothing to warn of yet");
    for _ in 0..3 {
        let request = visitor.request(Method::GET, "/login").header("X-Forwarded-For", "192.0.2.1");
        assert_eq!(page(request).await.status, 200);
    }
    let warnings = warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("LATCHKEY_TRUSTED_PROXIES"), "{warnings:?}");
}
