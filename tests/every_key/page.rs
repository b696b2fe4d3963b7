//! `/admin/keys`: what an administrator sees.

use rstest::rstest;

use super::*;

/// The names of keys in the list, from the top.
fn names(page: &Page) -> Vec<String> {
    let rows = page.html.split("class=\"pick\"").skip(1);
    let name =
        |row: &str| row.split_once("<a href=")?.1.split_once('>')?.1.split_once("</a>").map(|it| it.0.to_owned());
    rows.filter_map(name).collect()
}

#[rstest]
#[tokio::test]
async fn administrators_see_every_key_and_where_to_go_from_it(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let root = site.signed_in("root").await;
    let empty = root.get("/admin/keys").await;
    assert!(empty.shows("Nobody has a key yet."), "{}", empty.text());
    let alice = site.add_user("alice").await;
    let locked = site.add_user("locked").await;
    site.set_user(&locked, "status = 'locked'");
    let key = named(&site, &alice, "deploy", "account:read", "7d").await;
    site.add_key(&locked, TokenAction::Api).await;
    assert_eq!(site.get_with_key("/users/current.json", &key).await.status, 200);
    let list = root.get("/admin/keys").await;
    assert_eq!(list.status, 200);
    assert_eq!(names(&list), ["API access key", "deploy"]);
    let (hint, path) = (&key.secret[45..], format!("/admin/users/{}/keys/{}", alice.id, key.id));
    for told in [
        format!("deploy ends in ····{hint} See your account Test Person alice alice"),
        "Last used less than a minute ago In use from 127.0.0.1 Expires in 7 days created less than a minute ago"
            .to_owned(),
        "Test Person locked locked Never used Too early to say Refused: the account is not active".to_owned(),
    ] {
        assert!(list.shows(&told), "{told}: {}", list.text());
    }
    assert!(list.html.contains(&format!("<a href=\"{path}\">deploy</a>")), "{}", list.html);
    assert!(list.html.contains(&format!("<a href=\"/admin/users/{}\">Test Person alice</a>", alice.id)));
    assert!(root.get("/my/account").await.html.contains("<a href=\"/admin/keys\">Keys</a>"));
    let person = root.get(&format!("/admin/users/{}", alice.id)).await;
    assert!(person.html.contains("href=\"/admin/keys?owner=alice\""), "{}", person.html);
    assert_eq!(names(&root.get("/admin/keys?owner=alice").await), ["deploy"]);
    let other = site.signed_in("alice").await;
    assert_eq!(other.get("/admin/keys").await.status, 403);
    assert!(!other.get("/my/account").await.html.contains("/admin/keys"));
}

#[rstest]
#[tokio::test]
async fn the_form_keeps_what_was_asked_and_links_keep_it_too(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_admin("root").await;
    let alice = site.add_user("alice").await;
    for name in ["one", "two", "three"] {
        site.later(chrono::TimeDelta::minutes(1));
        named(&site, &alice, name, "account:read", "never").await;
    }
    let root = site.signed_in("root").await;
    let list =
        root.get("/admin/keys?search=&owner=alice&action=access&state=active&unused_since=2027-01-01&limit=2").await;
    assert_eq!(names(&list), ["three", "two"]);
    for kept in [
        "name=\"owner\" type=\"text\" value=\"alice\"",
        "<option value=\"access\" selected>Access token</option>",
        "<option value=\"active\" selected>Active</option>",
        "name=\"unused_since\" type=\"date\" value=\"2027-01-01\"",
        "<details class=\"more\" open>",
    ] {
        assert!(list.html.contains(kept), "{kept}: {}", list.html);
    }
    let asked = "owner=alice&#38;action=access&#38;state=active&#38;unused_since=2027-01-01";
    let sorted = format!("href=\"/admin/keys?{asked}&#38;sort=expires_on&#38;limit=2\"");
    assert!(list.html.contains(&sorted), "{}", list.html);
    assert!(!list.shows("First page"));
    let next = list.html.split("rel=\"next\"").next().and_then(|it| it.rsplit_once("href=\"")).expect("a link").1;
    let next = crate::support::visitor::unescaped(next.split('"').next().expect("an address"));
    let second = root.get(&next).await;
    assert_eq!(names(&second), ["one"]);
    assert!(second.shows("First page") && !second.shows("Next"), "{}", second.text());
    let none = root.get("/admin/keys?owner=root").await;
    assert!(none.shows("No key matches.") && none.shows("Show all keys"), "{}", none.text());
    assert!(!none.html.contains("<details class=\"more\" open>"));
}

#[rstest]
#[tokio::test]
async fn what_is_wrong_is_told_beside_its_field_and_nothing_is_listed(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let root = site.add_admin("root").await;
    named(&site, &root, "deploy", "account:read", "never").await;
    let root = site.signed_in("root").await;
    for (query, told, field) in [
        ("owner=nobody", "No account has the login nobody", "owner"),
        ("unused_since=spring", "Not used since must be a date such as 2026-12-31", "unused_since"),
        ("never_used=1&unused_since=2026-01-01", "Ask either for keys without a recorded use", "unused_since"),
        ("never_used=1&verdict=in_use", "Ask either for keys without a recorded use", "verdict"),
        ("state=broken", "State must be active, suspended or expired", "state"),
        ("sort=name", "Order must be created_on", "content"),
        ("cursor=x", "The cursor does not belong to this list", "content"),
    ] {
        let refused = root.get(&format!("/admin/keys?{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
        assert!(refused.shows(&format!("There is a problem {told}")), "{query}: {}", refused.text());
        assert!(refused.html.contains("<title>Error: Keys") && refused.html.contains(&format!("href=\"#{field}\"")));
        assert!(refused.html.contains(&format!("id=\"{field}\"")) && names(&refused).is_empty(), "{query}");
    }
}

#[rstest]
#[tokio::test]
async fn its_pages_are_below_the_prefix_and_have_no_code_inside(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start_with(db, &["--url=http://127.0.0.1/keys"]).await;
    let root = site.add_admin("root").await;
    let first = named(&site, &root, "first", "account:read", "never").await.id;
    site.add_key(&root, TokenAction::Api).await;
    let visitor = site.visitor();
    let form = [("username", "root"), ("password", PASSWORD)];
    assert_eq!(visitor.post("/keys/login", &form).await.status, 303);
    let list = visitor.get("/keys/admin/keys?limit=1&owner=root").await;
    let asked = visitor.get(&format!("/keys/admin/keys/revoke?ids={first}")).await;
    let revoked = visitor.post("/keys/admin/keys/revoke", &[("chosen", &first.to_string())]).await;
    for (page, shown) in [(list, "API access key"), (asked, "Revoke 1 key?"), (revoked, "1 key has been revoked.")] {
        assert!(page.shows(shown), "{}", page.text());
        let attributes = ["href=\"", "src=\"", "action=\""].into_iter().flat_map(|name| page.html.split(name).skip(1));
        for address in attributes.filter_map(|rest| rest.split('"').next()) {
            assert!(address.starts_with("/keys/") || address.starts_with('#'), "{address}");
        }
        for tag in page.html.split('<').skip(1).filter_map(|it| it.split('>').next()) {
            let is_inline = tag.split_whitespace().any(|word| word.starts_with("on") || word.starts_with("style="));
            assert!(!is_inline && !tag.starts_with("style"), "<{tag}>");
        }
    }
}
