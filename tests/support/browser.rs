//! A person at a browser: Chromium's headless shell, driven by chromedriver over the W3C WebDriver protocol.
//!
//! The methods speak a person's words: labels, the text on buttons, what the page shows. Each waits
//! for what it needs and panics, saying what the page had instead, when that does not come.
//!
//! The protocol is plain JSON over HTTP, so it is spoken here with the `reqwest` that the tests have
//! anyway: a WebDriver crate costs a minute to build and switches on features of `serde_json` that
//! the product is built without.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fmt, fs};

use base64::prelude::{BASE64_STANDARD, Engine};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a person waits for something to appear before giving up: long, as the machine may be busy with other work.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host name that leads to 127.0.0.1 but that browsers do not take for this machine, so that over
/// plain http they give a page no clipboard and send no `Sec-Fetch-Site`.
pub const LAN_HOST: &str = "latchkey.test";

/// What is in front of the person: a screen and its settings.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// In CSS pixels, as is `height`.
    pub width: u32,
    pub height: u32,
    pub scheme: Scheme,
    pub javascript: JavaScript,
}

#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    Light,
    Dark,
}

#[derive(Clone, Copy, Debug)]
pub enum JavaScript {
    On,
    Off,
}

impl Options {
    pub fn desktop() -> Self {
        Self { width: 1280, height: 900, scheme: Scheme::Light, javascript: JavaScript::On }
    }

    pub fn phone() -> Self {
        Self { width: 360, height: 740, ..Self::desktop() }
    }

    pub fn dark(self) -> Self {
        Self { scheme: Scheme::Dark, ..self }
    }

    pub fn without_javascript(self) -> Self {
        Self { javascript: JavaScript::Off, ..self }
    }
}

/// One window, with a profile of its own. Both programs end when it is dropped.
pub struct Browser {
    http: reqwest::Client,
    driver: Driver,
    /// Path of the session within the driver, `/session/…`.
    session: String,
    profile: TempDir,
}

impl Browser {
    pub async fn start(options: Options) -> Self {
        let mut browser = Self {
            // Chromedriver listens on this machine only, whatever proxy the environment names.
            http: reqwest::Client::builder().no_proxy().build().expect("an HTTP client"),
            driver: Driver::start(),
            session: String::from("/session"),
            profile: tempfile::tempdir().expect("a directory for the browser's profile"),
        };
        let wanted = json!({ "capabilities": { "alwaysMatch": browser.capabilities() } });
        let session = browser.command(Method::POST, "", wanted).await;
        browser.session = format!("/session/{}", session["sessionId"].as_str().expect("the session's id"));
        browser.allow_the_clipboard().await;
        browser.apply(options).await;
        browser
    }

    fn capabilities(&self) -> Value {
        json!({
            // Chromedriver waits for ever for a shell that it takes for a whole Chromium.
            "browserName": "chrome-headless-shell",
            "goog:chromeOptions": {
                "binary": program("HEADLESS_SHELL", "/usr/bin/chromium-headless-shell"),
                "args": [
                    // Chromium's own sandbox does not work for root, as which CI runs; the pages are ours.
                    "--no-sandbox",
                    "--disable-gpu",
                    // The rest of the switches keep it from calling its maker.
                    "--disable-quic",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--disable-sync",
                    format!("--host-resolver-rules=MAP {LAN_HOST} 127.0.0.1"),
                    format!("--user-data-dir={}", self.profile.path().display()),
                ],
            },
            "goog:loggingPrefs": { "browser": "ALL" },
            // Milliseconds; scripts here limit themselves.
            "timeouts": { "script": 60_000, "pageLoad": 120_000 },
        })
    }

    /// Puts another screen, with other settings, in front of the person; the page stays.
    pub async fn apply(&self, Options { width, height, scheme, javascript }: Options) {
        // A window cannot be narrower than 500 px, but a screen can. Phones take the width from the
        // page's `<meta name="viewport">`, so that a page without one fails as it does for people.
        let screen = json!({
            "width": width, "height": height, "screenWidth": width, "screenHeight": height,
            "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", screen).await;

        let scheme = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        // Without motion, no picture or contrast is taken half-way from one colour to another.
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.devtools("Emulation.setEmulatedMedia", media).await;

        // The page's scripts only: those that chromedriver brings still run.
        let off = matches!(javascript, JavaScript::Off);
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": off })).await;
    }

    /// The shell has nobody to ask whether a page may write to the clipboard, or a test read it.
    async fn allow_the_clipboard(&self) {
        let permissions = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        self.devtools("Browser.grantPermissions", permissions).await;
    }

    /// Shows the page as it would be printed.
    pub async fn print_preview(&self) {
        self.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await;
    }

    /// How many sheets of A4 the page takes when it is printed, upright or in landscape.
    pub async fn sheets(&self, orientation: &str) -> usize {
        let paper = json!({ "orientation": orientation, "page": { "width": 21.0, "height": 29.7 } });
        let pdf = text_of(self.command(Method::POST, "/print", paper).await);
        let pdf = BASE64_STANDARD.decode(pdf).expect("base64");
        let count = |word: &[u8]| pdf.windows(word.len()).filter(|part| *part == word).count();
        // Each sheet is an object of the type Page, and all of them hang on one of the type Pages.
        count(b"/Type /Page") - count(b"/Type /Pages")
    }

    /// Opens a page and waits until it has loaded.
    pub async fn goto(&self, url: &str) {
        self.command(Method::POST, "/url", json!({ "url": url })).await;
    }

    /// The address of the page.
    pub async fn url(&self) -> String {
        text_of(self.command(Method::GET, "/url", Value::Null).await)
    }

    /// Replaces what is in the field that the label names.
    pub async fn fill(&self, label: &str, text: &str) {
        let field = self.find(&FIELDS, label).await;
        self.command(Method::POST, &format!("/element/{field}/clear"), json!({})).await;
        self.command(Method::POST, &format!("/element/{field}/value"), json!({ "text": text })).await;
    }

    /// What is in the field that the label names.
    pub async fn value_of(&self, label: &str) -> String {
        let field = self.find(&FIELDS, label).await;
        text_of(self.command(Method::GET, &format!("/element/{field}/property/value"), Value::Null).await)
    }

    /// Clicks the button, link, checkbox or summary of that name, and waits for the page it leads to.
    pub async fn click(&self, name: &str) {
        let button = self.find(&BUTTONS, name).await;
        // Chromedriver itself waits only for pages that are under way when it looks, and forms set out later.
        let reference = json!({ ELEMENT: button });
        let leads_away = json!({ "script": LEADS_AWAY, "args": [reference] });
        let leads_away = self.command(Method::POST, "/execute/sync", leads_away).await;
        self.command(Method::POST, &format!("/element/{button}/click"), json!({})).await;
        if let Some(from) = leads_away.as_f64() {
            let arrived = "performance.timeOrigin !== args[0] && document.readyState === 'complete'";
            if self.wait_for(arrived, json!([from])).await.is_none() {
                panic!("{name:?} leads nowhere. The page still shows:\n{}", self.text().await);
            }
        }
    }

    /// Whether a button or link of that name is to be seen at this moment.
    pub async fn offers(&self, name: &str) -> bool {
        self.names(&BUTTONS).await.iter().any(|offered| offered == name)
    }

    /// All that can be read on the page, runs of white space made one space.
    pub async fn text(&self) -> String {
        text_of(self.evaluate("return page_text()").await)
    }

    /// Waits until the page shows the text.
    pub async fn shows(&self, text: &str) {
        if self.wait_for("page_text().includes(args[0])", json!([text])).await.is_none() {
            panic!("the page does not show {text:?}. It shows:\n{}", self.text().await);
        }
    }

    /// Whether something on the page is wider than the screen, or than what a scroll bar leaves of it.
    pub async fn scrolls_sideways(&self) -> bool {
        let script = "const page = document.documentElement;
                      return page.scrollWidth > Math.min(page.clientWidth, screen.width)";
        self.evaluate(script).await == json!(true)
    }

    /// Presses and releases a key (`Tab`, `Enter`, `a`), with others held if named: `Shift+Tab`.
    pub async fn press(&self, keys: &str) {
        // Chromium drops the keys that are pressed before a page was painted first.
        let is_painted = "performance.getEntriesByName('first-paint').length > 0";
        assert!(self.wait_for(is_painted, json!([])).await.is_some(), "the page is not painted for {keys:?}");
        let codes: Vec<char> = keys.split('+').map(key).collect();
        let down = codes.iter().map(|code| json!({ "type": "keyDown", "value": code }));
        let up = codes.iter().rev().map(|code| json!({ "type": "keyUp", "value": code }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": down.chain(up).collect::<Vec<_>>() });
        self.command(Method::POST, "/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Presses the keys of a text, one after the other, once a field has the focus: a page that has loaded may not have
    /// moved it yet.
    pub async fn type_text(&self, text: &str) {
        self.focus_is_in("input, textarea, select").await;
        for letter in text.chars() {
            self.press(&letter.to_string()).await;
        }
    }

    /// Waits until an element that the selector names has the focus. Chromium moves it some time after the page was shown
    /// or a link within the page was followed, and keys that are pressed until then go to where it was.
    pub async fn focus_is_in(&self, css: &str) {
        if self.wait_for("document.activeElement.matches(args[0])", json!([css])).await.is_none() {
            panic!("the focus is not in {css:?} but on {:?}", self.active_element_label().await);
        }
    }

    /// Waits until the element that a screen reader calls so has the focus.
    pub async fn focus_is_on(&self, label: &str) {
        let deadline = Instant::now() + PATIENCE;
        let mut found = self.active_element_label().await;
        while found != label {
            assert!(Instant::now() < deadline, "the focus is not on {label:?} but on {found:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            found = self.active_element_label().await;
        }
    }

    /// What a screen reader calls the element that has the focus.
    pub async fn active_element_label(&self) -> String {
        let active = element_id(&self.command(Method::GET, "/element/active", Value::Null).await);
        text_of(self.command(Method::GET, &format!("/element/{active}/computedlabel"), Value::Null).await)
    }

    /// The values of the cookies that go with the page.
    pub async fn cookies(&self) -> Vec<String> {
        let cookies = list_of(self.command(Method::GET, "/cookie", Value::Null).await);
        cookies.into_iter().map(|mut cookie| text_of(cookie["value"].take())).collect()
    }

    /// What the clipboard holds. The page must be one that browsers give a clipboard: https or loopback.
    pub async fn clipboard(&self) -> String {
        text_of(self.evaluate("return navigator.clipboard.readText()").await)
    }

    /// The errors on the console since the last call: scripts that failed, what the content security
    /// policy stopped, and every response with a status of 400 or more, the page itself included.
    pub async fn console_errors(&self) -> Vec<String> {
        let log = self.command(Method::POST, "/se/log", json!({ "type": "browser" })).await;
        let errors = list_of(log).into_iter().filter(|entry| entry["level"] == "SEVERE");
        errors.map(|mut error| text_of(error["message"].take())).collect()
    }

    /// What axe-core finds wrong with the page, a line for each rule and element.
    pub async fn axe_violations(&self) -> Vec<String> {
        let path = env::var("AXE_JS").expect("AXE_JS to name the axe.min.js that bin/test fetches");
        let axe = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let lines = self.evaluate(&format!("{axe};\n{AXE_LINES}")).await;
        list_of(lines).into_iter().map(text_of).collect()
    }

    /// Writes what is on the screen to a PNG file.
    pub async fn screenshot(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let png = text_of(self.command(Method::GET, "/screenshot", Value::Null).await);
        let png = BASE64_STANDARD.decode(png).expect("a screenshot in base64");
        fs::write(path, png).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// What a script's `return` gives, in the page; a promise is waited for.
    pub async fn evaluate(&self, script: &str) -> Value {
        let body = json!({ "script": format!("{READING}\n{script}"), "args": [] });
        self.command(Method::POST, "/execute/sync", body).await
    }

    /// The one visible element of a kind with that name, as soon as there is one.
    async fn find(&self, kind: &Kind, wanted: &str) -> String {
        let look = "visible(args[0]).filter(e => name(e) === args[1])";
        let found = self.wait_for(look, json!([kind.css, wanted])).await.map(list_of);
        match found.as_deref() {
            Some([one]) => element_id(one),
            Some(several) => panic!("the page has {} {}s named {wanted:?}", several.len(), kind.what),
            None => panic!("the page has no {} named {wanted:?}, only {:?}", kind.what, self.names(kind).await),
        }
    }

    async fn names(&self, kind: &Kind) -> Vec<String> {
        let names = self.evaluate(&format!("return visible({}).map(name)", json!(kind.css))).await;
        list_of(names).into_iter().map(text_of).collect()
    }

    /// What the expression gives once that is neither false nor empty; `None` when patience ends.
    ///
    /// Asked again and again from outside, because with JavaScript off a page has no timers and no
    /// observers to wait with.
    async fn wait_for(&self, expression: &str, args: Value) -> Option<Value> {
        let body = json!({ "script": format!("{READING}\nconst args = arguments; return {expression}"), "args": args });
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.try_command(Method::POST, "/execute/sync", &body).await {
                Ok(Value::Bool(false)) => {}
                Ok(Value::Array(nothing)) if nothing.is_empty() => {}
                Ok(found) => return Some(found),
                Err(refusal) if refusal.page_went_away() => {}
                Err(refusal) => panic!("the browser: {refusal}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }

    /// A command of the DevTools protocol, for what WebDriver has no word for.
    async fn devtools(&self, command: &str, params: Value) -> Value {
        self.command(Method::POST, "/goog/cdp/execute", json!({ "cmd": command, "params": params })).await
    }

    async fn command(&self, method: Method, path: &str, body: Value) -> Value {
        let result = self.try_command(method, path, &body).await;
        // Cut short: axe alone is half a megabyte.
        result.unwrap_or_else(|refusal| panic!("the browser: {path} {:.200}: {refusal}", body.to_string()))
    }

    /// One WebDriver command: <https://www.w3.org/TR/webdriver2/#endpoints>.
    async fn try_command(&self, method: Method, path: &str, body: &Value) -> Result<Value, Refusal> {
        let url = format!("http://127.0.0.1:{}{}{path}", self.driver.port, self.session);
        let request = self.http.request(method.clone(), url);
        let request = if method == Method::POST { request.json(body) } else { request };
        let response = request.send().await.expect("an answer from chromedriver");
        let succeeded = response.status().is_success();
        let mut answer: Value = response.json().await.expect("JSON from chromedriver");
        let value = answer["value"].take();
        if succeeded { Ok(value) } else { Err(Refusal(value)) }
    }
}

impl Drop for Browser {
    /// Chromedriver, killed, would leave its Chromium behind, so it is asked to close it first; by
    /// hand, because nothing can be awaited here.
    fn drop(&mut self) {
        if let Ok(mut connection) = TcpStream::connect(("127.0.0.1", self.driver.port)) {
            let _ = connection.set_read_timeout(Some(PATIENCE));
            let _ = write!(connection, "DELETE {} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", self.session);
            let _ = connection.read(&mut [0; 1]);
        }
    }
}

/// A chromedriver on a port of its own choice.
struct Driver {
    process: Child,
    port: u16,
    /// Held open: the driver would die of a closed pipe at its next line.
    _output: BufReader<ChildStdout>,
}

impl Driver {
    /// It takes a port that is free for IPv6 and then wants the same for IPv4, where a test beside this one may have
    /// it: then it ends, and another is started.
    fn start() -> Self {
        let mut last_words = String::new();
        for _ in 0..10 {
            match Self::try_start() {
                Ok(driver) => return driver,
                Err(said) if said.contains("port not available") => last_words = said,
                Err(said) => panic!("chromedriver ended without naming its port:\n{said}"),
            }
        }
        panic!("chromedriver finds no port:\n{last_words}");
    }

    /// A driver, or what it said before it ended.
    fn try_start() -> Result<Self, String> {
        let path = program("CHROMEDRIVER", "/usr/bin/chromedriver");
        let mut process = Command::new(&path)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{path}: {error}; bin/test installs it"));
        let mut output = BufReader::new(process.stdout.take().expect("the driver's output, piped"));
        match announced_port(&mut output) {
            Ok(port) => Ok(Self { process, port, _output: output }),
            Err(said) => {
                let _ = process.wait();
                Err(said)
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads up to "ChromeDriver was started successfully on port 38143."; if that does not come, gives what did.
fn announced_port(output: &mut impl BufRead) -> Result<u16, String> {
    let mut said = String::new();
    while output.read_line(&mut said).expect("to read what chromedriver says") > 0 {
        let port = said.rsplit_once("successfully on port ").map(|(_, port)| port.trim_end().trim_end_matches('.'));
        if let Some(port) = port {
            return Ok(port.parse().unwrap_or_else(|_| panic!("chromedriver named the port {port:?}")));
        }
    }
    Err(said)
}

/// An error as the protocol gives it: a code, a message and a stack trace that helps nobody.
#[derive(Debug)]
struct Refusal(Value);

impl Refusal {
    /// Another page took the place of the one that a script was waiting in.
    fn page_went_away(&self) -> bool {
        let message = self.0["message"].as_str().unwrap_or_default();
        ["navigat", "unload", "context", "detached"].iter().any(|word| message.contains(word))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.0["error"], self.0["message"])
    }
}

/// A kind of element that a person looks for by name.
struct Kind {
    what: &'static str,
    css: &'static str,
}

const FIELDS: Kind = Kind {
    what: "field",
    css: "input:not([type=hidden], [type=submit], [type=button], [type=checkbox], [type=radio]), select, textarea",
};

const BUTTONS: Kind = Kind {
    what: "button or link",
    css: "button, a[href], summary, input:is([type=submit], [type=button], [type=checkbox], [type=radio])",
};

/// How the scripts here read a page. A name is what people see or hear: an `aria-label`, a label, or
/// the text itself, as it is written and not as CSS transforms it.
const READING: &str = r"
    const tidy = text => text.replace(/\s+/g, ' ').trim();
    const page_text = () => tidy(document.body?.innerText ?? '');
    const visible = css => [...document.querySelectorAll(css)].filter(e => e.checkVisibility({ visibilityProperty: true }));
    const label = e => e.getAttribute('aria-label') || [...e.labels ?? []].map(l => l.textContent).join(' ');
    const name = e => tidy(label(e) || (e.matches('input') ? e.value : e.textContent));
";

/// When the page was opened, if a click on the element opens another; else nothing.
const LEADS_AWAY: &str = r"
    const [e] = arguments;
    const away = e.matches('a[href]') ? e.href.split('#')[0] !== location.href.split('#')[0] || !e.hash
        : e.type === 'submit' && e.form !== null;
    return away ? performance.timeOrigin : null;
";

/// Runs axe, with its rule of targets of 24 px too, and makes a line of each finding.
const AXE_LINES: &str = r"
    const line = (rule, node) => `${rule.impact} ${rule.id} at ${node.target.join(' ')}: ${tidy(node.failureSummary)}`;
    return axe.run({ rules: { 'target-size': { enabled: true } } }).then(report => report.violations.flatMap(rule => rule.nodes.map(node => line(rule, node))));
";

/// The protocol's code for a key: <https://www.w3.org/TR/webdriver2/#keyboard-actions>.
fn key(name: &str) -> char {
    match name {
        "Tab" => '\u{E004}',
        "Enter" => '\u{E007}',
        "Shift" => '\u{E008}',
        "Control" => '\u{E009}',
        "Escape" => '\u{E00C}',
        "Down" => '\u{E015}',
        "Space" => ' ',
        letter => letter.parse().unwrap_or_else(|_| panic!("{letter:?} is no key in tests/support/browser.rs")),
    }
}

fn program(variable: &str, default: &str) -> String {
    env::var(variable).unwrap_or_else(|_| default.to_owned())
}

/// The key under which the protocol wraps the reference to an element in an object:
/// <https://www.w3.org/TR/webdriver2/#elements>.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

fn element_id(reference: &Value) -> String {
    text_of(reference[ELEMENT].clone())
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => panic!("the browser gave {other} where text was expected"),
    }
}

fn list_of(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => panic!("the browser gave {other} where a list was expected"),
    }
}
