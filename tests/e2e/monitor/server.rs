//! `serve`: routes, headers, doors, signals.

use std::time::{Duration, Instant};

use devops_e2e::{TestEnv, finish, outside, wait_until};
use rustix::process::Signal;

use serde_json::Value;

use super::{
    AUTH_FILE, FakeHost, Server,
    client::{Answer, Events},
};

const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                   img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[test]
fn the_page_holds_the_numbers_and_the_strict_headers() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);
    let server = Server::start(&env, &["--root-path", &host.root]);

    let page = server.get("/");

    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("content-security-policy"), Some(CSP));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    assert_eq!(page.header("access-control-allow-origin"), None);
    for text in [
        "CPU Utilization:",
        "Memory Utilization:",
        ">50.0%<",
        "System status is normal.",
        "fake-host",
        "2d 2h",
        "<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>",
    ] {
        assert!(page.body.contains(text), "no `{text}` in\n{}", page.body);
    }
}

#[test]
fn head_is_answered_wherever_get_is_and_nothing_else_is() {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    wait_until("the server is ready", || server.get("/readyz").status == 200);

    for path in [
        "/",
        "/events",
        "/api/v1/status",
        "/metrics",
        "/healthz",
        "/readyz",
        "/assets/monitor.js",
        "/assets/monitor.css",
        "/assets/icon.svg",
    ] {
        let head = server.client.head(path);
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert!(head.header("content-type").is_some(), "{path}");
        assert!(head.header("content-security-policy").is_some(), "{path}");

        let post = server.client.request("POST", path, &[], "x");
        assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    let missing = server.get("/nothing");
    assert_eq!(missing.status, 404);
    assert!(missing.header("content-security-policy").is_some());
}

#[test]
fn an_asset_that_is_known_is_not_sent_again() {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);

    let first = server.get("/assets/monitor.js");
    let etag = first.header("etag").expect("an asset has a tag");
    let again = server.client.get("/assets/monitor.js", &[("If-None-Match", etag)]);

    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert!(!first.body.is_empty());
}

#[test]
fn the_cpu_is_judged_at_80_0_and_80_1_percent() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);
    let server = Server::start(&env, &["--root-path", &host.root, "--interval", "100ms"]);
    let mut events = server.client.events();

    let at = sample_while_spending(&host, &mut events, (800, 200));
    let above = sample_while_spending(&host, &mut events, (801, 199));

    assert_eq!(at["cpu"]["percent"], 80.0);
    assert_eq!((&at["message"], &at["high"]), (&"System status is normal.".into(), &false.into()));
    assert_eq!(above["cpu"]["percent"], 80.1);
    assert_eq!(above["message"], "High CPU or Memory utilization detected!");
    assert_eq!(above["high"], true);
    assert_eq!(above["cpu"]["per_core"][0]["percent"], 80.1);
}

/// Lets the processor spend its time in this proportion until a sample shows it.
fn sample_while_spending(host: &FakeHost, events: &mut Events, ticks: (u64, u64)) -> Value {
    let is_known = |sample: &Value| !sample["cpu"]["percent"].is_null();
    samples_of_all_spent(host, events);
    loop {
        host.spend_cpu(ticks.0, ticks.1);
        // A client that reads slowly misses samples, be it this one.
        if let Some(sample) = samples_of_all_spent(host, events).into_iter().find(is_known) {
            return sample;
        }
    }
}

/// Reads samples until those to come show nothing of what was spent so far.
fn samples_of_all_spent(host: &FakeHost, events: &mut Events) -> Vec<Value> {
    let load = f64::from(u32::try_from(host.ticks.get().0).unwrap());
    host.set("loadavg", &format!("{load:.1} 0.25 0.10 1/2 3\n"));
    let mut samples = vec![events.sample()];
    while samples.last().is_some_and(|sample| sample["load"]["one"] != load) {
        samples.push(events.sample());
    }
    // A reading begins with the ticks: those of that one may have been read before the last were spent.
    samples.push(events.sample());
    samples
}

#[test]
fn the_status_has_the_fields_of_the_contract() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);
    let server = Server::start(&env, &["--root-path", &host.root]);
    wait_until("the disk has answered", || server.status()["disks"][0]["percent"].is_f64());

    let status = server.status();

    assert_eq!(status["host"], "fake-host");
    assert_eq!(status["memory"]["percent"], 50.0);
    assert_eq!(status["memory"]["total_bytes"], 1_024_000);
    assert_eq!(status["memory"]["used_bytes"], 512_000);
    assert_eq!(status["boot_time"], "2023-11-14T22:13:20Z");
    assert_eq!(status["load"]["one"], 0.5);
    assert_eq!(status["network"][0]["interface"], "eth0");
    assert_eq!(status["disks"][0]["device"], "/dev/sda1");
    assert!(status["disks"][0]["percent"].is_f64());
    assert!(status["cpu"]["definition"].is_string());
    assert!(status["time"].as_str().is_some_and(|time| time.ends_with('Z')));
}

#[test]
fn events_say_how_to_be_passed_on_and_count_up() {
    let env = TestEnv::new();
    let server = Server::start(&env, &["--interval", "100ms"]);

    let mut events = server.client.events();
    let header = |name: &str| {
        let found = events.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
    assert_eq!(header("x-accel-buffering").as_deref(), Some("no"));
    assert_eq!(header("content-encoding").as_deref(), Some("identity"));
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    assert!(events.next("retry: ").is_some());
    let mut id = || {
        let id = events.next("id: ").expect("the stream goes on");
        let (run, number) = id.split_once('-').expect("run and number");
        (run.to_owned(), number.parse::<u64>().expect("a number"))
    };
    let (first, second) = (id(), id());
    assert_eq!(first.0, second.0);
    assert!(first.1 < second.1);
}

#[test]
fn foreign_host_names_are_misdirected() {
    let env = TestEnv::new();
    let server = Server::start(&env, &["--allow-host", "status.example.org"]);
    let with_host = |host: &str| server.client.get("/healthz", &[("Host", host)]).status;

    assert_eq!(with_host("localhost:5000"), 200);
    assert_eq!(with_host("192.0.2.1"), 200);
    assert_eq!(with_host("[::1]:5000"), 200);
    assert_eq!(with_host("Status.Example.Org"), 200);
    assert_eq!(with_host("evil.example"), 421);
    assert_eq!(with_host("127.0.0.1.evil.example"), 421);
    assert_eq!(with_host(""), 421);
}

#[test]
fn an_auth_file_closes_everything_but_health_and_readiness() {
    let env = TestEnv::new();
    env.write("logins", AUTH_FILE);
    let server = Server::start(&env, &["--auth-file", "logins"]);
    let with = |login: &str| server.client.get("/", &[("Authorization", login)]).status;
    wait_until("the server is ready", || server.get("/readyz").status == 200);

    for path in ["/", "/events", "/api/v1/status", "/metrics", "/assets/monitor.js", "/nothing"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").is_some_and(|way| way.starts_with("Basic ")));
    }
    assert_eq!(server.get("/healthz").status, 200);
    // ann:secret, ann:wrong
    assert_eq!(with("Basic YW5uOnNlY3JldA=="), 200);
    assert_eq!(with("Basic YW5uOndyb25n"), 401);
    assert_eq!(with("Bearer t0ken"), 200);
    assert_eq!(with("Bearer secret"), 401);
}

#[test]
fn guesses_do_not_queue_without_end_and_keep_no_known_login_waiting() {
    let env = TestEnv::new();
    // No password fits, and finding that out takes a second or so.
    let slow = format!("ann:$2y$14${}", ".".repeat(53));
    env.write("logins", slow + "\ntoken:t0ken\n");
    let server = Server::start(&env, &["--auth-file", "logins"]);
    // ann:wrong
    let guess = [("Authorization", "Basic YW5uOndyb25n")];

    // More than the queue holds, even if some are answered before the last is sent.
    let guesses: Vec<_> = (0..200).map(|_| server.client.send("GET", "/", &guess, "")).collect();
    let mut answers = guesses.into_iter().rev().map(Answer::read);
    let answer = answers.find(|answer| answer.status == 503).expect("the queue is full");

    assert!(answer.header("retry-after").is_some_and(|after| after.parse::<u32>().is_ok()));
    assert_eq!(server.client.get("/", &[("Authorization", "Bearer t0ken")]).status, 200);
}

#[test]
fn an_auth_file_that_means_nothing_is_named_with_its_line() {
    let env = TestEnv::new();
    env.write("logins", "# people\nann:plain\n");

    let run =
        env.run("devops-monitor", ["serve", "--bind", "127.0.0.1:0", "--auth-file", "logins"]);

    run.expect_code(78);
    assert!(run.stderr.contains("line 2"), "{}", run.stderr);
    assert!(!run.stderr.contains("plain"), "a secret is never shown: {}", run.stderr);
}

#[test]
fn an_address_beyond_loopback_needs_a_login_or_consent() {
    let env = TestEnv::new();

    let refused = env.run("devops-monitor", ["serve", "--bind", "0.0.0.0:0"]);
    refused.expect_code(2);
    assert!(refused.stderr.contains("--auth-file"), "{}", refused.stderr);

    let mut open =
        env.start("devops-monitor", ["serve", "--bind", "0.0.0.0:0", "--allow-anonymous"]);
    open.wait_for("listening on ");
    open.signal(Signal::TERM);
    open.finish().expect_code(0);
}

#[test]
fn a_base_path_holds_everything_and_leads_to_the_page() {
    let env = TestEnv::new();
    let server = Server::start(&env, &["--base-path", "/ops/monitor/"]);
    assert!(server.url.ends_with("/ops/monitor/"), "{}", server.url);

    let redirect = server.get("");
    assert_eq!((redirect.status, redirect.header("location")), (308, Some("monitor/")));
    assert_eq!(server.get("/").status, 200);
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.get("/assets/monitor.css").status, 200);

    let root = super::Client::new(&server.url.replace("ops/monitor/", ""));
    assert_eq!(root.get("/", &[]).status, 404);
    assert_eq!(root.get("/healthz", &[]).status, 404);
}

#[test]
fn a_port_in_use_is_a_clear_error() {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    let address = server.url.trim_start_matches("http://").trim_end_matches('/');

    let run = env.run("devops-monitor", ["serve", "--bind", address]);

    run.expect_code(1);
    assert!(run.stderr.contains(&format!("cannot listen on `{address}`")), "{}", run.stderr);
    assert!(run.stderr.contains("--bind"), "{}", run.stderr);
}

#[test]
fn a_root_without_a_host_and_bad_intervals_are_refused() {
    let env = TestEnv::new();

    finish(env.tool("devops-monitor").args(["serve", "--root-path"]).arg(env.path("missing")))
        .expect_code(5);
    env.run("devops-monitor", ["serve", "--interval", "1ms"]).expect_code(2);
    env.run("devops-monitor", ["serve", "--interval", "2h"]).expect_code(2);
    env.run("devops-monitor", ["serve", "--base-path", "monitor"]).expect_code(2);
    env.run("devops-monitor", ["serve", "--bind", "nowhere"]).expect_code(2);
}

/// Signals a server with open streams, and returns whether each stream came to its proper end.
fn ends_streams_in_order(signal: Signal) -> bool {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    let mut streams: Vec<_> = (0..8).map(|_| server.client.events()).collect();
    for stream in &mut streams {
        stream.sample();
    }

    let started = Instant::now();
    server.running.signal(signal);
    let rests: Vec<String> = streams.into_iter().map(Events::rest).collect();
    let run = server.running.finish();

    run.expect_code(0);
    // It takes a tenth of a second; the rest is room for a busy machine.
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    rests.iter().all(|rest| rest.ends_with("\r\n0\r\n\r\n"))
}

#[test]
fn a_signal_ends_open_streams_in_order_and_the_server_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        // The server has under a second for it, which it may spend waiting for a processor.
        assert!((0..5).any(|_| ends_streams_in_order(signal)), "{signal:?}: a stream was cut");
    }
}

#[test]
fn json_names_the_address_on_stdout() {
    let env = TestEnv::new();
    let mut running = env.start("devops-monitor", ["serve", "--bind", "127.0.0.1:0", "--json"]);
    let line = running.wait_for("listening");
    running.signal(Signal::TERM);
    let run = running.finish();

    let event: Value = serde_json::from_str(&line).expect("the line is JSON");
    run.expect_code(0);
    assert_eq!(event["type"], "listening");
    assert!(event["url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:")));
    assert_eq!(run.stderr, "");
}

#[test]
fn metrics_speak_the_dialect_that_is_asked_for() {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

    let text = server.get("/metrics");
    let open = server.client.get("/metrics", &[("Accept", accept)]);

    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(text.body.contains("# TYPE node_cpu_seconds_total counter\n"));
    assert!(!text.body.contains("# EOF"));
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.body.contains("# TYPE node_cpu_seconds counter\n"));
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn promtool_finds_nothing_but_the_names_node_exporter_has_too() {
    let Some(promtool) = outside::program("promtool") else { return };
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    wait_until("the server is ready", || server.get("/readyz").status == 200);
    let metrics = env.write("metrics", server.get("/metrics").body);

    let mut command = env.program(promtool);
    command.args(["check", "metrics"]);
    command.stdin(std::fs::File::open(metrics).expect("the metrics were written"));
    let run = finish(&mut command);

    // Its own check filters the same: the kernel's names of memory fields are not snake_case.
    let ours = |line: &&str| !line.is_empty() && !line.starts_with("node_memory_");
    let found: Vec<_> = run.stdout.lines().chain(run.stderr.lines()).filter(ours).collect();
    assert_eq!(found, [""; 0]);
    assert!([0, 3].contains(&run.code), "promtool failed: {run:?}");
}
