//! The pages in a real browser, as people see them and get about in them.

mod audit;
mod checks;
mod every_key;
mod every_page;
mod groups;
mod keyboard;
mod leaked_keys;
mod looking_after_people;
mod mail;
mod main_job;
mod networks;
mod paper;
mod people;
mod plain_http;
mod screenshot;
mod service_accounts;
mod service_uses;
mod services;
mod suspended;
mod tokens;
mod widths;
mod without_javascript;

use crate::support::browser::Browser;
use crate::support::{PASSWORD, log};

/// Signs in from the sign-in page of the site at `url`; nothing is expected of where that leads.
async fn sign_in(browser: &Browser, url: &str, login: &str) {
    browser.goto(&format!("{url}/login")).await;
    browser.fill("Login", login).await;
    browser.fill("Password", PASSWORD).await;
    browser.click("Sign in").await;
    for cookie in browser.cookies().await {
        log::note_secret(&cookie);
    }
}

/// The secret that the page shows, the one time.
async fn new_secret(browser: &Browser) -> String {
    let secret = browser.value_of("Your new API access key").await;
    assert!(secret.starts_with("lk_"), "{secret:.6}");
    log::note_secret(&secret);
    secret
}

/// What is true of every page: axe finds nothing, the console has no error, and nothing is wider than the screen.
async fn assert_sound(browser: &Browser, page: &str) {
    assert_sound_but_for(browser, page, &[]).await;
}

/// The same of a page on whose way there were errors, each with one of `statuses`: those stand on the console too.
async fn assert_sound_but_for(browser: &Browser, page: &str, statuses: &[u16]) {
    let none: [String; 0] = [];
    assert_eq!(browser.axe_violations().await, none, "axe, {page}");
    assert!(!browser.scrolls_sideways().await, "{page} scrolls sideways");
    assert_console(browser, page, statuses).await;
}

/// The console has an error for each of `statuses`, and no other.
async fn assert_console(browser: &Browser, page: &str, statuses: &[u16]) {
    let errors = browser.console_errors().await;
    let expected = statuses.iter().map(|status| format!("responded with a status of {status} "));
    let as_expected =
        errors.len() == statuses.len() && errors.iter().zip(expected).all(|(it, text)| it.contains(&text));
    assert!(as_expected, "on the console, {page}: {errors:?}");
}
