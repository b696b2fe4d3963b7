//! Where a key is used, as people see it.

use chrono::TimeDelta;
use latchkey::models::keys::key_request::Expiry;
use latchkey::models::keys::token::TokenAction;
use latchkey::recorder::service_uses::ServiceCall;
use rstest::rstest;
use serde_json::json;

use super::{assert_sound, sign_in};
use crate::pages::tokens::add;
use crate::service_uses::{add_service, call};
use crate::support::browser::{Browser, Options};
use crate::support::*;

/// As programs write it that want to be known.
const LONG_AGENT: &str = "aVeryLongWordWithoutASingleBlankInItAsOnlyProgramsWriteThemInTheirUserAgents/1.0 (and then some \
                          more, with blanks) AndOneMoreVeryLongWordWithoutASingleBlankInItToSeeWhetherItIsBroken/2.0";

/// A key of somebody that was used on two services, on each of the last hundred days on one of them.
fn use_everywhere(site: &Site, key_id: i64) {
    let (wiki, git) = (add_service(&site.database, "wiki"), add_service(&site.database, "git"));
    let now = site.clock.now();
    for ago in 0..100 {
        let at = now - TimeDelta::days(ago);
        (0..=(ago * 7) % 40).for_each(|_| site.app.recorder.service_uses.count(&call(key_id, wiki, at)));
    }
    let address = "2001:db8:85a3:1234:5678:8a2e:370:7334".parse().expect("an address");
    let agent = LONG_AGENT.as_bytes();
    site.app.recorder.service_uses.count(&ServiceCall { address, agent, ..call(key_id, git, now) });
}

#[rstest]
#[case::sqlite_desktop_light(Sqlite, Options::desktop())]
#[case::postgres_phone_dark(Postgres, Options::phone().dark())]
#[case::postgres_desktop_dark(Postgres, Options::desktop().dark())]
#[case::sqlite_phone_light(Sqlite, Options::phone())]
#[tokio::test]
async fn where_a_key_is_used_is_sound_to_look_at(#[case] db: Db, #[case] options: Options) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let token = add(&site, &alice, "Deploy", "account:read", Expiry::Never).await;
    let api = site.add_key(&alice, TokenAction::Api).await;
    let browser = Browser::start(options).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.click("Use on services").await;
    browser.shows("Use of your API access key").await;
    browser.shows("This key has not been used on a service yet.").await;
    assert_sound(&browser, "an API access key that was used nowhere").await;
    let token_page = format!("{}/my/tokens/{}", site.url, token.id);
    browser.goto(&token_page).await;
    browser.shows("This key has not been used on a service yet.").await;
    assert_sound(&browser, "a token that was used nowhere").await;

    use_everywhere(&site, token.id);
    browser.goto(&token_page).await;
    browser.shows("Wiki Last used less than a minute ago from 192.0.2.7 by curl/8.5.0").await;
    browser.shows("in the last 90 days, most on").await;
    assert_sound(&browser, "a token and where it is used").await;
    // Ninety bars, in the colour of the text around them, which is no black on black; and nothing to stop at with Tab.
    let picture = "
        const all = [...document.querySelectorAll('svg.uses')];
        const style = getComputedStyle(all[0]), page = getComputedStyle(document.documentElement);
        return [all.map(svg => svg.querySelectorAll('rect').length), all.map(svg => svg.tabIndex),
                style.fill === style.color, style.fill !== getComputedStyle(document.body).backgroundColor,
                all.every(svg => svg.getBoundingClientRect().right <= innerWidth),
                all.every(svg => svg.getBoundingClientRect().width > 200)]";
    let mut counted = browser.evaluate(picture).await;
    let bars = counted[0].as_array_mut().expect("numbers");
    bars.sort_by_key(|number| number.as_i64());
    assert_eq!(counted, json!([[1, 90], [-1, -1], true, true, true, true]));

    site.app.recorder.service_uses.count(&call(api.id, 1, site.clock.now()));
    browser.goto(&format!("{}/my/api_key/services", site.url)).await;
    browser.shows("1 request in the last 90 days").await;
    assert_sound(&browser, "an API access key and where it is used").await;
    for width in [320, 540, 720, 960, 1600] {
        browser.goto(&token_page).await;
        browser.apply(Options { width, ..Options::desktop() }).await;
        browser.shows("most on").await;
        assert!(!browser.scrolls_sideways().await, "at {width} px");
    }
}

/// "Printed and without CSS, the page still reads in order."
#[rstest]
#[tokio::test]
async fn on_paper_the_picture_is_black(#[values(Sqlite, Postgres)] db: Db) {
    let site = Site::start(db).await;
    let alice = site.add_user("alice").await;
    let token = add(&site, &alice, "Deploy", "account:read", Expiry::Never).await;
    use_everywhere(&site, token.id);
    let browser = Browser::start(Options::desktop().dark()).await;
    sign_in(&browser, &site.url, "alice").await;
    browser.goto(&format!("{}/my/tokens/{}", site.url, token.id)).await;
    browser.shows("Use on services").await;
    browser.print_preview().await;
    let fill = "return getComputedStyle(document.querySelector('svg.uses')).fill";
    assert_eq!(browser.evaluate(fill).await, "rgb(0, 0, 0)");
}
