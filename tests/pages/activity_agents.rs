//! What clients say they are, as *Activity* shows it: their words, and not to be trusted.

use reqwest::Method;
use reqwest::header::HeaderValue;
use rstest::rstest;

use super::*;
use crate::support::visitor::page;

/// The agents and addresses that the page shows after a sign-in with each of `agents`, the latest first.
async fn shown(site: &Site, agents: &[&[u8]]) -> Page {
    for agent in agents {
        let agent = HeaderValue::from_bytes(agent).expect("a header");
        let request = site.visitor().request(Method::POST, "/login").header("Sec-Fetch-Site", "same-origin");
        let form = [("username", "alice"), ("password", PASSWORD)];
        assert_eq!(page(request.header("User-Agent", agent).form(&form)).await.status, 303);
    }
    site.signed_in("alice").await.get("/activity").await
}

#[rstest]
#[tokio::test]
async fn an_agent_is_text_and_no_markup(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let hostile = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">&lt;b&gt;</td></table>";
    let page = shown(&site, &[hostile.as_bytes()]).await;
    assert!(!page.html.contains("<script>") && !page.html.contains("<img src=x"), "{}", page.html);
    assert_eq!(page.html.matches("</table>").count(), 1, "{}", page.html);
    assert!(page.html.contains("&#60;script&#62;alert(&#39;x&#39;)&#60;/script&#62;"), "{}", page.html);
}

#[rstest]
#[tokio::test]
async fn an_agent_is_cut_and_printable(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    let long = format!("begin{}end", "x".repeat(5000));
    let turned = "left\u{202e}right";
    let page = shown(&site, &[long.as_bytes(), b"not \xff\xfe text", turned.as_bytes(), b"tab\there", b""]).await;
    let kept = format!("begin{}", "x".repeat(250));
    assert!(page.html.contains(&format!(">{kept}</td>")), "255 characters are kept");
    assert!(!page.html.contains(&format!("{kept}x")), "and no more");
    assert!(page.shows("not \u{fffd}\u{fffd} text"), "{}", page.text());
    assert!(page.shows("leftright") && page.shows("tabhere"), "{}", page.text());
    assert_eq!(page.html.matches("<td role=\"cell\" class=\"agent\"></td>").count(), 1, "one says nothing");
}

/// The agent of the last attempt stands for the hour's.
#[rstest]
#[tokio::test]
async fn refused_sign_ins_show_the_agent_of_the_last(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    site.add_user("alice").await;
    for (agent, flush) in [("agent-one", true), ("agent-two", false), ("agent-three", false)] {
        let request = site.get("/users/current.json").basic_auth("alice", Some("a-wrong-password"));
        assert_eq!(Answer::of(request.header("User-Agent", agent)).await.status, 401);
        if flush {
            site.flush().await;
        }
    }
    site.flush().await;
    let page = site.signed_in("alice").await.get("/activity").await;
    assert!(page.shows("Wrong password ×3 less than a minute ago 127.0.0.1 agent-three"), "{}", page.text());
    assert!(!page.shows("agent-one") && !page.shows("agent-two"));
}
