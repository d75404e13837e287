//! Is this the plan that was approved? Seals with keys, fingerprints, comparisons, and what is written down.

use super::*;

const TWO: &str = r#"
variable "size" { default = "small" }
variable "pw" {
  default   = "hunter2-and-more"
  sensitive = true
}
resource "terraform_data" "one" { input = var.size }
resource "terraform_data" "two" { input = var.pw }
"#;

fn fingerprint_in(run: &Run) -> String {
    let line = run.stdout.lines().find(|line| line.starts_with("fingerprint ")).unwrap();
    line.split(' ').nth(1).unwrap().to_owned()
}

#[test]
fn a_plan_is_applied_only_if_it_is_the_approved_one() {
    let Some(stack) = Stack::new(TWO) else { return };
    let planned = stack.run(&["plan", "infra", "--out", "a.plan"]);
    planned.expect_code(0);
    let fingerprint = fingerprint_in(&planned);
    let again = |args: &[&str]| stack.run(&[&["plan", "infra", "--out", "b.plan"], args].concat());
    assert!(again(&[]).stdout.contains(&format!("{fingerprint} (same as a.plan)\n")));
    assert!(!again(&["--var", "pw=another-secret"]).stdout.contains("same as"));
    let approved = |args: &[&str]| stack.run(&[&["run", "infra", "--approved"], args].concat());

    for args in [
        &["a.plan.seal.json", "--var", "size=big"][..],
        &["a.plan.seal.json", "--var", "pw=another-secret"],
        &[&fingerprint, "--var", "size=big"],
        &["a.plan.seal.json", "--volatile", "*:input"],
    ] {
        let run = approved(args);
        run.expect_code(11);
        assert!(run.stderr.contains("is not the one that was approved"), "{}", run.stderr);
        assert!(!run.stderr.contains("another-secret"), "{}", run.stderr);
    }
    assert_eq!(stack.resources(), []);
    stack.run(&["run", "infra", "--approved", "tf1:12"]).expect_code(2);
    stack.run(&["run", "infra", "--approved", "missing.seal.json"]).expect_code(5);
    // A bare fingerprint says only that a sensitive value is set.
    approved(&[&fingerprint, "--target", "terraform_data.one"]).expect_code(11);

    approved(&["a.plan.seal.json", "--target", "terraform_data.one"]).expect_code(11);
    let subset = ["a.plan.seal.json", "--allow-subset", "--target", "terraform_data.one"];
    approved(&subset).expect_code(0);
    assert_eq!(stack.resources().len(), 1);
    approved(&["a.plan.seal.json", "--allow-subset"]).expect_code(0);
    assert_eq!(stack.resources().len(), 2);
}

#[test]
fn an_approval_is_for_one_folder_workspace_and_backend() {
    let Some(stack) = Stack::new(TWO) else { return };
    stack.env.write("other/main.tf", TWO);
    stack.env.write("key", "a key of more than 16 characters\n");
    let planned = stack.run(&["plan", "infra", "--out", "p", "--seal-key", "key"]);
    planned.expect_code(0);
    let sealed = ["--approved", "p.seal.json", "--seal-key", "key", "--allow-subset"];
    let refused = |args: &[&str], reason: &str| {
        let run = stack.run(&[&["--json", "run"], args, &sealed].concat());
        run.expect_code(11);
        let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
        assert_eq!(error["kind"], "differs");
        assert!(error["message"].as_str().unwrap().contains(reason), "{error}");
    };

    refused(&["other"], "the folder was `");
    refused(&["infra", "--workspace", "prod", "--create-workspace"], "and is `prod`");
    let backend = "terraform {\n backend \"local\" {\n path = \"x.tfstate\"\n }\n}\n";
    stack.rewrite(&[backend, TWO].concat());
    refused(&["infra"], "the backend's setting `");
    assert!(
        !stack.env.path("other/terraform.tfstate").exists() && !stack.path("x.tfstate").exists()
    );

    // A bare fingerprint is for any place.
    let fingerprint = fingerprint_in(&planned);
    stack.run(&["run", "other", "--approved", &fingerprint]).expect_code(0);
    assert!(stack.env.path("other/terraform.tfstate").exists());
}

#[test]
fn a_plan_without_changes_is_reported_and_compared() {
    let Some(stack) = Stack::new(TWO) else { return };
    let planned = stack.run(&["plan", "infra", "--out", "p"]);
    planned.expect_code(0);
    let fingerprint = fingerprint_in(&planned);
    stack.run(&["apply", "infra", "--auto-approve", "--expect", &fingerprint]).expect_code(0);
    let reports = ["--report", "json=report.json"];
    let run = |args: &[&str]| stack.run(&[args, &reports].concat());

    for (args, code) in [
        (&["run", "infra", "--approved", &fingerprint][..], 11),
        (&["run", "infra", "--approved", "p.seal.json"], 11),
        (&["apply", "infra", "--auto-approve", "--expect", &fingerprint], 11),
        (&["run", "infra", "--approved", "p.seal.json", "--allow-subset"], 0),
        (&["run", "infra", "--auto-approve"], 0),
    ] {
        stack.env.write("report.json", "old");
        run(args).expect_code(code);
        let report = fs::read_to_string(stack.env.path("report.json")).unwrap();
        assert!(report.starts_with('{'), "{args:?}: {report}");
    }
}

#[test]
fn plans_are_compared_by_what_they_do() {
    let Some(stack) = Stack::new(TWO) else { return };
    for (name, var) in
        [("a", "size=small"), ("b", "size=small"), ("c", "size=big"), ("d", "pw=x-y-z-1")]
    {
        stack.run(&["plan", "infra", "--out", name, "--var", var]).expect_code(0);
    }
    let json = stack.run(&["show", "b", "--json"]).stdout;
    stack.env.write("b.json", json);

    for (one, other, code, word) in [
        ("a", "b", 0, "same"),
        ("a.seal.json", "b", 0, "same"),
        ("a", "c", 10, "differs"),
        ("a.seal.json", "d", 10, "differs"),
        ("a", "d", 10, "differs"),
    ] {
        let run = stack.run(&["--json", "compare", one, other]);
        run.expect_code(code);
        assert_eq!(event(&events(&run), "comparison")["result"], word, "{one} {other}");
    }
    stack.run(&["compare", "a", "a.seal.json"]).expect_code(2);
    stack.run(&["compare", "a", "missing"]).expect_code(5);
    stack.run(&["compare", "c", "a", "--volatile", "terraform_data.one:input"]).expect_code(0);
}

#[test]
fn a_seal_with_a_key_or_an_end_holds_only_with_them() {
    let Some(stack) = Stack::new(ONE) else { return };
    stack.env.write("key", "a key of more than 16 characters\n");
    stack.env.write("other", "another key of more than 16 characters\n");
    stack.env.write("short", "short\n");
    let apply = |args: &[&str], code, reason: &str| {
        let run = stack.run(&[&["apply", "p"], args].concat());
        run.expect_code(code);
        assert!(run.stderr.contains(reason), "{}", run.stderr);
    };
    stack.env.write("binary", [0xff; 32]);
    for key in ["short", "binary"] {
        stack.run(&["plan", "infra", "--out", "p", "--seal-key", key]).expect_code(2);
    }
    let planned = stack.run(&["plan", "infra", "--out", "p", "--seal-key", "key"]);
    planned.expect_code(0);

    apply(&[], 11, "give the file of the key with `--seal-key`");
    apply(&["--seal-key", "other"], 11, "made with another key");
    let wrong = format!("tf1:{}", "0".repeat(64));
    apply(&["--seal-key", "key", "--expect", &wrong], 11, "is expected");
    assert_eq!(stack.resources(), []);
    apply(&["--seal-key", "key", "--expect", &fingerprint_in(&planned)], 0, "");

    stack.run(&["plan", "infra", "--out", "p", "--valid-for", "99999999d"]).expect_code(2);
    stack.run(&["plan", "infra", "--out", "p", "--valid-for", "0s"]).expect_code(0);
    apply(&[], 11, "it was valid until");
}

// Made with `age-keygen` for these tests.
const IDENTITY: &str = "AGE-SECRET-KEY-1VWXSKTJFSXKFFKRRFYHUEGWKWU44DRMRER4KPCTLHMMP4MSXRUMSRGYXSL";
const RECIPIENT: &str = "age1cg9jwuaz9s45plxj8m6l5hcc0m5qqcwfudwg4zal3thex3ke2e2s5dgzj5";

#[test]
fn an_encrypted_plan_is_read_by_its_recipients_alone() {
    let Some(stack) = Stack::new(TWO) else { return };
    stack.env.write("keys", format!("# created today\n{IDENTITY}\n"));

    stack.run(&["plan", "infra", "--out", "p", "--recipient", RECIPIENT]).expect_code(0);

    for name in ["p", "p.seal.json"] {
        assert!(fs::read(stack.env.path(name)).unwrap().starts_with(b"age-encryption.org/v1\n"));
    }
    let closed = stack.run(&["apply", "p"]);
    closed.expect_code(11);
    assert!(closed.stderr.contains("hint: give a file of secret keys"), "{}", closed.stderr);
    let shown = stack.run(&["show", "p", "--identity", "keys"]);
    shown.expect_code(0);
    assert!(shown.stdout.contains("terraform_data.two will be created"), "{}", shown.stdout);
    stack
        .run(&[
            "run",
            "infra",
            "--approved",
            "p.seal.json",
            "--identity",
            "keys",
            "--target",
            "terraform_data.one",
        ])
        .expect_code(11);
    stack.run(&["apply", "p", "--identity", "keys"]).expect_code(0);
    assert_eq!(stack.resources().len(), 2);
    stack.run(&["plan", "infra", "--recipient", IDENTITY]).expect_code(2);
}

#[test]
fn a_moved_stack_is_a_broken_seal_and_nothing_is_started() {
    let env = fake(&json!({}));
    fake_run(&env, &["plan", "infra", "--out", "p"]).expect_code(0);
    let n_calls = calls(&env).len();
    env.write("p", "another plan");

    fake_run(&env, &["apply", "p"]).expect_code(11);
    assert_eq!(calls(&env).len(), n_calls);
    finish(env.program("mv").args(["infra", "moved"])).expect_code(0);
    let moved = fake_run(&env, &["apply", "p"]);

    moved.expect_code(11);
    assert!(moved.stderr.contains("the seal is broken: there is no folder"), "{}", moved.stderr);
}

#[test]
fn what_a_plan_holds_is_not_given_again() {
    let Some(stack) = Stack::new(ONE) else { return };
    stack.run(&["plan", "infra", "--out", "p"]).expect_code(0);
    let given = stack.run(&["apply", "p", "--var", "size=s3cret"]);
    given.expect_code(2);
    assert!(given.stderr.contains("`--var size=***` is part of a plan"), "{}", given.stderr);
    assert!(!given.stderr.contains("s3cret"), "{}", given.stderr);
    for args in [
        &["--target", "terraform_data.one"][..],
        &["--", "-state=other.tfstate"],
        &["--", "--state-out", "other.tfstate"],
        &["--", "-backup=other.tfstate"],
        &["--var", "sise=1"],
    ] {
        stack.run(&[&["apply", "p"], args].concat()).expect_code(2);
    }
    assert!(stack.resources().is_empty() && !stack.path("other.tfstate").exists());

    // What the environment says is meant for plans.
    let mut command = stack.command(&["apply", "p"]);
    command.envs([("DEVOPS_TF_TARGET", "terraform_data.x"), ("DEVOPS_TF_VAR", "size=big")]);
    finish(&mut command).expect_code(0);
    assert!(fs::read_to_string(stack.path("terraform.tfstate")).unwrap().contains("small"));
}

#[test]
fn a_run_is_written_down() {
    let env = fake(&json!({}));
    let record = ["--audit-log", "audit.jsonl", "--metrics-file", "tf.prom"];

    fake_run(&env, &[&["run", "infra", "--auto-approve"], &record[..]].concat()).expect_code(0);
    let refused = ["run", "infra", "--auto-approve", "--max-changes", "0"];
    fake_run(&env, &[&refused, &record[..]].concat()).expect_code(11);

    let log: Vec<Value> = lines(&env.path("audit.jsonl"))
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((log.len(), &log[0]["code"], &log[1]["kind"]), (2, &json!(0), &json!("denied")));
    assert_eq!((&log[0]["command"], &log[0]["summary"]["add"]), (&json!("run"), &json!(1)));
    assert_eq!(log[1]["previous"], log[0]["hash"]);
    let metrics = fs::read_to_string(env.path("tf.prom")).unwrap();
    assert!(metrics.contains("devops_tf_last_exit_code{command=\"run\",stack="), "{metrics}");
    assert!(metrics.contains("devops_tf_last_success_timestamp_seconds"), "{metrics}");
}

#[test]
fn a_configuration_is_checked_formatted_and_tested() {
    let Some(stack) = Stack::new("variable \"a\" { default=1 }\n") else { return };

    stack.run(&["fmt", "infra", "--check"]).expect_code(10);
    assert_eq!(stack.run(&["fmt", "infra"]).stdout, "main.tf\n");
    stack.run(&["fmt", "infra", "--check"]).expect_code(0);
    assert_eq!(stack.run(&["validate", "infra"]).stdout, "The configuration is valid.\n");
    stack.env.write("infra/bad.tf", "output \"o\" { value = var.missing }\n");
    let invalid = stack.run(&["validate", "infra"]);
    invalid.expect_code(1);
    assert!(
        invalid.stderr.contains("Reference to undeclared input variable"),
        "{}",
        invalid.stderr
    );
    fs::remove_file(stack.path("bad.tf")).unwrap();

    for (expected, code) in [("1", 0), ("2", 1)] {
        let assert = format!("condition = var.a == {expected}\n error_message = \"no\"");
        let test = format!("run \"one\" {{\n command = plan\n assert {{\n {assert}\n }}\n}}\n");
        stack.env.write("infra/a.tftest.hcl", test);
        stack.run(&["test", "infra"]).expect_code(code);
    }
}
