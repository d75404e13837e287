//! Reports: of each plan that is made, and of the JSON of any plan without terraform.

use super::*;

const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.11.4", "applyable": true,
  "resource_changes": [
    {"address": "aws_db.main", "type": "aws_db", "change": {"actions": ["delete"],
     "before": {"password": "hunter2-and-more"}, "before_sensitive": {"password": true}}},
    {"address": "aws_db.new", "type": "aws_db", "change": {"actions": ["create"], "after": {}}}]}"#;

fn read(env: &TestEnv, name: &str) -> String {
    fs::read_to_string(env.path(name)).unwrap()
}

#[test]
fn any_plan_is_reported_and_judged_without_terraform() {
    let env = TestEnv::new();
    env.write("plan.json", PLAN);
    env.write("summary.md", "# Earlier\n");
    let run = |args: &[&str]| env.run("devops-tf", [&["report"], args].concat());

    let body = run(&["plan.json", "--stack", "live/app"]);
    body.expect_code(0);
    assert!(
        body.stdout.contains("live/app") && body.stdout.contains("`aws_db.main`"),
        "{}",
        body.stdout
    );
    assert!(!body.stdout.contains("hunter2"), "{}", body.stdout);

    let refused = run(&[
        "plan.json",
        "--deny-destroy",
        "--report",
        "gitlab=counts.json",
        "--report",
        "junit=junit.xml",
        "--report",
        "github=summary.md",
        "--report",
        "sarif=sarif.json",
    ]);
    refused.expect_code(11);
    assert_eq!(read(&env, "counts.json"), "{\"create\":1,\"delete\":1,\"update\":0}\n");
    assert!(read(&env, "junit.xml").contains("<failure "));
    let summary = read(&env, "summary.md");
    assert!(summary.starts_with("# Earlier\n") && summary.contains("aws_db.main"), "{summary}");
    assert!(refused.stderr.contains("::error title="), "{}", refused.stderr);
    let sarif: Value = serde_json::from_str(&read(&env, "sarif.json")).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "deny-destroy");
}

#[test]
fn wrong_reports_and_plans_have_one_clear_error() {
    let env = TestEnv::new();
    env.write("plan.json", PLAN);
    env.write("broken.json", "{\"format_version\": \"1.2\", \"resource_changes\": \"hunter2\"}");
    let run = |args: &[&str]| env.run("devops-tf", [&["report"], args].concat());

    run(&["missing.json"]).expect_code(5);
    run(&["plan.json", "--report", "html=x"]).expect_code(2);
    run(&["plan.json", "--report", "junit"]).expect_code(2);
    run(&["plan.json", "--report", "junit=missing/x"]).expect_code(5);
    let broken = run(&["broken.json"]);
    broken.expect_code(2);
    assert!(
        broken.stderr.contains("cannot understand the plan `broken.json`"),
        "{}",
        broken.stderr
    );
    assert!(!broken.stderr.contains("hunter2"), "{}", broken.stderr);
}

#[test]
fn a_plan_that_a_policy_denies_is_refused() {
    let env = TestEnv::new();
    env.write("plan.json", PLAN);
    let policy = |body: &str| format!("package main\nimport rego.v1\n{body}\n");
    let resource = "some r in input.resource_changes; \"delete\" in r.change.actions";
    let deny = format!(
        "deny contains sprintf(\"%s: %s\", [r.address, r.change.before.password]) if {{ {resource} }}"
    );
    env.write("deny/main.rego", policy(&deny));
    env.write("warn/main.rego", policy("warn_me contains \"look\" if true"));
    env.write("broken/main.rego", policy("deny contains if"));
    let run = |policy: &str| env.run("devops-tf", ["report", "plan.json", "--policy", policy]);

    let denied = run("deny");
    denied.expect_code(11);
    assert!(denied.stderr.contains("aws_db.main: (sensitive value)"), "{}", denied.stderr);
    let warned = run("warn/main.rego");
    warned.expect_code(0);
    assert!(warned.stderr.contains("`main.warn_me`: look"), "{}", warned.stderr);
    let broken = run("broken");
    broken.expect_code(78);
    assert!(broken.stderr.contains("broken/main.rego:3:"), "{}", broken.stderr);
    run("missing").expect_code(5);

    env.write("devops.toml", "[tf]\npolicy = [\"warn\"]\n");
    env.run("devops-tf", ["report", "plan.json"]).expect_code(78);
}

#[test]
fn no_file_is_written_twice_or_over_an_input() {
    let env = fake(&json!({}));
    env.write("plan.json", PLAN);
    env.write("vars", "x = 1\n");
    for args in [
        &["report", "plan.json", "--report", "markdown=plan.json"][..],
        &["report", "plan.json", "--report", "markdown=f", "--report", "json=./f"],
        &["plan", "infra", "--report", "markdown=f", "--report", "json=infra/../f"],
        &["plan", "infra", "--out", "p", "--report", "json=p"],
        &["plan", "infra", "--out", "p", "--report", "json=p.seal.json"],
        &["plan", "infra", "--out", "vars", "--var-file", "vars"],
        &["run", "infra", "--auto-approve", "--metrics-file", "f", "--audit-log", "f"],
        &["run", "infra", "--approved", "plan.json", "--report", "json=plan.json"],
    ] {
        let run = fake_run(&env, args);
        run.expect_code(2);
        assert!(run.stderr.contains("is another file, too"), "{args:?}: {}", run.stderr);
    }
    assert_eq!((read(&env, "plan.json").as_str(), calls(&env)), (PLAN, vec![]));
    let twice = ["--report", "markdown=/dev/null", "--report", "json=/dev/null"];
    fake_run(&env, &[&["report", "plan.json"], &twice[..]].concat()).expect_code(0);
}

#[test]
fn a_report_goes_to_a_file_of_any_name() {
    let env = TestEnv::new();
    env.write("plan.json", PLAN);
    let name = OsStr::from_bytes(b"f\xff.json");
    let mut command = env.tool("devops-tf");
    command.args(["report", "plan.json", "--report"]);
    command.arg([OsStr::new("json="), name].join(OsStr::new("")));
    finish(&mut command).expect_code(0);
    assert!(env.path("").join(name).exists());
}

#[test]
fn a_refused_plan_is_reported() {
    let Some(stack) = Stack::new(ONE) else { return };
    stack.env.write("policy/main.rego", "package main\ndeny[\"no\"] { input.resource_changes }\n");
    let denied = ["plan", "infra", "--out", "p", "--policy", "policy"];
    stack.run(&denied).expect_code(11);
    assert!(!stack.env.path("p").exists() && !stack.env.path("p.seal.json").exists());
    let refused =
        ["--max-changes", "0", "--report", "json=report.json", "--report", "markdown=body.md"];

    stack.run(&[&["run", "infra", "--auto-approve"], &refused[..]].concat()).expect_code(11);

    let report: Value = serde_json::from_str(&read(&stack.env, "report.json")).unwrap();
    assert_eq!(report["changes"][0]["address"], "terraform_data.one");
    assert_eq!(report["findings"][0]["rule"], "max-changes");
    assert!(read(&stack.env, "body.md").contains("infra"));
}
