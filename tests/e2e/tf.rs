//! `devops-tf` as a user runs it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use devops_e2e::{Run, Running, TestEnv, binaries::binary, finish, outside, wait_until};
use rustix::process::Signal;
use serde_json::{Value, json};

mod approval;
mod inputs;
mod report;
mod starts;
mod terminal;
pub(crate) mod unsaved;

/// A resource whose creation takes until somebody makes a file, and says when it has begun.
const SLOW: &str = r#"
resource "terraform_data" "slow" {
  provisioner "local-exec" {
    command = "echo has begun; until [ -e go ]; do sleep 0.05; done; : > finished"
  }
}
"#;

const ONE: &str = r#"
variable "size" { default = "small" }
resource "terraform_data" "one" { input = var.size }
output "size" { value = terraform_data.one.output }
"#;

/// A stack with the real terraform.
pub(crate) struct Stack {
    pub(crate) env: TestEnv,
    /// Environment variables of each run.
    pub(crate) variables: BTreeMap<&'static str, OsString>,
    terraform: PathBuf,
}

impl Stack {
    pub(crate) fn new(config: &str) -> Option<Self> {
        let terraform = outside::program("terraform")?;
        let env = TestEnv::new();
        env.write("infra/main.tf", config);
        Some(Self { env, variables: BTreeMap::new(), terraform })
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.tool("devops-tf");
        command.env("DEVOPS_TF_BIN", &self.terraform).envs(&self.variables).args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        finish(&mut self.command(args))
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command(args))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.env.path("infra").join(name)
    }

    pub(crate) fn rewrite(&self, config: &str) {
        self.env.write("infra/main.tf", config);
    }

    /// Returns the managed resources in the state, and whether each is tainted.
    pub(crate) fn resources(&self) -> Vec<(String, bool)> {
        let Ok(state) = fs::read_to_string(self.path("terraform.tfstate")) else {
            return Vec::new();
        };
        let state: Value = serde_json::from_str(&state).unwrap();
        let resources = state["resources"].as_array().unwrap().iter();
        resources
            .map(|resource| {
                let name = resource["name"].as_str().unwrap().to_owned();
                (name, resource["instances"][0]["status"] == "tainted")
            })
            .collect()
    }

    #[track_caller]
    pub(crate) fn assert_unlocked(&self) {
        assert!(!self.path(".terraform.tfstate.lock.info").exists(), "a lock was left");
    }
}

pub(crate) fn events(run: &Run) -> Vec<Value> {
    run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn event<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap()
}

#[test]
fn run_applies_and_a_second_run_finds_nothing_to_change() {
    let Some(stack) = Stack::new(ONE) else { return };

    let first = stack.run(&["run", "infra", "--auto-approve"]);
    let second = stack.run(&["run", "infra", "--auto-approve"]);

    first.expect_code(0);
    assert!(
        first
            .stderr
            .contains("--- Running 'terraform init -json -input=false -no-color' in 'infra' ---")
    );
    assert!(first.stdout.contains("Plan: 1 to add, 0 to change, 0 to destroy, 0 to replace"));
    assert!(first.stdout.contains("Apply complete! Resources: 1 added"), "{}", first.stdout);
    second.expect_code(0);
    assert!(second.stderr.contains("Nothing to change."));
    assert!(!second.stderr.contains("terraform apply"));
    assert_eq!(stack.resources(), [("one".to_owned(), false)]);
    stack.assert_unlocked();
}

#[test]
fn no_plan_with_secrets_stays_behind() {
    let Some(stack) = Stack::new(ONE) else { return };

    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);

    // TMPDIR of the tools is the folder above.
    let root = stack.env.path("").join("..");
    let left: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("devops-tf-"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn run_without_a_terminal_or_approval_starts_nothing() {
    let env = fake(&json!({}));

    let run = fake_run(&env, &["run", "infra"]);

    run.expect_code(2);
    assert!(run.stderr.contains("--auto-approve"), "{}", run.stderr);
    assert_eq!(calls(&env), [""; 0]);
}

#[test]
fn each_signal_in_the_middle_of_an_apply_leaves_no_lock_and_a_usable_state() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let Some(stack) = Stack::new(SLOW) else { return };
        let mut running = stack.start(&["run", "infra", "--auto-approve"]);
        running.wait_for("has begun");

        running.signal(signal);
        let run = running.finish();

        run.expect_code(code);
        assert!(run.stderr.contains("Gracefully shutting down"), "{}", run.stderr);
        assert!(!run.stderr.contains("Two interrupts received"), "{}", run.stderr);
        assert!(!stack.path("finished").exists(), "the provisioner went on");
        stack.assert_unlocked();
        assert_eq!(stack.resources(), [("slow".to_owned(), true)]);

        stack.env.write("infra/go", "");
        stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
        assert_eq!(stack.resources(), [("slow".to_owned(), false)]);
    }
}

#[test]
fn ctrl_c_on_the_whole_group_reaches_terraform_once() {
    use std::os::unix::process::CommandExt;

    let Some(stack) = Stack::new(SLOW) else { return };
    let mut command = stack.command(&["run", "infra", "--auto-approve"]);
    command.process_group(0);
    let mut running = Running::start(command);
    running.wait_for("has begun");

    rustix::process::kill_process_group(running.pid(), Signal::INT).unwrap();
    let run = running.finish();

    run.expect_code(130);
    assert!(
        !stack.path("finished").exists(),
        "the provisioner was interrupted and called complete"
    );
    assert_eq!(stack.resources(), [("slow".to_owned(), true)]);
    stack.assert_unlocked();
}

#[test]
fn killing_the_wrapper_stops_terraform_cleanly() {
    let Some(stack) = Stack::new(SLOW) else { return };
    let mut running = stack.start(&["run", "infra", "--auto-approve"]);
    running.wait_for("has begun");
    assert!(stack.path(".terraform.tfstate.lock.info").exists());

    running.signal(Signal::KILL);
    running.finish().expect_code(137);

    wait_until("terraform releases the lock", || {
        !stack.path(".terraform.tfstate.lock.info").exists()
    });
    assert_eq!(stack.resources(), [("slow".to_owned(), true)]);
    stack.env.write("infra/go", "");
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
}

#[test]
fn a_closed_stdout_does_not_end_the_apply() {
    let Some(stack) = Stack::new(&[ONE, SLOW].concat()) else { return };
    stack.env.write("infra/go", "");
    let mut command = stack.env.program("sh");
    let script = r#"{ "$TOOL" run infra --auto-approve 2> errors; echo $? > code; } | head -1"#;
    command.args(["-c", script]).env("TOOL", binary("devops-tf"));
    command.env("DEVOPS_TF_BIN", &stack.terraform);

    let run = finish(&mut command);

    run.expect_code(0);
    // The first line of the plan.
    assert_eq!(run.stdout.lines().count(), 1, "{}", run.stdout);
    wait_until("the tool ends", || {
        stack.env.path("code").metadata().is_ok_and(|code| code.len() > 0)
    });
    assert_eq!(lines(&stack.env.path("code")), ["0"]);
    assert_eq!(stack.resources().len(), 2);
    assert!(stack.path("finished").exists());
    stack.assert_unlocked();
}

#[test]
fn guards_refuse_before_anything_is_applied() {
    let Some(stack) = Stack::new(ONE) else { return };
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);

    let limited =
        stack.run(&["run", "infra", "--auto-approve", "--var", "size=big", "--max-changes", "0"]);
    let protected =
        stack.run(&["run", "infra", "--auto-approve", "--var", "size=big", "--protect", "*.one"]);
    stack.rewrite("");
    let destroying = stack.run(&["--json", "run", "infra", "--auto-approve", "--deny-destroy"]);

    for (run, reason) in [
        (&limited, "1 resource would change, and at most 0 may"),
        (&protected, "`terraform_data.one` is protected by `*.one` and would be changed"),
        (&destroying, "`terraform_data.one` would be destroyed"),
    ] {
        run.expect_code(11);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    }
    let error: Value = serde_json::from_str(destroying.stderr.trim()).unwrap();
    assert_eq!((&error["kind"], &error["code"]), (&json!("denied"), &json!(11)));
    assert_eq!(stack.resources(), [("one".to_owned(), false)]);
}

#[test]
fn a_sealed_plan_is_private_and_is_what_gets_applied() {
    let Some(stack) = Stack::new(ONE) else { return };

    let planned = stack.run(&["plan", "infra", "--out", "a.plan", "--var", "size=big"]);
    // What the files say later does not matter: the plan is applied, not a new one.
    stack.rewrite("");
    let applied = stack.run(&["apply", "a.plan"]);

    planned.expect_code(0);
    for name in ["a.plan", "a.plan.seal.json"] {
        let mode = stack.env.path(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let seal = fs::read_to_string(stack.env.path("a.plan.seal.json")).unwrap();
    let seal: Value = serde_json::from_str(&seal).unwrap();
    assert_eq!((&seal["workspace"], &seal["summary"]["add"]), (&json!("default"), &json!(1)));
    applied.expect_code(0);
    assert_eq!(stack.resources(), [("one".to_owned(), false)]);
    let state = fs::read_to_string(stack.path("terraform.tfstate")).unwrap();
    assert!(state.contains("big"));
}

#[test]
fn a_broken_seal_is_refused() {
    let Some(stack) = Stack::new(ONE) else { return };
    let seal = |run: &Run, reason: &str| {
        run.expect_code(11);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
        assert_eq!(stack.resources(), []);
    };
    stack.run(&["plan", "infra", "--out", "a.plan"]).expect_code(0);

    let mut elsewhere = stack.command(&["apply", "a.plan"]);
    seal(
        &finish(elsewhere.env("TF_WORKSPACE", "prod")),
        "the workspace was `default` and is `prod`",
    );

    let original = fs::read(stack.env.path("a.plan")).unwrap();
    stack.env.write("a.plan", [&original[..], b"x"].concat());
    seal(&stack.run(&["apply", "a.plan"]), "the content of the plan differs");
    stack.env.write("a.plan", &original);

    stack.env.write("infra/.terraform.lock.hcl", "# another\n");
    seal(&stack.run(&["apply", "a.plan"]), "the dependency lock file is new");
    fs::remove_file(stack.path(".terraform.lock.hcl")).unwrap();

    fs::remove_file(stack.env.path("a.plan.seal.json")).unwrap();
    seal(&stack.run(&["apply", "a.plan"]), "has no seal");
    stack.run(&["apply", "no.plan"]).expect_code(5);
}

#[test]
fn a_refused_or_failed_plan_writes_neither_file() {
    let Some(stack) = Stack::new(ONE) else { return };
    let undeclared = ["--var", "sise=big"];
    for (args, code) in [(&["--max-changes", "0"], 11), (&undeclared, 2)] {
        stack.run(&["plan", "infra", "--out", "a.plan"]).expect_code(0);
        stack.run(&[&["plan", "infra", "--out", "a.plan"], &args[..]].concat()).expect_code(code);
        assert!(!stack.env.path("a.plan").exists() && !stack.env.path("a.plan.seal.json").exists());
    }
    stack.run(&["plan", "infra", "--out", "a.plan"]).expect_code(0);
    stack.rewrite(r#"resource "terraform_data" "a" { input = nonsense() }"#);
    let failed = stack.run(&["plan", "infra", "--out", "a.plan"]);

    failed.expect_code(1);
    assert!(failed.stderr.contains("Call to unknown function"), "{}", failed.stderr);
    assert!(failed.stderr.contains("error: `terraform plan` failed with exit code 1"));
    assert!(!stack.env.path("a.plan").exists() && !stack.env.path("a.plan.seal.json").exists());
}

#[test]
fn exit_codes_say_whether_there_are_changes() {
    let Some(stack) = Stack::new(ONE) else { return };

    stack.run(&["plan", "infra"]).expect_code(0);
    stack.run(&["plan", "infra", "--fail-on-changes"]).expect_code(10);
    stack.run(&["plan", "infra", "--detailed-exitcode"]).expect_code(2);
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
    stack.run(&["plan", "infra", "--fail-on-changes"]).expect_code(0);
    stack.run(&["plan", "infra", "--detailed-exitcode"]).expect_code(0);
    stack.run(&["plan", "missing"]).expect_code(5);
    stack.run(&["plan", "infra", "--bin", "no-such-terraform"]).expect_code(127);
}

#[test]
fn drift_is_what_happened_outside_of_terraform() {
    let Some(stack) = Stack::new(
        r#"data "terraform_remote_state" "other" {
             backend = "local"
             config  = { path = "other.tfstate" }
           }
           output "seen" { value = data.terraform_remote_state.other.outputs.x }"#,
    ) else {
        return;
    };
    let other = |value: &str| {
        let outputs = json!({"x": {"value": value, "type": "string"}});
        let state = json!({"version": 4, "terraform_version": "1.11.4", "serial": 1,
            "lineage": "8f1d3b9e-0000-0000-0000-000000000000", "outputs": outputs, "resources": []});
        stack.env.write("infra/other.tfstate", state.to_string());
    };
    other("old");
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);
    stack.run(&["drift", "infra"]).expect_code(0);

    other("new");
    let drift = stack.run(&["drift", "infra", "--json"]);

    drift.expect_code(10);
    let events = events(&drift);
    assert_eq!(event(&events, "drift")["outputs"], json!(["seen"]));
}

#[test]
fn destroy_destroys_what_its_plan_showed() {
    let Some(stack) = Stack::new(ONE) else { return };
    stack.run(&["run", "infra", "--auto-approve"]).expect_code(0);

    stack.run(&["destroy", "infra"]).expect_code(2);
    stack.run(&["destroy", "infra", "--auto-approve", "--deny-destroy"]).expect_code(11);
    assert_eq!(stack.resources().len(), 1);
    let run = stack.run(&["destroy", "infra", "--auto-approve"]);

    run.expect_code(0);
    assert!(run.stdout.contains("1 to destroy"), "{}", run.stdout);
    assert_eq!(stack.resources(), []);
}

#[test]
fn sensitive_values_are_printed_nowhere() {
    let secret = "hunter2-and-more";
    let config = format!(
        r#"variable "pw" {{
             sensitive = true
             default   = "{secret}"
           }}
           resource "terraform_data" "a" {{ input = {{ password = var.pw }} }}
           output "pw" {{
             value     = var.pw
             sensitive = true
           }}
           output "plain" {{ value = "shown" }}"#
    );
    let Some(stack) = Stack::new(&config) else { return };

    let runs = [
        stack.run(&["--json", "plan", "infra", "--out", "a.plan"]),
        stack.run(&["show", "a.plan"]),
        stack.run(&["show", "a.plan", "--json"]),
        stack.run(&["apply", "a.plan", "-v"]),
        stack.run(&["show", "infra"]),
        stack.run(&["show", "infra", "--json"]),
        stack.run(&["output", "infra"]),
        stack.run(&["output", "infra", "--json"]),
        // A replacement shows the old values, in attributes without a mark, too.
        stack.run(&["plan", "infra", "--", "-replace=terraform_data.a"]),
        stack.run(&["plan", "infra", "--json", "--", "-destroy"]),
    ];
    for run in &runs {
        run.expect_code(0);
        assert!(!run.stdout.contains(secret) && !run.stderr.contains(secret), "{run:?}");
    }
    assert_eq!(runs[6].stdout, "plain = \"shown\"\npw = \"(sensitive value)\"\n");
    assert_eq!(stack.run(&["output", "infra", "--name", "plain"]).stdout, "shown\n");
    stack.run(&["output", "infra", "--name", "pw"]).expect_code(11);
    stack.run(&["output", "infra", "--name", "nope"]).expect_code(5);

    for args in [
        &["show", "a.plan"][..],
        &["show", "infra", "--json"],
        &["output", "infra"],
        &["output", "infra", "--name", "pw"],
        &["plan", "infra", "--report", "json=r.json", "--", "-replace=terraform_data.a"],
    ] {
        let whole = stack.run(&[&args[..2], &["--no-redact"], &args[2..]].concat());
        whole.expect_code(0);
        assert!(whole.stdout.contains(secret), "{args:?}: {}", whole.stdout);
        assert!(whole.stderr.contains("`--no-redact` shows sensitive values"), "{}", whole.stderr);
        assert!(!whole.stderr.contains(secret), "{}", whole.stderr);
    }
    assert!(!fs::read_to_string(stack.env.path("r.json")).unwrap().contains(secret));
    stack.env.write("devops.toml", "[tf]\nno_redact = true\n");
    stack.run(&["output", "infra"]).expect_code(78);
}

#[test]
fn numbers_keys_and_what_lies_within_json_and_lists_are_hidden_too() {
    let secrets = [
        "987654321098765432109876",
        "0.31415926535897932384",
        "k3y-of-a-map",
        "deep-inside-json",
        "7-in-a-list",
    ];
    let config = r#"
        variable "big" {
          sensitive = true
          default   = 987654321098765432109876
        }
        variable "fraction" {
          sensitive = true
          default   = 0.31415926535897932384
        }
        variable "map" {
          sensitive = true
          default   = { "k3y-of-a-map" = "x" }
        }
        variable "json" {
          sensitive = true
          default   = "{\"a\":[[{\"b\":\"deep-inside-json\"}],[987654321098765432109876]]}"
        }
        variable "list" {
          sensitive = true
          default   = [["1"], ["2", "7-in-a-list"]]
        }
        resource "terraform_data" "a" {
          input = { big = var.big, fraction = var.fraction, map = var.map, json = var.json, list = var.list }
        }
        output "all" {
          value     = terraform_data.a.output
          sensitive = true
        }
        output "plain" { value = 123456789012345678901234567890 }"#;
    let Some(stack) = Stack::new(config) else { return };

    let runs = [
        stack.run(&["plan", "infra", "--out", "a.plan"]),
        stack.run(&["show", "a.plan"]),
        stack.run(&["show", "a.plan", "--json"]),
        stack.run(&["apply", "a.plan"]),
        stack.run(&["show", "infra"]),
        stack.run(&["show", "infra", "--json"]),
        stack.run(&["output", "infra", "--json"]),
        // A replacement shows the old values, in attributes without a mark, too.
        stack.run(&["plan", "infra", "--", "-replace=terraform_data.a"]),
        stack.run(&["plan", "infra", "--json", "--", "-destroy"]),
        stack.run(&["destroy", "infra", "--auto-approve"]),
    ];

    for run in &runs {
        run.expect_code(0);
        for secret in secrets {
            let all = [run.stdout.as_str(), &run.stderr].concat();
            assert!(!all.contains(secret), "{secret} in\n{all}");
        }
    }
    assert!(runs[5].stdout.contains("123456789012345678901234567890"), "{}", runs[5].stdout);
    assert!(runs[6].stdout.contains("123456789012345678901234567890"), "{}", runs[6].stdout);
}

#[test]
fn variables_win_over_files_and_stay_out_of_sight() {
    let Some(stack) = Stack::new(ONE) else { return };
    let size = |args: &[&str]| {
        let run = stack.run(&[&["run", "infra", "--auto-approve"], args].concat());
        run.expect_code(0);
        assert!(!run.stderr.contains("size=from-flag"), "{}", run.stderr);
        stack.run(&["output", "infra", "--name", "size"]).stdout
    };

    assert_eq!(size(&["--var", "size=from-flag"]), "from-flag\n");
    stack.env.write("infra/terraform.tfvars", "size = \"from-file\"\n");
    assert_eq!(size(&[]), "from-file\n");
    assert_eq!(size(&["--var", "size=from-flag"]), "from-flag\n");
    stack.env.write("x.tfvars", "size = \"from-var-file\"\n");
    assert_eq!(size(&["--var-file", "x.tfvars"]), "from-var-file\n");

    let unknown = stack.run(&["run", "infra", "--auto-approve", "--var", "sise=1"]);
    unknown.expect_code(2);
    assert!(unknown.stderr.contains("variable `sise` is not declared"), "{}", unknown.stderr);
}

#[test]
fn an_ephemeral_variable_reaches_the_apply() {
    let config = r#"variable "token" { ephemeral = true }
        resource "terraform_data" "a" { input = "x" }"#;
    let Some(stack) = Stack::new(config) else { return };

    stack.run(&["run", "infra", "--auto-approve", "--var", "token=t"]).expect_code(0);

    stack.rewrite(&config.replace("\"x\"", "\"y\""));
    stack.run(&["plan", "infra", "--out", "a.plan", "--var", "token=t"]).expect_code(0);
    stack.run(&["apply", "a.plan", "--var", "token=t"]).expect_code(0);
}

#[test]
fn a_workspace_must_exist_and_is_worked_in() {
    let Some(stack) = Stack::new(ONE) else { return };

    let missing = stack.run(&["run", "infra", "--auto-approve", "--workspace", "prod"]);
    missing.expect_code(5);
    assert!(!stack.path("terraform.tfstate.d").exists(), "a typo made a workspace");
    let mut terraform = stack.env.program(&stack.terraform);
    finish(terraform.arg("-chdir=infra").args(["workspace", "new", "prod"])).expect_code(0);

    stack.run(&["run", "infra", "--auto-approve", "--workspace", "prod"]).expect_code(0);

    assert!(stack.path("terraform.tfstate.d/prod/terraform.tfstate").exists());
    assert_eq!(stack.resources(), []);
}

#[test]
fn a_locked_state_is_temporary_and_the_holder_is_named() {
    let Some(stack) = Stack::new(SLOW) else { return };
    let mut holder = stack.start(&["run", "infra", "--auto-approve"]);
    holder.wait_for("has begun");

    let run = stack.run(&["plan", "infra"]);

    run.expect_code(75);
    assert!(run.stderr.contains("error: the state is locked by "), "{}", run.stderr);
    assert!(run.stderr.contains("terraform force-unlock "), "{}", run.stderr);
    assert!(run.stderr.contains("it was taken "), "{}", run.stderr);
    stack.run(&["plan", "infra", "--detailed-exitcode"]).expect_code(1);
    stack.env.write("infra/go", "");
    holder.finish().expect_code(0);
}

#[test]
fn a_backend_setting_is_used_and_not_shown() {
    let config = format!("terraform {{\n  backend \"local\" {{}}\n}}\n{ONE}");
    let Some(stack) = Stack::new(&config) else { return };

    let run =
        stack.run(&["run", "infra", "--auto-approve", "--backend-config", "path=s-e-c.tfstate"]);

    run.expect_code(0);
    assert!(stack.path("s-e-c.tfstate").exists());
    assert!(run.stderr.contains("-backend-config=path=***") && !run.stderr.contains("s-e-c"));
}

// What follows needs no real terraform.

/// Makes a stack for the fake, whose subcommands do what `scripts` says.
fn fake(scripts: &Value) -> TestEnv {
    let env = TestEnv::new();
    env.write("infra/fake-terraform.json", scripts.to_string());
    env
}

fn fake_command(env: &TestEnv, args: &[&str]) -> Command {
    let mut command = env.tool("devops-tf");
    command.env("DEVOPS_TF_BIN", binary("fake-terraform")).args(args);
    command
}

fn fake_run(env: &TestEnv, args: &[&str]) -> Run {
    finish(&mut fake_command(env, args))
}

/// Returns the subcommands that were called.
fn calls(env: &TestEnv) -> Vec<String> {
    lines(&env.path("infra/fake-terraform.log"))
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_token_in_the_source_of_a_module_is_not_shown() {
    let module =
        "module \"m\" { source = \"git::https://oauth2:C4n4ryToken@127.0.0.1:1/x.git\" }\n";
    let Some(stack) = Stack::new(module) else { return };
    for args in [&["init", "infra"][..], &["--json", "plan", "infra"]] {
        let run = stack.run(args);
        run.expect_code(1);
        let all = run.stdout + &run.stderr;
        assert!(all.contains("127.0.0.1:1") && !all.contains("C4n4ryToken"), "{all}");
    }
}

#[test]
fn run_calls_init_plan_show_and_apply_of_that_plan() {
    let env = fake(&json!({}));

    let run = fake_run(&env, &["run", "infra", "--auto-approve", "--", "-parallelism=2"]);

    run.expect_code(0);
    assert_eq!(calls(&env), ["init", "plan", "show", "apply"]);
    assert!(run.stdout.contains("Apply complete! a plan"));
    let log = lines(&env.path("infra/fake-terraform.log"));
    let out = log[1].split(' ').find_map(|arg| arg.strip_prefix("-out=")).unwrap();
    assert!(log[1].contains(" -parallelism=2") && !log[3].contains("parallelism"));
    assert!(log[3].ends_with(out), "{log:?}");
}

#[test]
fn a_deaf_terraform_gets_one_sigint_and_dies_only_of_the_third_signal() {
    let env = fake(&json!({"apply":
        "trap 'echo INT >> signals' INT; trap 'echo TERM >> signals' TERM; echo ready; \
         while :; do sleep 0.02; done"}));
    let mut running = Running::start(fake_command(&env, &["run", "infra", "--auto-approve"]));
    running.wait_for("ready");
    let signals = env.path("infra/signals");

    running.signal(Signal::TERM);
    wait_until("the first signal arrives", || lines(&signals) == ["INT"]);
    running.signal(Signal::HUP);
    running.signal(Signal::INT);
    wait_until("the second signal arrives", || lines(&signals) == ["INT", "INT"]);
    running.signal(Signal::INT);
    let run = running.finish();

    run.expect_code(143);
    assert!(run.stderr.contains("received SIGTERM: terraform stops cleanly"), "{}", run.stderr);
    assert!(run.stderr.contains("may lose data"), "{}", run.stderr);
}

#[test]
fn the_timeout_interrupts_once_and_waits() {
    // A busy machine may not come to the wait in three seconds: then one minute has to do.
    let attempt = |(timeout, shown)| {
        let env =
            fake(&json!({"apply": "trap 'echo stopping; sleep 0.2; echo stopped; exit 1' INT; \
            echo waiting; while :; do sleep 0.02; done"}));
        let run = fake_run(&env, &["run", "infra", "--auto-approve", "--timeout", timeout]);
        run.stdout.contains("waiting\n").then_some((run, shown))
    };

    let (run, shown) = [("3s", "3s"), ("1m", "1m")].into_iter().find_map(attempt).unwrap();

    run.expect_code(124);
    assert_eq!(run.stdout.matches("stopping\nstopped\n").count(), 1, "{}", run.stdout);
    let words = format!("`fake-terraform apply` ran longer than {shown}");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
}

#[test]
fn silence_and_the_time_in_all_end_a_command() {
    for (flag, says) in [
        ("--silence-timeout", "`fake-terraform apply` wrote nothing for 1s"),
        ("--total-timeout", "`fake-terraform "),
    ] {
        let script = "trap 'exit 1' INT; while :; do sleep 0.02; done";
        let env = fake(&json!({"apply": script}));

        let run = fake_run(&env, &["run", "infra", "--auto-approve", flag, "1s"]);

        run.expect_code(124);
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
}

#[test]
fn a_plan_is_tried_again_after_an_error_that_may_pass_and_an_apply_is_not() {
    let fails = "echo \"Error: read: connection reset by peer\" >&2; exit 1";
    let once = format!("[ -e failed ] || {{ : > failed; {fails}; }}; echo a plan > \"$PLAN\"");
    let env = fake(&json!({"plan": once, "apply": fails}));

    let run = fake_run(&env, &["run", "infra", "--auto-approve", "--retries", "1"]);

    run.expect_code(1);
    assert!(run.stderr.contains("trying again"), "{}", run.stderr);
    assert_eq!(calls(&env), ["init", "plan", "show", "plan", "show", "apply"]);
}

#[test]
fn a_timeout_of_zero_is_none() {
    let env = fake(&json!({"apply": "sleep 0.1; echo applied"}));

    let run = fake_run(&env, &["run", "infra", "--auto-approve", "--timeout", "0s"]);

    run.expect_code(0);
    assert!(run.stdout.contains("applied\n"), "{}", run.stdout);
}

#[test]
fn the_private_folder_of_a_killed_run_goes_with_the_next_one() {
    let env = fake(&json!({"apply": "echo applying; until [ -e go ]; do sleep 0.05; done"}));
    let folders = || {
        let names = fs::read_dir(env.path("..")).unwrap().map(|entry| entry.unwrap().file_name());
        let names = names.map(|name| name.into_string().unwrap());
        names.filter(|name| name.starts_with("devops-tf-")).collect::<BTreeSet<_>>()
    };
    let start = || {
        let mut running = Running::start(fake_command(&env, &["run", "infra", "--auto-approve"]));
        running.wait_for("applying");
        running
    };
    let killed = start();
    let left = folders();
    killed.signal(Signal::KILL);
    killed.finish().expect_code(137);
    assert!(!left.is_empty());
    assert_eq!(folders(), left);

    let working = start();
    let in_use = folders();
    assert!(in_use.iter().all(|folder| !left.contains(folder)), "{in_use:?} {left:?}");
    fake_run(&env, &["plan", "infra"]).expect_code(0);
    assert_eq!(folders(), in_use, "another run took it for a leftover");

    env.write("infra/go", "");
    working.finish().expect_code(0);
    assert!(folders().is_empty());
}

#[test]
fn both_streams_come_through_whole_and_apart() {
    let env = fake(&json!({"apply":
        "yes out | head -n 300000 & yes error | head -n 300000 >&2; wait; printf 'end \\377\\n'"}));

    let human = fake_run(&env, &["run", "infra", "--auto-approve"]);
    let machine = fake_run(&env, &["run", "infra", "--auto-approve", "--json"]);

    human.expect_code(0);
    assert_eq!(human.stdout.lines().filter(|line| *line == "out").count(), 300_000);
    assert_eq!(human.stderr.lines().filter(|line| *line == "error").count(), 300_000);
    machine.expect_code(0);
    assert_eq!(machine.stderr, "");
    let events = events(&machine);
    let said = |stream: &str, text: &str| {
        let wanted = json!({"type": "line", "stream": stream, "text": text});
        events.iter().filter(|event| **event == wanted).count()
    };
    assert_eq!((said("stdout", "out"), said("stderr", "error")), (300_000, 300_000));
    assert_eq!(said("stdout", "end \u{fffd}"), 1);
    assert_eq!(event(&events, "summary")["add"], 1);
    assert_eq!(event(&events, "applied")["type"], "applied");
}

#[test]
fn a_process_that_a_provisioner_leaves_behind_does_not_hold_the_run() {
    let env = fake(&json!({"apply": "\"$MISBEHAVE\" bytes; \"$MISBEHAVE\" grandchild 600 > pid; \
        \"$MISBEHAVE\" grandchild 600"}));
    let mut command = fake_command(&env, &["run", "infra", "--auto-approve"]);

    let run = finish(command.env("MISBEHAVE", binary("misbehave")));

    run.expect_code(0);
    let left = run.stdout.lines().last().unwrap().strip_prefix("no end").unwrap();
    for pid in [left, &lines(&env.path("infra/pid"))[0]] {
        finish(env.program("kill").args(["-9", pid])).expect_code(0);
    }
}

#[test]
fn an_interrupt_instead_of_an_answer_applies_nothing() {
    let Some(python) = outside::program("python3") else { return };
    let env = fake(&json!({}));
    let mut command = env.program(&python);
    // What Ctrl-C sends.
    command.args(["-c", ON_A_TERMINAL, ASKED, "\u{3}"]).arg(binary("devops-tf"));
    command.args(["run", "infra"]).env("DEVOPS_TF_BIN", binary("fake-terraform"));

    let run = finish(&mut command);

    run.expect_code(130);
    assert!(!calls(&env).contains(&"apply".to_owned()));
}

#[test]
fn what_terraform_dies_of_is_said() {
    let env = fake(&json!({"apply": "kill -9 $$"}));
    let killed = fake_run(&env, &["run", "infra", "--auto-approve"]);
    killed.expect_code(1);
    assert!(killed.stderr.contains("`fake-terraform apply` was killed by SIGKILL"));
    assert!(killed.stderr.contains("may still be locked"), "{}", killed.stderr);

    let env = fake(&json!({"show": "echo '{\"format_version\": \"hunter2'"}));
    let garbled = fake_run(&env, &["run", "infra", "--auto-approve"]);
    garbled.expect_code(1);
    assert!(garbled.stderr.contains("cannot understand the JSON of `fake-terraform show`"));
    assert!(!garbled.stderr.contains("hunter2"));
    assert!(!calls(&env).contains(&"apply".to_owned()));
}

#[test]
fn a_failed_plan_ends_the_run() {
    let env = fake(&json!({"plan": "echo partly > \"$PLAN\"; echo 'Error: no' >&2; exit 1"}));

    let run = fake_run(&env, &["run", "infra", "--auto-approve"]);

    run.expect_code(1);
    assert!(run.stderr.contains("Error: no\nerror: `fake-terraform plan` failed with exit code 1"));
    // The state may hold a secret that the error quotes.
    assert_eq!(calls(&env), ["init", "plan", "show"]);
}

#[test]
fn arguments_in_the_environment_cannot_change_the_command() {
    let env = fake(&json!({}));

    let mut trapped = fake_command(&env, &["run", "infra", "--auto-approve"]);
    let trapped = finish(trapped.env("TF_CLI_ARGS_plan", "-destroy"));
    trapped.expect_code(2);
    assert!(trapped.stderr.contains("`TF_CLI_ARGS_plan` holds `-destroy`"), "{}", trapped.stderr);
    assert!(!calls(&env).contains(&"plan".to_owned()));

    let mut helped = fake_command(&env, &["run", "infra", "--auto-approve"]);
    let helped = finish(helped.env("TF_CLI_ARGS_apply", "-h"));
    helped.expect_code(2);
    assert!(helped.stderr.contains("`TF_CLI_ARGS_apply` holds `-h`"), "{}", helped.stderr);
    assert!(!calls(&env).contains(&"apply".to_owned()));

    let mut tuned = fake_command(&env, &["plan", "infra"]);
    let tuned = finish(tuned.env("TF_CLI_ARGS_plan", "-parallelism=2"));
    tuned.expect_code(0);
    assert!(tuned.stderr.contains("TF_CLI_ARGS_plan adds arguments"), "{}", tuned.stderr);
    fake_run(&env, &["plan", "infra", "--", "-out=x"]).expect_code(2);
}

#[test]
fn a_project_file_may_not_approve_or_choose_the_program() {
    let env = fake(&json!({}));
    for key in ["bin = \"x\"", "auto_approve = true", "backend_config = [\"a=b\"]"] {
        env.write("devops.toml", format!("[tf.run]\n{key}\n"));

        let run = fake_run(&env, &["run", "infra"]);

        run.expect_code(78);
        assert!(run.stderr.contains("devops.toml"), "{}", run.stderr);
    }
    assert_eq!(calls(&env), [""; 0]);
}

#[test]
fn a_guard_that_guards_nothing_is_named() {
    let env = fake(&json!({}));

    let run = fake_run(&env, &["plan", "infra", "--protect", "fake_thing.a", "--protect", "a[b]"]);

    run.expect_code(0);
    assert_eq!(run.stderr.matches("matches no resource").count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("warning: `--protect a[b]` matches no resource"), "{}", run.stderr);
}

#[test]
fn a_folder_whose_name_is_not_utf8_gets_a_seal() {
    let env = fake(&json!({}));
    let odd = env.path("infra").with_file_name(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();

    let mut plan = fake_command(&env, &["plan", "--out", "p"]);
    finish(plan.arg(&odd)).expect_code(0);
    let seal: Value = serde_json::from_slice(&fs::read(env.path("p.seal.json")).unwrap()).unwrap();
    assert!(seal["dir_b64"].is_string(), "{seal}");
    fake_run(&env, &["apply", "p"]).expect_code(0);
}

#[test]
fn bad_input_gives_one_clear_message() {
    let env = fake(&json!({}));
    for (args, code) in [
        (&["run", "missing", "--auto-approve"][..], 5),
        (&["apply", "missing"], 5),
        (&["show", "missing"], 5),
        (&["plan", "infra", "--protect", ""], 2),
        (&["plan", "infra", "--var", "novalue"], 2),
        (&["plan", "infra", "--timeout", "soon"], 2),
        (&["plan", "infra", "--max-changes", "-1"], 2),
        (&["plan", "infra", "--var-file", "missing.tfvars"], 5),
        (&["plan", "infra/fake-terraform.json"], 5),
    ] {
        let run = fake_run(&env, args);

        run.expect_code(code);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        assert_eq!(run.stderr.matches("error: ").count(), 1, "{args:?}: {}", run.stderr);
    }
}

#[test]
fn the_answer_of_a_person_decides() {
    let Some(python) = outside::program("python3") else { return };
    for (answer, code, says) in [
        ("yes\n", 0, "Apply complete!"),
        ("no\n", 11, "Apply cancelled."),
        ("\n", 11, "Apply cancelled."),
    ] {
        let env = fake(&json!({}));
        let mut command = env.program(&python);
        command.args(["-c", ON_A_TERMINAL, ASKED, answer]).arg(binary("devops-tf"));
        command.args(["run", "infra"]).env("DEVOPS_TF_BIN", binary("fake-terraform"));
        command.stdin(Stdio::null());

        let run = finish(&mut command);

        run.expect_code(code);
        assert!(
            run.stdout.contains("Do you want to apply this plan? (yes/no): "),
            "{}",
            run.stdout
        );
        assert!(run.stdout.contains(says), "{}", run.stdout);
        assert_eq!(calls(&env).contains(&"apply".to_owned()), answer == "yes\n");
    }
}

/// The end of a question.
const ASKED: &str = "(yes/no): ";

/// Runs a command on a terminal of its own; once a text is on it, types an answer and makes the file `seen`.
const ON_A_TERMINAL: &str = r#"
import os, pty, signal, sys
# What waits for a text that does not come must end, too.
signal.alarm(120)
text, answer, command = sys.argv[1], sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen, asked = b"", False
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:
        break
    if not data:
        break
    seen += data
    if not asked and text.encode() in seen:
        asked = True
        open("seen", "w").close()
        os.write(terminal, answer.encode())
sys.stdout.write(seen.decode(errors="replace"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
