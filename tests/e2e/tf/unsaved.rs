//! States that a server keeps: not saved, locked by others, interrupted at random moments.

use devops_fakes::{
    random::Random,
    state::{Faults, StateServer},
};

use super::*;

/// Two resources that take a moment, one after the other, and anew for each value of `n`.
pub(crate) const STEPS: &str = r#"
variable "n" { default = "0" }
resource "terraform_data" "a" {
  triggers_replace = [var.n]
  provisioner "local-exec" { command = "sleep 0.1" }
}
resource "terraform_data" "b" {
  triggers_replace = [terraform_data.a.id]
  provisioner "local-exec" { command = "sleep 0.1" }
}
"#;

/// Returns the number of interrupts: 24, unless `DEVOPS_INTERRUPTS` has another.
fn rounds() -> usize {
    std::env::var("DEVOPS_INTERRUPTS").map_or(24, |number| number.parse().unwrap())
}

fn served(config: &str) -> Option<(Stack, StateServer)> {
    let server = StateServer::start().unwrap();
    let stack = Stack::new(&[&server.backend("s"), config].concat())?;
    Some((stack, server))
}

#[test]
fn a_state_that_was_not_saved_is_not_run_over_and_is_recovered() {
    let Some((stack, server)) = served(ONE) else { return };
    server.set_faults(Faults { fail_save: true, ..Faults::default() });

    let failed = stack.run(&["run", "infra", "--auto-approve"]);
    server.set_faults(Faults::default());

    failed.expect_code(1);
    assert!(failed.stderr.contains("save it with `devops-tf recover infra`"), "{}", failed.stderr);
    let unsaved = fs::read(stack.path("errored.tfstate")).unwrap();
    for args in [&["plan", "infra"][..], &["run", "infra", "--auto-approve"], &["drift", "infra"]] {
        let run = stack.run(&[&["--json"], args].concat());
        run.expect_code(11);
        let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(error["kind"], "unsaved");
        assert!(error["hint"].as_str().unwrap().contains("devops-tf recover"), "{error}");
    }

    // Another stack's state is not written over.
    server.put("s", br#"{"version":4,"lineage":"other","serial":1,"resources":[],"outputs":{}}"#);
    stack.run(&["recover", "infra"]).expect_code(11);
    let mut same_serial: Value = serde_json::from_slice(&unsaved).unwrap();
    same_serial["resources"] = json!([]);
    server.put("s", same_serial.to_string().as_bytes());
    stack.run(&["recover", "infra"]).expect_code(11);
    server.remove("s");
    let recovered = stack.run(&["recover", "infra", "--json"]);

    recovered.expect_code(0);
    let copy = PathBuf::from(event(&events(&recovered), "recovered")["copy"].as_str().unwrap());
    assert_eq!(fs::read(&copy).unwrap(), unsaved);
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!stack.path("errored.tfstate").exists());
    assert!(server.state("s").is_some() && server.lock("s").is_none());
    let planned = stack.run(&["plan", "infra", "--fail-on-changes"]);
    planned.expect_code(0);
    stack.run(&["recover", "infra"]).expect_code(5);
}

#[test]
fn a_lock_of_another_is_named_and_no_lock_of_ours() {
    let Some((stack, server)) = served(ONE) else { return };
    server.hold("s", r#"{"ID": "11111111-2222-3333-4444-555555555555", "Who": "ada@build-7"}"#);

    let run = stack.run(&["plan", "infra"]);

    run.expect_code(75);
    let error = run.stderr.lines().find(|line| line.starts_with("error: ")).unwrap();
    assert_eq!(error, "error: the state is locked (lock id 11111111-2222-3333-4444-555555555555)");
    stack.run(&["unlock", "infra"]).expect_code(2);
    assert!(server.lock("s").is_some());
}

#[test]
fn no_interrupt_costs_a_lock_or_a_state() {
    let Some((stack, server)) = served(STEPS) else { return };

    interrupt(&stack, rounds(), &|| {
        server.lock("s").map(|lock| String::from_utf8_lossy(&lock).into_owned())
    });
}

/// Interrupts applies of `STEPS` at random moments, of terraform and of a wrapper in turn; `lock` says who
/// holds the lock of the state.
#[allow(clippy::disallowed_methods, reason = "a random moment is what is tried")]
pub(crate) fn interrupt(stack: &Stack, n_rounds: usize, lock: &dyn Fn() -> Option<String>) {
    let wrapper = stack.env.path("terraform");
    let script = format!("#!/bin/sh\n{} \"$@\"\nexit $?\n", stack.terraform.display());
    stack.env.write("terraform", script);
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    let started = std::time::Instant::now();
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
    let whole = started.elapsed();
    let mut random = Random::new(20);

    for round in 0..n_rounds {
        let mut command = stack.command(&["run", "infra", "--auto-approve"]);
        command.args(["--var", &format!("n={round}")]);
        if round % 2 == 1 {
            command.env("DEVOPS_TF_BIN", &wrapper);
        }
        let running = Running::start(command);
        std::thread::sleep(whole * u32::try_from(random.below(1000)).unwrap() / 1000);
        let signal = *random.pick(&[Signal::INT, Signal::TERM, Signal::HUP, Signal::KILL]);

        running.signal(signal);
        let run = running.finish();

        wait_until("terraform has ended", || !works_in(&stack.env.path("infra")));
        assert_eq!(lock(), None, "round {round}, {signal:?}: {run:?}");
        assert!(!stack.path("errored.tfstate").exists(), "round {round}, {signal:?}: {run:?}");
    }
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
}

/// Returns whether a process has this working folder.
fn works_in(folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .map(|entry| entry.path().join("cwd"))
        .any(|cwd| fs::read_link(cwd).is_ok_and(|cwd| cwd == folder))
}
