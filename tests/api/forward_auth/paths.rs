//! Which service a path leads to, and which paths lead nowhere.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn the_longest_path_on_a_host_decides(#[values(Sqlite, Postgres)] db: Db) {
    let site = trusting(db).await;
    let alice = site.add_user("alice").await;
    let mut keys = Vec::new();
    for (name, place) in [
        ("root", "a.example.org/"),
        ("wiki", "a.example.org/wiki"),
        ("old", "a.example.org/wiki/Old"),
        ("other", "b.example.org/wiki"),
    ] {
        add_service(&site, name, place, &[]).await;
        keys.push((name, site.add_access_token(&alice, &format!("service:{name}:read"), "30d").await));
    }
    for (place, expected) in [
        ("a.example.org/", "root"),
        ("a.example.org/wik", "root"),
        ("a.example.org/wikis", "root"),
        ("a.example.org/wiki-old", "root"),
        ("a.example.org/x/wiki", "root"),
        ("a.example.org/100%25", "root"),
        ("a.example.org/%C3%A4", "root"),
        ("a.example.org/a//b;c=d", "root"),
        ("a.example.org/wiki", "wiki"),
        ("a.example.org/wiki?a=/wiki/Old", "wiki"),
        ("a.example.org/wiki/", "wiki"),
        ("a.example.org/wiki/a%20b", "wiki"),
        ("a.example.org/wiki/Older", "wiki"),
        ("a.example.org/wiki//x", "wiki"),
        ("a.example.org/wiki/Old", "old"),
        ("a.example.org/wiki/Old/1", "old"),
        ("b.example.org/wiki/Old", "other"),
        ("b.example.org/", ""),
        ("b.example.org/wikis", ""),
    ] {
        for (name, key) in &keys {
            let answer = by_key(&site, "GET", place, key).await;
            assert_eq!(status(&answer), if *name == expected { 200 } else { 403 }, "{place} with a key for {name}");
        }
    }
}

/// "dot segments, encoded slashes and backslashes are refused", and what servers read as different services.
#[rstest]
#[tokio::test]
async fn what_servers_do_not_agree_on_leads_nowhere(#[values(Sqlite, Postgres)] db: Db) {
    let site = trusting(db).await;
    let alice = site.add_user("alice").await;
    add_service(&site, "root", "a.example.org/", &[("anonymous_reads", "TRUE")]).await;
    add_service(&site, "wiki", "a.example.org/wiki", &[]).await;
    let key = site.add_access_token(&alice, "service:root:write service:wiki:write", "30d").await;
    for path in [
        "/.",
        "/..",
        "/../",
        "/wiki/..",
        "/wiki/../",
        "/wiki/./a",
        "/a/../wiki",
        "/%2e",
        "/%2E%2e/wiki",
        "/.%2e/",
        "/..;/wiki",
        "/..;a=b/wiki",
        "/%2e%2e;/wiki",
        "/wiki/..%3b/",
        "/%2f",
        "/a%2Fb",
        "/wiki%2f..",
        "//%2f",
        "/\\",
        "/wiki\\..\\",
        "/%5c",
        "/%5C..%5cwiki",
        "/%252e%252e/",
        "/a%252Fb",
        "/a%255cb",
        "/%25252e",
        "/%",
        "/%2",
        "/%zz",
        "/%2",
        "/a%",
        "/%u002e",
        "/%00",
        "/a%0d%0ab",
        "/a%7f",
        "/a#b",
        "/a b",
        "wiki",
        "*",
        "http://a.example.org/wiki",
        "",
        // The root to one server, the wiki to another.
        "//wiki",
        "/%77iki",
        "/wiki;a=b",
        "/wiki;/x",
        "/;/wiki",
        "/WIKI",
        "/Wiki/x",
        "/wik%69",
        "///wiki/x",
    ] {
        for answer in [
            by_key(&site, "GET", &format!("a.example.org/{}", path.strip_prefix('/').unwrap_or(path)), &key).await,
            Answer::of(
                site.get("/auth/nginx")
                    .header("Host", "a.example.org")
                    .header("X-Original-Method", "GET")
                    .header("X-Original-URI", path),
            )
            .await,
        ] {
            let expected = if path.starts_with('/') { 400 } else { status(&answer) };
            assert_eq!(status(&answer), expected, "{path}: {}", answer.text);
        }
        let alone = Answer::of(
            site.get("/auth/nginx")
                .header("Host", "a.example.org")
                .header("X-Original-Method", "GET")
                .header("X-Original-URI", path),
        )
        .await;
        assert_eq!(status(&alone), 400, "{path}");
    }
}
