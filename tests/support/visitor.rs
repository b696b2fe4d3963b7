//! Somebody at a browser, as far as HTTP goes: cookies are kept, forms are sent with what stands in them.

use std::net::IpAddr;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, redirect};

use super::{Answer, log};

/// A browser with cookies of its own, which follows no redirect by itself.
pub struct Visitor {
    pub url: String,
    http: reqwest::Client,
}

/// A page as it came.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub html: String,
}

impl Page {
    /// What a person reads: the text without the markup, each run of white space one space.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut inside = false;
        for c in self.html.chars() {
            match c {
                '<' => (inside, text) = (true, text + " "),
                '>' => inside = false,
                c if !inside => text.push(c),
                _ => {}
            }
        }
        unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ").replace(" .", ".").replace(" ,", ",")
    }

    pub fn shows(&self, wanted: &str) -> bool {
        self.text().contains(wanted)
    }

    /// The value of the input named so, unescaped.
    pub fn value_of(&self, name: &str) -> String {
        let input = self.html.split("<input").find(|input| input.contains(&format!("name=\"{name}\"")));
        let input = input.unwrap_or_else(|| panic!("no input {name} in {}", self.html));
        let value = input.split_once("value=\"").and_then(|(_, rest)| rest.split_once('"')).map_or("", |it| it.0);
        unescaped(value)
    }

    /// The secret that is shown, the one time.
    pub fn secret(&self) -> String {
        let shown = self.html.split("id=\"secret\"").nth(1).and_then(|it| it.split_once("value=\""));
        let secret = shown.and_then(|(_, rest)| rest.split_once('"')).map(|(secret, _)| secret.to_owned());
        let secret = secret.unwrap_or_else(|| panic!("no secret in {}", self.html));
        log::note_secret(&secret);
        secret
    }

    /// Where it sends the browser.
    pub fn location(&self) -> &str {
        self.header("Location").unwrap_or_else(|| panic!("no Location, status {}: {}", self.status, self.text()))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("a header in ASCII"))
    }
}

impl Visitor {
    pub fn new(url: &str) -> Self {
        Self::connecting(url, None)
    }

    /// On another machine, whose address is `address`.
    pub fn at(url: &str, address: IpAddr) -> Self {
        Self::connecting(url, Some(address))
    }

    fn connecting(url: &str, from: Option<IpAddr>) -> Self {
        let http = reqwest::Client::builder()
            .local_address(from)
            .no_proxy()
            .cookie_store(true)
            .user_agent("Test Browser/1.0")
            .redirect(redirect::Policy::none())
            .build()
            .expect("an HTTP client");
        Self { url: url.to_owned(), http }
    }

    /// A request with the cookies, to which the test adds what it wants.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Page {
        page(self.request(Method::GET, path)).await
    }

    /// Sends a form from a page of ours, as browsers do it over https and on loopback.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        page(self.request(Method::POST, path).header("Sec-Fetch-Site", "same-origin").form(fields)).await
    }

    pub async fn sign_in(&self, login: &str, password: &str) {
        let answer = self.try_sign_in(login, password).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
    }

    pub async fn try_sign_in(&self, login: &str, password: &str) -> Page {
        log::note_secret(password);
        self.post("/login", &[("username", login), ("password", password)]).await
    }

    /// Whether *My account* is to be seen.
    pub async fn is_signed_in(&self) -> bool {
        self.get("/my/account").await.status == 200
    }

    /// Makes the key at `path`, or replaces the one whose id is `replaces`; gives its secret.
    pub async fn make_key(&self, path: &str, replaces: &str) -> String {
        let made = self.post(path, &[("replaces", replaces)]).await;
        assert_eq!(made.status, 200, "{}", made.text());
        made.secret()
    }
}

/// The page that a request gives.
pub async fn page(request: RequestBuilder) -> Page {
    let Answer { status, headers, text } = Answer::of(request).await;
    for cookie in headers.get_all("Set-Cookie").iter().filter_map(|cookie| cookie.to_str().ok()) {
        let value = cookie.split(';').next().and_then(|it| it.split_once('=')).map_or("", |(_, value)| value);
        log::note_secret(value);
    }
    Page { status, headers, html: text }
}

pub fn unescaped(text: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<")];
    let all = named.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
    // The ampersand last, and once: what is written of it was escaped itself.
    all.replace("&#62;", ">").replace("&amp;", "&").replace("&#38;", "&")
}
