//! The page in a real browser, with scripts and without.

use devops_e2e::{TestEnv, wait_until};
use serde_json::json;

use super::{
    FakeHost, Server,
    browser::{Browser, Scripts},
};

const MEMORY: &str = "return document.querySelector('[data-text=memory]').textContent";
const MESSAGE: &str = "return document.getElementById('message').textContent";

#[test]
fn numbers_change_without_a_reload_and_nothing_leaves_the_origin() {
    let env = TestEnv::new();
    let Some(browser) = Browser::start(&env, Scripts::Run) else { return };
    let host = FakeHost::new(&env);
    let args = ["--root-path", &host.root, "--interval", "200ms", "--base-path", "/monitor"];
    let server = Server::start(&env, &args);

    browser.open(&server.url);
    browser.run("window.marked = true");
    assert_eq!(browser.run(MEMORY), "50.0%");
    host.set_memory_used(801);
    wait_until("the new number shows", || browser.run(MEMORY) == "80.1%");

    assert_eq!(browser.run("return window.marked"), true, "the page was loaded again");
    assert_eq!(browser.run(MESSAGE), "High CPU or Memory utilization detected!");
    let addresses = browser.run("return performance.getEntriesByType('resource').map(e => e.name)");
    let addresses = addresses.as_array().expect("a list");
    assert!(addresses.len() >= 2, "{addresses:?}");
    for address in addresses {
        let address = address.as_str().expect("an address");
        assert!(address.starts_with(&server.url), "a request left for {address}");
    }
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn a_disk_or_an_interface_that_comes_gets_its_row() {
    let env = TestEnv::new();
    let Some(browser) = Browser::start(&env, Scripts::Run) else { return };
    let host = FakeHost::new(&env);
    let server = Server::start(&env, &["--root-path", &host.root, "--interval", "200ms"]);
    let rows = "return document.querySelectorAll('[data-text^=network-]').length";

    browser.open(&server.url);
    assert_eq!(browser.run(rows), 1);
    let line = |name: &str| format!("{name}: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n");
    host.set("net/dev", &(line("eth0") + &line("wlan0")));

    wait_until("the new row shows", || browser.run(rows) == 2);
    assert_eq!(browser.complaints(), json!([]));
}

#[test]
fn the_page_can_be_paused_and_fits_a_narrow_window() {
    let env = TestEnv::new();
    let Some(browser) = Browser::start(&env, Scripts::Run) else { return };
    let server = Server::start(&env, &["--interval", "200ms"]);
    let connection = "return document.getElementById('connection').textContent";
    let is_wider = "return document.documentElement.scrollWidth > window.innerWidth";
    let clients = || server.get("/metrics").body.contains("\ndevops_monitor_sse_clients 1\n");

    browser.set_width(320);
    browser.open(&server.url);
    wait_until("the page is live", || browser.run(connection) == "Live");
    wait_until("the stream is counted", clients);
    assert_eq!(browser.run(is_wider), false);

    browser.run("document.getElementById('pause').click()");
    assert_eq!(browser.run(connection), "Paused");
    wait_until("the stream is closed", || !clients());
    browser.run("document.getElementById('pause').click()");
    wait_until("the page is live again", || browser.run(connection) == "Live");
}

#[test]
fn the_page_works_with_scripts_off() {
    let env = TestEnv::new();
    let Some(browser) = Browser::start(&env, Scripts::Blocked) else { return };
    let host = FakeHost::new(&env);
    let server = Server::start(&env, &["--root-path", &host.root, "--interval", "200ms"]);

    browser.open(&server.url);
    let html = browser.html();
    assert!(html.contains(">50.0%<"), "{html}");
    assert!(html.contains("id=\"pause\" type=\"button\" hidden"), "a script ran\n{html}");
    host.set_memory_used(801);

    wait_until("the page refreshes itself", || browser.html().contains(">80.1%<"));
    assert!(browser.html().contains("High CPU or Memory utilization detected!"));
}
