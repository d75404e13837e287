//! Judges plans by policies in Rego, as conftest does, and by guards beside them.

use std::{fs, path::Path, time::Duration};

use devops_core::{
    cancel::Cancel,
    fs::replace,
    kind::{HasKind, Kind},
    terraform::{
        Guards, Plan, Policies, PolicyError, PolicyOptions, Report, ReportKind, Secrets, Verdict,
    },
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn options(folder: &Path) -> PolicyOptions {
    let limit = Duration::from_mins(1);
    PolicyOptions { paths: vec![folder.to_owned()], namespaces: Vec::new(), limit }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        replace(&path, text.as_bytes(), 0o600).unwrap();
    }
    folder
}

fn load(files: &[(&str, &str)]) -> Result<Policies, PolicyError> {
    Policies::load(&options(folder(files).path()), &Cancel::new())
}

fn judge(policies: &Policies, plan: &Plan) -> Verdict {
    policies.judge(plan, &Secrets::default(), &Cancel::new()).unwrap()
}

fn verdict(policy: &str, plan: &Plan) -> Verdict {
    judge(&load(&[("policy.rego", policy)]).unwrap(), plan)
}

fn messages(verdict: &Verdict) -> Vec<&str> {
    verdict.objections.iter().map(|one| one.message.as_str()).collect()
}

/// A resource of a plan: its type, its actions, and its values afterwards.
fn change(kind: &str, name: &str, actions: &[&str], after: &Value) -> Value {
    json!({"address": format!("{kind}.{name}"), "mode": "managed", "type": kind, "name": name,
        "change": {"actions": actions, "before": {}, "after": after, "after_sensitive": {"password": true}}})
}

fn plan(changes: &[Value]) -> Plan {
    let plan = json!({"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": changes});
    Plan::parse(plan.to_string()).unwrap()
}

fn bucket(after: &Value) -> Plan {
    plan(&[change("aws_s3_bucket", "logs", &["create"], after)])
}

const PUBLIC: &str = r#"package main

deny[msg] {
  r := input.resource_changes[_]
  r.type == "aws_s3_bucket"
  r.change.after.acl == "public-read"
  msg := sprintf("%s is public", [r.address])
}
"#;

#[test]
fn rules_are_those_of_conftest_in_either_syntax_of_rego() {
    let v1 = r#"package main
import rego.v1
deny_public contains {"msg": msg, "severity": "high"} if {
  some r in input.resource_changes
  r.change.after.acl == "public-read"
  msg := sprintf("%s is public", [r.address])
}
"#;
    let future = r#"package main
import future.keywords
import input as tfplan
violation contains msg if {
  some r in tfplan.resource_changes
  not r.change.after.encrypted
  msg := concat(" ", [r.address, "is not encrypted"])
}
warn contains "look at it" if { count(tfplan.resource_changes) > 0 }
"#;
    let public = bucket(&json!({"acl": "public-read", "encrypted": true}));
    let private = bucket(&json!({"acl": "private"}));

    assert_eq!(messages(&verdict(PUBLIC, &public)), ["aws_s3_bucket.logs is public"]);
    assert_eq!(messages(&verdict(PUBLIC, &private)), [""; 0]);
    let denied = verdict(v1, &public);
    assert_eq!(messages(&denied), ["aws_s3_bucket.logs is public"]);
    assert_eq!(denied.objections[0].rule, "main.deny_public");
    let both = verdict(future, &private);
    assert_eq!(messages(&both), ["aws_s3_bucket.logs is not encrypted"]);
    assert_eq!((&*both.warnings[0].rule, &*both.warnings[0].message), ("main.warn", "look at it"));
    assert_eq!(messages(&verdict(future, &public)), [""; 0]);
}

#[test]
fn names_that_are_no_rules_do_not_count() {
    let policy = r#"package main
import rego.v1
# deny this, and warn_of that
denied contains "no" if true
deny_ contains "no" if true
warn_text(r) := sprintf("deny %v", [r])
deny_list := []
deny contains warn_text(x) if { some x in [1, 2]; x > 1 }
"#;
    let verdict = verdict(policy, &bucket(&json!({})));

    assert_eq!(messages(&verdict), ["deny 2"]);
    assert_eq!(verdict.warnings, []);
}

#[test]
fn exceptions_take_rules_out_and_are_named() {
    let policy = r#"package main
import rego.v1
deny_public contains "public" if true
deny_plain contains "plain" if true
exception contains rules if {
  input.resource_changes[_].name == "logs"
  rules := ["public"]
}
"#;
    let excepted = verdict(policy, &bucket(&json!({})));
    let other = plan(&[change("aws_s3_bucket", "data", &["create"], &json!({}))]);

    assert_eq!(messages(&excepted), ["plain"]);
    assert_eq!(excepted.exceptions[0].rule, "main.deny_public");
    assert_eq!(messages(&verdict(policy, &other)), ["plain", "public"]);
}

#[test]
fn data_lies_beside_policies_and_libraries_in_other_packages() {
    let policy = r#"package main
import rego.v1
import data.lib.types
deny contains msg if {
  some r in input.resource_changes
  not types.allowed(r.type)
  msg := sprintf("%s: owner %s, at most %d", [r.type, data.team.owner, data.limits[0]])
}
"#;
    let library = "package lib.types\nimport rego.v1\nallowed(t) if t in data.types\n";
    let files = [
        ("a/policy.rego", policy),
        ("lib/types.rego", library),
        ("lib/types_test.rego", "package broken {"),
        (".hidden/x.rego", "package broken {"),
        ("data.yaml", "types: [aws_instance]\nlimits:\n  - 7\n"),
        ("team/data.json", r#"{"owner": "ops"}"#),
    ];
    let policies = load(&files).unwrap();

    let denied = judge(&policies, &bucket(&json!({})));
    assert_eq!(messages(&denied), ["aws_s3_bucket: owner ops, at most 7"]);
    let allowed = plan(&[change("aws_instance", "a", &["create"], &json!({}))]);
    assert_eq!(messages(&judge(&policies, &allowed)), [""; 0]);
}

#[test]
fn packages_are_named_and_one_without_rules_is_an_error() {
    let folder = folder(&[
        ("main.rego", "package main\ndeny[\"main\"] { true }\n"),
        ("sub.rego", "package team.cost\ndeny[\"cost\"] { true }\n"),
        ("none.rego", "package none\nallow { true }\n"),
    ]);
    let load = |names: &[&str]| {
        let namespaces = names.iter().map(|&name| name.to_owned()).collect();
        let options = PolicyOptions { namespaces, ..options(folder.path()) };
        Policies::load(&options, &Cancel::new())
    };
    let plan = bucket(&json!({}));

    assert_eq!(messages(&judge(&load(&[]).unwrap(), &plan)), ["main"]);
    assert_eq!(messages(&judge(&load(&["team.cost"]).unwrap(), &plan)), ["cost"]);
    assert_eq!(messages(&judge(&load(&["team.cost", "main"]).unwrap(), &plan)), ["main", "cost"]);
    for missing in ["none", "team", "nowhere"] {
        let error = load(&["main", missing]).err().unwrap();
        assert!(matches!(error, PolicyError::NoRule { .. }), "{error}");
        assert_eq!(error.kind(), Kind::Configuration);
    }
}

#[test]
fn what_cannot_be_understood_never_passes() {
    let syntax = [
        (
            "package main\nimport rego.v1\ndeny contains msg if {\n  msg := \"x\n}\n",
            "policy.rego:4:",
        ),
        ("package main\ndeny[msg] { msg = }\n", "policy.rego:2:"),
        ("deny[msg] { msg = 1 }\n", "policy.rego:1:"),
    ];
    for (policy, place) in syntax {
        let error = load(&[("policy.rego", policy)]).err().unwrap();
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        assert!(error.to_string().contains(place), "{error}");
    }
    let broken = load(&[("policy.rego", PUBLIC), ("data.json", "{\"a\": ")]).err().unwrap();
    assert!(matches!(broken, PolicyError::Syntax { .. }), "{broken}");
    assert!(matches!(load(&[("data.json", "{}")]), Err(PolicyError::NoPolicy { .. })));

    let policies = [
        // No text `msg`, and two values of one rule.
        "package main\ndeny[{\"text\": \"x\"}] { true }\n",
        "package main\nx = 1 { true }\nx = 2 { true }\ndeny[msg] { msg := sprintf(\"%d\", [x]) }\n",
    ];
    for policy in policies {
        let policies = load(&[("policy.rego", policy)]).unwrap();
        let error = policies.judge(&bucket(&json!({})), &Secrets::default(), &Cancel::new());
        assert_eq!(error.unwrap_err().kind(), Kind::Configuration, "{policy}");
    }
    let complete = verdict("package main\ndeny = true { true }\n", &bucket(&json!({})));
    assert_eq!(messages(&complete), ["`main.deny` is true"]);
}

#[test]
fn an_error_of_a_built_in_function_is_undefined_and_said() {
    let policy = r#"package main
deny["a number"] { to_number(input.terraform_version) > 1 }
deny["denied"] { true }
"#;
    let verdict = verdict(policy, &bucket(&json!({})));

    assert_eq!(messages(&verdict), ["denied"]);
    assert!(verdict.warnings[0].message.contains("counts as undefined"), "{verdict:?}");
}

#[test]
fn policies_reach_neither_network_nor_files() {
    let calls = [
        r#"http.send({"method": "get", "url": "http://127.0.0.1:9/"})"#,
        "opa.runtime()",
        r#"net.lookup_ip_addr("localhost")"#,
    ];
    for call in calls {
        let policy = format!("package main\ndeny[\"x\"] {{ {call} }}\n");
        let judged = load(&[("policy.rego", &policy)]).and_then(|policies| {
            policies.judge(&bucket(&json!({})), &Secrets::default(), &Cancel::new())
        });
        assert_eq!(judged.unwrap_err().kind(), Kind::Configuration, "{call}");
    }
}

#[test]
fn messages_hold_nothing_that_the_plan_marks() {
    let policy = r#"package main
import rego.v1
deny contains msg if {
  some r in input.resource_changes
  msg := sprintf("%s has %v; weak: %s (%d)", [r.address, r.change.after, r.change.after.password, count(r.change.after.password)])
}
warn contains base64.encode(r.change.after.password) if some r in input.resource_changes
"#;
    for secret in ["hunter2-and-more", "ab1", "letmein"] {
        let plan = bucket(&json!({"password": secret, "acl": "private"}));
        let verdict = verdict(policy, &plan);
        let report = Report::new(".", &plan, &Secrets::default(), &verdict);
        let texts = ["markdown", "json", "junit", "sarif", "github", "code-quality"]
            .map(|kind| report.write(kind.parse().unwrap()).into_inner());

        assert!(messages(&verdict)[0].starts_with("aws_s3_bucket.logs has "), "{verdict:?}");
        for text in texts.iter().map(String::as_str).chain(messages(&verdict)) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn a_judgment_ends_after_its_time_and_with_a_signal() {
    let policy = r#"package main
deny[msg] { r := numbers.range(1, 3000); a := r[_]; b := r[_]; c := r[_]; a + b == c * 100000; msg := "x" }
"#;
    let folder = folder(&[("policy.rego", policy)]);
    let options = PolicyOptions { limit: Duration::from_millis(50), ..options(folder.path()) };
    let policies = Policies::load(&options, &Cancel::new()).unwrap();
    let judge = |cancel: &Cancel| policies.judge(&bucket(&json!({})), &Secrets::default(), cancel);

    let error = judge(&Cancel::new()).unwrap_err();
    assert_eq!(error.kind(), Kind::Configuration, "{error}");
    let cancel = Cancel::new();
    cancel.cancel(2);
    assert_eq!(judge(&cancel).unwrap_err().kind(), Kind::Interrupted);
}

#[test]
fn reports_tell_denials_warnings_and_exceptions_apart() {
    let policy = r#"package main
deny["no <b>"] { true }
warn_cost["dear"] { true }
deny_old["old"] { true }
exception[rules] { rules := ["old"] }
"#;
    let plan = bucket(&json!({}));
    let verdict = verdict(policy, &plan);
    let report = Report::new(".", &plan, &Secrets::default(), &verdict);
    let write = |kind: ReportKind| report.write(kind).into_inner();
    let json: Value = serde_json::from_str(&write(ReportKind::Json)).unwrap();
    let sarif: Value = serde_json::from_str(&write(ReportKind::Sarif)).unwrap();

    assert_eq!(json["refused"], true);
    assert_eq!(json["exceptions"], json!(["main.deny_old"]));
    let findings: Vec<_> = json["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["rule"], &one["level"]))
        .collect();
    assert_eq!(
        findings,
        [(&json!("main.deny"), &json!("error")), (&json!("main.warn_cost"), &json!("warning"))]
    );
    assert_eq!(sarif["runs"][0]["results"][1]["level"], "warning");
    assert!(write(ReportKind::Junit).contains("<failure type=\"main.deny\""));
    let markdown = write(ReportKind::Markdown);
    for text in ["`no <b>`", "warning: dear", "`main.deny_old`"] {
        assert!(markdown.contains(text), "{markdown}");
    }
    assert!(verdict.into_result().is_err());
}

/// The kinds of changes, each with the rules that refuse it: see `every_rule_judges_every_kind_of_change`.
const CHANGES: [(&[&str], &[&str]); 8] = [
    (&["create"], &["max-changes", "main.deny_create"]),
    (&["update"], &["protect", "max-changes"]),
    (&["delete"], &["deny-destroy", "max-changes", "max-destroy", "main.deny_loss"]),
    (
        &["delete", "create"],
        &["deny-destroy", "max-changes", "max-destroy", "main.deny_loss", "main.deny_create"],
    ),
    (
        &["create", "delete"],
        &["deny-destroy", "max-changes", "max-destroy", "main.deny_loss", "main.deny_create"],
    ),
    (&["forget"], &["deny-forget", "max-changes"]),
    (&["no-op"], &[]),
    (&["read"], &[]),
];

#[test]
fn every_rule_judges_every_kind_of_change() {
    let policy = r#"package main
import rego.v1
has(r, action) if action in r.change.actions
deny_loss contains r.address if { some r in input.resource_changes; has(r, "delete") }
deny_create contains r.address if { some r in input.resource_changes; has(r, "create") }
deny_type contains r.address if { some r in input.resource_changes; r.type == "secret" }
"#;
    let policies = load(&[("policy.rego", policy)]).unwrap();
    let guards = Guards::default().deny_destroy(true).deny_forget(true).protect("*").unwrap();
    let guards = guards.max_changes(Some(0)).max_destroy(Some(0)).allow_types("a*").unwrap();
    for kind in ["aws_instance", "azurerm_vm", "google_sql", "random_id", "secret"] {
        for (actions, rules) in CHANGES {
            let plan = plan(&[change(kind, "x", actions, &json!({}))]);
            let mut verdict = guards.judge(&plan);
            verdict.extend(judge(&policies, &plan));
            let mut expected: Vec<_> = rules.to_vec();
            let is_change = !matches!(actions, ["no-op" | "read"]);
            expected.extend((is_change && !kind.starts_with('a')).then_some("allow-types"));
            expected.extend((kind == "secret").then_some("main.deny_type"));
            let mut found: Vec<_> = verdict.objections.iter().map(|one| &*one.rule).collect();
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{kind} {actions:?}");
        }
    }
}
