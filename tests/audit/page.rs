//! `/admin/audit`, as administrators see it.

use rstest::rstest;

use super::*;

#[rstest]
#[tokio::test]
async fn administrators_see_what_happened_and_nobody_else_does(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, _) = with_root(db).await;
    let alice = site.add_user("alice").await;
    site.database.execute("DELETE FROM audit_entries");
    let visitor = site.signed_in("alice").await;
    for path in ["/admin/audit", "/admin/audit/export.csv"] {
        assert_eq!(visitor.get(path).await.status, 403, "{path}");
        assert_eq!(site.visitor().get(path).await.status, 302, "{path}");
    }
    assert!(!visitor.get("/my/account").await.html.contains("/admin/audit"));
    let root = site.signed_in("root").await;
    let page = root.get("/my/account").await;
    assert!(page.html.contains("<a href=\"/admin/audit\">Audit log</a>"), "{}", page.html);
    assert_eq!(visitor.try_sign_in("alice", "a-wrong-password").await.status, 422);
    site.flush().await;
    let page = root.get("/admin/audit").await;
    for told in [
        "Wrong password about alice by not signed in 24 Nov 2026, 09:30:00 UTC 127.0.0.1 Test Browser/1.0",
        "Signed in about root by root password 24 Nov 2026, 09:30:00 UTC 127.0.0.1 Test Browser/1.0",
        "Signed in about alice by alice password 24 Nov 2026, 09:30:00 UTC 127.0.0.1 Test Browser/1.0",
    ] {
        assert!(page.shows(told), "{told}: {}", page.text());
    }
    assert!(page.html.contains("<tr role=\"row\" class=\"warning\">"), "a refusal looks like one");
    let of_alice = format!("/admin/audit?user=id%3A{}", alice.id);
    assert!(page.html.contains(&format!("<a href=\"{of_alice}\">alice</a>")), "{}", page.html);
    let of_alice = root.get(&of_alice).await;
    assert!(of_alice.shows("Signed in about alice") && !of_alice.shows("about root"), "{}", of_alice.text());
    let person = root.get(&format!("/admin/users/{}", alice.id)).await;
    assert!(person.html.contains(&format!("<a class=\"action-link\" href=\"/admin/audit?user=id:{}\">", alice.id)));
}

#[rstest]
#[tokio::test]
async fn a_search_keeps_what_was_typed_and_leads_on(#[values(Sqlite, Postgres)] db: Db) {
    let (site, _, _) = with_root(db).await;
    let root = site.signed_in("root").await;
    site.database.execute("DELETE FROM audit_entries");
    let empty = root.get("/admin/audit").await;
    assert!(empty.shows("Nothing has happened yet.") && !empty.shows("Export"), "{}", empty.text());
    fill(&site, 120);
    let none = root.get("/admin/audit?user=nobody").await;
    assert!(none.shows("No entry matches. Show all entries"), "{}", none.text());

    let query = "actor=doer3&action=key_changed&since=2026-01-01&until=2026-01-01&address=192.0.2.3&user=&key_id=";
    let found = root.get(&format!("/admin/audit?{query}")).await;
    assert_eq!((found.value_of("actor"), found.value_of("address")), ("doer3".into(), "192.0.2.3".into()));
    assert_eq!((found.value_of("since"), found.value_of("until")), ("2026-01-01".into(), "2026-01-01".into()));
    assert!(found.html.contains("<option value=\"key_changed\" selected>Key changed</option>"), "{}", found.html);
    assert!(found.shows("Show all entries Export what was found: CSV NDJSON"), "{}", found.text());
    let time = root.get("/admin/audit?since=2026-01-01T00:00:30Z").await;
    assert!(time.html.contains("name=\"since\" type=\"text\" value=\"2026-01-01T00:00:30Z\""), "{}", time.html);

    let export = found.html.split("href=\"").find(|it| it.starts_with("/admin/audit/export")).expect("a link");
    let export = visitor::unescaped(export.split('"').next().expect("an address"));
    let file = root.get(&export).await;
    assert_eq!(
        file.header("Content-Disposition"),
        Some("attachment; filename=\"audit-2026-11-24.csv\""),
        "{}",
        file.html
    );
    assert_eq!(file.html.lines().count() - 1, found.html.matches("<tr role=\"row\">").count() - 1);
    assert_eq!(root.get("/admin/audit/export.ndjson?user=two+words").await.status, 422);
    let whole = root.get("/admin/audit/export.ndjson").await;
    assert!(whole.status == 200 && whole.html.lines().count() >= 120, "{}", whole.html);

    // There and back again.
    let link = |page: &Page, rel: &str| -> Option<String> {
        let (before, _) = page.html.split_once(&format!("\" rel=\"{rel}\""))?;
        Some(visitor::unescaped(before.rsplit("href=\"").next().expect("an address")))
    };
    let rows = |page: &Page| page.html.matches("<td role=\"cell\" class=\"what\">").count();
    let first = root.get("/admin/audit").await;
    let second = root.get(&link(&first, "next").expect("older ones")).await;
    let third = root.get(&link(&second, "next").expect("older ones")).await;
    assert_eq!([&first, &second, &third].map(rows), [50, 50, 20]);
    assert!(link(&first, "prev").is_none() && link(&third, "next").is_none());
    let back = root.get(&link(&third, "prev").expect("newer ones")).await;
    assert!(back.shows("00:01:10 UTC") && rows(&back) == 50, "{}", back.text());
    let top = root.get(&link(&back, "prev").expect("newer ones")).await;
    assert!(rows(&top) == 50 && link(&top, "prev").is_none(), "{}", top.text());
}
