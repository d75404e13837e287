//! `check`, `sample`, `health`.

use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
    time::Duration,
};

use devops_e2e::{Refusing, TestEnv, finish, wait_until};
use rustix::process::Signal;
use serde_json::Value;

use super::{FakeHost, Server};

#[test]
fn check_is_0_at_80_0_and_10_at_80_1_percent() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);
    let check =
        || env.run("devops-monitor", ["check", "--memory", "80", "--root-path", &host.root]);

    host.set_memory_used(800);
    let at = check();
    host.set_memory_used(801);
    let above = check();

    at.expect_code(0);
    assert_eq!(at.stdout, "System status is normal. memory 80.0% (limit 80%)\n");
    above.expect_code(10);
    assert_eq!(above.stdout, "High CPU or Memory utilization detected! memory 80.1% (above 80%)\n");
}

#[test]
fn check_without_limits_looks_at_the_cpu_and_memory_of_this_host() {
    let env = TestEnv::new();

    let run = env.run("devops-monitor", ["check", "--json"]);

    let report: Value = serde_json::from_str(&run.stdout).expect("one JSON object");
    assert_eq!(report["type"], "check");
    assert_eq!(report["measures"][0]["name"], "cpu");
    assert_eq!(report["measures"][1]["name"], "memory");
    assert_eq!(report["measures"][1]["warn"], 80.0);
    assert_eq!(run.code, if report["level"] == "ok" { 0 } else { 10 });
}

#[test]
fn nagios_gets_its_own_codes_and_performance_data() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);
    let check = |limits: &str| {
        let args = ["check", "--nagios", "--memory", limits, "--root-path", &host.root];
        env.run("devops-monitor", args)
    };

    let fine = check("50,90");
    let warning = check("49.9,90");
    let critical = check("40,49.9");
    let mut missing = env.tool("devops-monitor");
    missing.args(["check", "--nagios", "--memory", "80", "--root-path"]).arg(env.path("missing"));
    let unknown = finish(&mut missing);

    fine.expect_code(0);
    assert_eq!(fine.stdout, "MONITOR OK - memory 50.0% | memory=50.0%;50;90;0;100\n");
    warning.expect_code(1);
    assert!(warning.stdout.starts_with("MONITOR WARNING - "), "{}", warning.stdout);
    critical.expect_code(2);
    assert!(critical.stdout.starts_with("MONITOR CRITICAL - "), "{}", critical.stdout);
    unknown.expect_code(3);
    assert!(unknown.stdout.starts_with("MONITOR UNKNOWN - "), "{}", unknown.stdout);
}

#[test]
fn check_looks_at_the_file_system_that_holds_a_path() {
    let env = TestEnv::new();

    let fine = env.run("devops-monitor", ["check", "--disk", "/=100"]);
    let path = env.path("missing").display().to_string();
    let missing = env.run("devops-monitor", ["check", "--disk", &format!("{path}=90")]);
    let wrong = env.run("devops-monitor", ["check", "--disk", "90"]);

    fine.expect_code(0);
    assert!(fine.stdout.contains("disk / "), "{}", fine.stdout);
    missing.expect_code(5);
    assert!(missing.stderr.contains(&format!("`{path}`")), "{}", missing.stderr);
    wrong.expect_code(2);
}

#[test]
fn counters_that_stand_still_are_not_0_percent() {
    let env = TestEnv::new();
    let host = FakeHost::new(&env);

    let run = env.run("devops-monitor", ["check", "--cpu", "80", "--root-path", &host.root]);

    run.expect_code(1);
    assert!(run.stderr.contains("the cpu utilization is not known"), "{}", run.stderr);
}

#[test]
fn samples_are_as_many_as_asked_for() {
    let env = TestEnv::new();
    let args = ["sample", "--count", "2", "--interval", "100ms"];

    let json = env.run("devops-monitor", args.iter().chain(&["--json"]));
    let text = env.run("devops-monitor", args);

    json.expect_code(0);
    let samples: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    assert_eq!(samples.len(), 2);
    assert!(samples.iter().all(|sample| sample["type"] == "sample"));
    assert!(samples[0]["interval_seconds"].as_f64().is_some_and(|seconds| seconds >= 0.1));
    text.expect_code(0);
    assert_eq!(text.stdout.matches("CPU Utilization: ").count(), 2);
    assert_eq!(text.stdout.matches("Memory Utilization: ").count(), 2);
}

#[test]
fn a_signal_ends_a_long_sample_with_its_code() {
    let env = TestEnv::new();
    let mut running =
        env.start("devops-monitor", ["sample", "--count", "9999", "--interval", "100ms"]);
    running.wait_for("CPU Utilization");

    running.signal(Signal::INT);

    running.finish().expect_code(130);
}

#[test]
fn health_asks_a_running_server() {
    let env = TestEnv::new();
    let server = Server::start(&env, &[]);
    let health = |url: &str| env.run("devops-monitor", ["health", url]);

    // A server that does not answer in five seconds is not healthy, though only the machine be busy.
    let answered = |url: String| {
        let mut run = health(&url);
        wait_until("the server answers in time", || {
            let is_late = run.code == 75;
            if is_late {
                run = health(&url);
            }
            !is_late
        });
        run
    };

    let fine = answered(format!("{}healthz", server.url));
    let wrong_page = answered(format!("{}nothing", server.url));
    server.running.signal(Signal::TERM);
    server.running.finish().expect_code(0);
    // The port of the server itself may be another's by now.
    let gone = health(&Refusing::new().endpoint());

    fine.expect_code(0);
    assert!(fine.stdout.starts_with("healthy: "), "{}", fine.stdout);
    wrong_page.expect_code(10);
    gone.expect_code(75);
    for malformed in
        ["https://127.0.0.1/", "http://127.0.0.1:99999/", "http://[::1/", "http://a..b/"]
    {
        health(malformed).expect_code(2);
    }
}

#[test]
fn health_does_not_wait_for_a_slow_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/healthz", listener.local_addr().unwrap());
    let dripping = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // A byte in each 50 ms keeps every wait for the next one short, until the other side has gone.
        let nothing_comes = Some(Duration::from_millis(50));
        stream.set_read_timeout(nothing_comes).unwrap();
        while stream.write_all(b"x").is_ok() {
            let _request = stream.read(&mut [0; 1024]);
        }
    });

    let run = TestEnv::new().run("devops-monitor", ["health", &url]);

    run.expect_code(75);
    assert!(run.stderr.contains("no answer within 5s"), "{}", run.stderr);
    dripping.join().unwrap();
}
