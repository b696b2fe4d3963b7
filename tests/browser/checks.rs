//! Of the checks themselves: what they look for is noticed where it is.

use rstest::rstest;

use super::assert_console;
use crate::support::browser::{Browser, Options};
use crate::support::*;

#[rstest]
#[tokio::test]
async fn one_pixel_too_wide_is_noticed(#[values(320, 720, 1600)] width: u32) {
    let site = Site::start(Sqlite).await;
    let browser = Browser::start(Options { width, ..Options::desktop() }).await;
    browser.goto(&format!("{}/login", site.url)).await;
    for (pixels, scrolls) in [(width, false), (width + 1, true)] {
        browser.evaluate(&format!("document.body.style.minWidth = '{pixels}px'")).await;
        assert_eq!(browser.scrolls_sideways().await, scrolls, "{pixels} px on a screen of {width} px");
    }
}

#[rstest]
#[case::light(Options::desktop())]
#[case::dark(Options::phone().dark())]
#[tokio::test]
async fn axe_finds_faint_text_small_targets_and_headings_out_of_order(#[case] options: Options) {
    let site = Site::start(Sqlite).await;
    let browser = Browser::start(options).await;
    browser.goto(&format!("{}/login", site.url)).await;
    assert_eq!(browser.axe_violations().await, [""; 0]);
    let faults = "document.querySelector('main').insertAdjacentHTML('beforeend',
        `<h4>Out of order</h4><p id=faint>Faint</p><button id=small>S</button><button id=close>C</button>`);
        document.querySelector('#faint').style.color = '#777c';
        for (const button of document.querySelectorAll('#small, #close')) button.style.cssText = 'all: unset; width: 9px';";
    browser.evaluate(faults).await;
    let found = browser.axe_violations().await.join("\n");
    for rule in ["heading-order", "color-contrast at #faint", "target-size at #small"] {
        assert!(found.contains(rule), "{rule} is not among\n{found}");
    }
}

#[rstest]
#[tokio::test]
async fn the_console_tells_of_scripts_that_fail_and_of_inline_code() {
    let site = Site::start(Sqlite).await;
    let browser = Browser::start(Options::desktop()).await;
    browser.goto(&format!("{}/login", site.url)).await;
    assert_console(&browser, "sign in", &[]).await;
    let script = "const inline = document.createElement('script'); inline.textContent = 'window.ran = true';
                  document.head.append(inline); setTimeout(() => { throw new Error('out of luck') });
                  return new Promise(done => setTimeout(() => done(String(window.ran))))";
    assert_eq!(browser.evaluate(script).await, "undefined", "inline code ran");
    let errors = browser.console_errors().await.join("\n");
    assert!(errors.contains("Content Security Policy"), "{errors}");
    assert!(errors.contains("out of luck"), "{errors}");
}
