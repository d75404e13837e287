//! A headless Chromium, driven through chromedriver by the W3C `WebDriver` protocol.

use devops_e2e::{Running, TestEnv, outside};
use serde_json::{Value, json};

use super::client::Client;

/// Chromium in a container has no sandbox of its own, and should speak to nobody but us.
const FLAGS: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// What the browser does with scripts of the page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scripts {
    Run,
    Blocked,
}

/// A browser with one window.
pub(super) struct Browser {
    driver: Client,
    session: String,
    _process: Running,
}

impl Browser {
    /// Starts a browser with a profile of its own; none when there is none on this machine.
    pub(super) fn start(env: &TestEnv, scripts: Scripts) -> Option<Self> {
        let chromium = outside::program("chromium")?;
        let driver = outside::program("chromedriver")?;
        let mut command = env.program(driver);
        command.arg("--port=0");
        let mut process = Running::start(command);
        let line = process.wait_for("started successfully on port ");
        let port: String = line.chars().filter(char::is_ascii_digit).collect();
        let driver = Client::new(&format!("http://127.0.0.1:{port}/"));
        let mut args: Vec<String> = FLAGS.map(str::to_owned).into();
        args.push(format!("--user-data-dir={}", env.path("profile").display()));
        let prefs = match scripts {
            Scripts::Run => json!({}),
            Scripts::Blocked => json!({ "profile.managed_default_content_settings.javascript": 2 }),
        };
        let options = json!({ "binary": chromium, "args": args, "prefs": prefs });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let answer = call(&driver, "POST", "/session", &wanted);
        let id = answer["sessionId"].as_str().expect("a session has an id");
        let session = format!("/session/{id}");
        Some(Self { driver, session, _process: process })
    }

    pub(super) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Runs the body of a function in the page and returns what it returns.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Returns the page as HTML, as it is now.
    pub(super) fn html(&self) -> String {
        let path = format!("{}/source", self.session);
        let html = call(&self.driver, "GET", &path, &Value::Null);
        html.as_str().expect("a page is text").to_owned()
    }

    /// Returns what the browser complained about so far: violations of the policy, failed requests.
    pub(super) fn complaints(&self) -> Value {
        self.post("/se/log", &json!({ "type": "browser" }))
    }

    /// Makes the window as wide as a phone.
    pub(super) fn set_width(&self, pixels: u32) {
        let size =
            json!({ "width": pixels, "height": 640, "deviceScaleFactor": 1, "mobile": false });
        let command = json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size });
        self.post("/goog/cdp/execute", &command);
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        call(&self.driver, "POST", &format!("{}{path}", self.session), body)
    }
}

impl Drop for Browser {
    /// Ends Chromium too, which killing the driver would leave behind.
    fn drop(&mut self) {
        if self.driver.is_reachable() {
            self.driver.request("DELETE", &self.session, &[], "");
        }
    }
}

fn call(driver: &Client, method: &str, path: &str, body: &Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = driver.request(method, path, &[("Content-Type", "application/json")], &body);
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
    let mut value: Value = serde_json::from_str(&answer.body).expect("WebDriver speaks JSON");
    value["value"].take()
}
