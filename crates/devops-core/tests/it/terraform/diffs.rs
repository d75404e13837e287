//! Draws plans for people: complete, in terraform's words, and readable.

use devops_core::terraform::{DiffOptions, Plan, Secrets, diff, diff_drift};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{
    generated, leaves,
    public::{documents, is_plan},
};

fn drawn(mut plan: Value, options: DiffOptions) -> String {
    plan["format_version"] = "1.2".into();
    plan.as_object_mut().unwrap().entry("planned_values").or_insert_with(|| json!({}));
    let plan = Plan::parse(plan.to_string()).unwrap();
    diff(&plan, &Secrets::default(), options).into_inner()
}

fn resource(address: &str, change: Value) -> Value {
    let (kind, name) = address.split_once('.').unwrap();
    let mut resource = json!({"address": address, "mode": "managed", "type": kind, "name": name});
    resource["change"] = change;
    resource
}

fn changes(changes: impl Into<Value>) -> String {
    drawn(json!({"resource_changes": changes.into()}), DiffOptions::default())
}

/// Returns the difference between what the text says and what the JSON says.
fn disagreement(plan: &Value) -> Vec<String> {
    let text = drawn(plan.clone(), DiffOptions { full: true, ..DiffOptions::default() });
    let (said, meant) = (leaves::of_text(&text), leaves::of_json(plan));
    let missing = meant.difference(&said).map(|leaf| format!("not said: {leaf:?}"));
    missing.chain(said.difference(&meant).map(|leaf| format!("said: {leaf:?}"))).collect()
}

#[test]
fn every_sign_and_every_reason_is_terraforms() {
    let text = changes(json!([
        {"address": "a.made", "type": "a", "change": {"actions": ["create"], "before": null,
            "after": {"size": 2, "tags": {"env": "x", "a b": "y"}, "list": ["p"], "none": null, "empty": {}},
            "after_unknown": {"id": true, "tags": {}}}},
        {"address": "a.changed[\"k\"]", "type": "a", "change": {"actions": ["update"],
            "before": {"id": "i-1", "size": 2, "same": true, "other": 1, "list": ["p", "q", "r"], "pw": "old"},
            "after": {"id": "i-1", "size": 3, "same": true, "other": 1, "list": ["p", "s", "r"], "pw": "new"},
            "after_unknown": {"list": [false, false, false]}, "before_sensitive": {"pw": true}, "after_sensitive": {"pw": true}}},
        {"address": "a.anew", "type": "a", "action_reason": "replace_because_cannot_update", "change": {"actions": ["delete", "create"],
            "before": {"id": "i-2", "zone": "a"}, "after": {"zone": "b"}, "after_unknown": {"id": true}, "replace_paths": [["zone"]]}},
        {"address": "a.gone[2]", "type": "a", "action_reason": "delete_because_count_index", "change": {"actions": ["delete"],
            "before": {"id": "i-3", "pw": "unlike", "list": [1]}, "after": null, "before_sensitive": {"pw": true}}},
        {"address": "a.left", "type": "a", "deposed": "00ab", "change": {"actions": ["delete"], "before": {"id": "i-4"}, "after": null}},
        {"address": "a.kept", "type": "a", "change": {"actions": ["forget"], "before": {"id": "i-5"}, "after": null}},
        {"address": "a.new", "type": "a", "previous_address": "a.old", "change": {"actions": ["no-op"], "before": {"id": "i-6"}, "after": {"id": "i-6"}}},
        {"address": "a.taken", "type": "a", "change": {"actions": ["no-op"], "before": {"id": "i-7"}, "after": {"id": "i-7"}, "importing": {"id": "i-7"}}},
        {"address": "data.a.read", "mode": "data", "type": "a", "action_reason": "read_because_config_unknown", "change": {"actions": ["read"],
            "before": null, "after": {"name": "n"}, "after_unknown": {"id": true}}},
    ]));

    assert_eq!(
        text,
        r#"Terraform will perform the following actions:

  # a.made will be created
  + resource "a" "made" {
      + empty = {}
      + id    = (known after apply)
      + list  = [
          + "p",
        ]
      + size  = 2
      + tags  = {
          + "a b" = "y"
          + env   = "x"
        }
    }

  # a.changed["k"] will be updated in-place
  ~ resource "a" "changed" {
        id   = "i-1"
      ~ list = [
          - "q",
          + "s",
            # (2 unchanged elements hidden)
        ]
      ~ pw   = (sensitive value)
      ~ size = 2 -> 3
        # (2 unchanged attributes hidden)
    }

  # a.anew must be replaced
-/+ resource "a" "anew" {
      ~ id   = "i-2" -> (known after apply)
      ~ zone = "a" -> "b" # forces replacement
    }

  # a.gone[2] will be destroyed
  # (because index [2] is out of range for count)
  - resource "a" "gone" {
      - id   = "i-3" -> null
      - list = [
          - 1,
        ] -> null
      - pw   = (sensitive value) -> null
    }

  # a.left (deposed object 00ab) will be destroyed
  # (left over from a partially-failed replacement of this instance)
  - resource "a" "left" {
      - id = "i-4" -> null
    }

  # a.kept will no longer be managed by Terraform, but will not be destroyed
  . resource "a" "kept" {
      - id = "i-5" -> null
    }

  # a.new has moved from a.old
    resource "a" "new" {
        id = "i-6"
    }

  # a.taken will be imported
  # (imported from "i-7")
    resource "a" "taken" {
        id = "i-7"
    }

  # data.a.read will be read during apply
  # (config refers to values not yet known)
 <= data "a" "read" {
      + id   = (known after apply)
      + name = "n"
    }

Plan: 1 to add, 1 to change, 2 to destroy, 1 to replace, 1 to import, 1 to move, 1 to forget.
What exists and will be destroyed:
  - a.gone[2]
  - a.left (deposed object 00ab)
-/+ a.anew
"#
    );
}

#[test]
fn texts_are_compared_line_by_line_and_json_by_what_it_says() {
    let text = changes(json!([resource(
        "a.b",
        json!({"actions": ["update"],
            "before": {"policy": "{\"a\":1,\"b\":[\"x\"]}", "script": "one\ntwo\nthree\n", "long": "x".repeat(1000), "esc": "a\u{1b}[2Jb"},
            "after": {"policy": "{\"a\":2,\"b\":[\"x\"]}", "script": "one\n2\nthree\nfour\n", "long": format!("{}y", "x".repeat(999)), "esc": "a\u{202e}c"},
        })
    )]));

    let expected = format!(
        r#"Terraform will perform the following actions:

  # a.b will be updated in-place
  ~ resource "a" "b" {{
      ~ esc    = "a\u001b[2Jb" -> "a\u202ec"
      ~ long   = …"{0}"{1} -> …"{2}"{1}
      ~ policy = jsonencode(
          ~ {{
              ~ a = 1 -> 2
                # (1 unchanged attribute hidden)
            }}
        )
      ~ script = <<-EOT
            one
          - two
          + 2
            three
          + four
        EOT
    }}

Plan: 0 to add, 1 to change, 0 to destroy, 0 to replace.
"#,
        "x".repeat(61),
        " (1000 bytes)",
        "x".repeat(60) + "y",
    );
    assert_eq!(text, expected);
    let full = drawn(
        json!({"resource_changes": [resource("a.b", json!({"actions": ["create"], "after": {"long": "x".repeat(1000)}}))]}),
        DiffOptions { full: true, ..DiffOptions::default() },
    );
    assert!(full.contains(&format!("\"{}\"", "x".repeat(1000))));
}

#[test]
fn outputs_and_actions_are_drawn_and_nothing_says_so() {
    let text = drawn(
        json!({
            "output_changes": {
                "new": {"actions": ["create"], "before": null, "after": {"a": 1}, "after_unknown": false},
                "pw": {"actions": ["update"], "before": "x", "after": "y", "before_sensitive": true, "after_sensitive": true},
                "old": {"actions": ["delete"], "before": "o", "after": null},
                "later": {"actions": ["create"], "before": null, "after": null, "after_unknown": true},
                "same": {"actions": ["no-op"], "before": 1, "after": 1},
            },
            "action_invocations": [{"address": "action.x.y", "type": "x", "config_values": {"to": "z", "pw": "hunter2"},
                "config_sensitive": {"pw": true}, "lifecycle_action_trigger": {"triggering_resource_address": "a.b", "action_trigger_event": "after_create"}}],
        }),
        DiffOptions::default(),
    );

    assert_eq!(
        text,
        r#"Actions to be invoked:

  # action.x.y will be invoked (after_create of a.b)
    action "x" "y" {
      + pw = (sensitive value)
      + to = "z"
    }

Changes to Outputs:
  + later = (known after apply)
  + new   = {
      + a = 1
    }
  - old   = "o" -> null
  ~ pw    = (sensitive value)

Plan: 0 to add, 0 to change, 0 to destroy, 0 to replace, 1 to invoke, 4 outputs to change.
"#
    );
    assert_eq!(
        drawn(json!({}), DiffOptions::default()),
        "No changes. Your infrastructure matches the configuration.\n"
    );
}

#[test]
fn blocks_are_compared_by_their_place_and_secrets_without_marks_are_hidden() {
    let text = changes(json!([resource(
        "a.b",
        json!({"actions": ["update"],
            "before": {"rule": [{"port": 1, "to": "x"}, {"port": 2, "to": "x"}], "tags": {"hunter-2": "v"}, "pw": {"hunter-2": "v"}, "n": 1},
            "after": {"rule": [{"port": 1, "to": "x"}, {"port": 3, "to": "has v-secret in"}], "tags": {"hunter-2": "w", "c": "v-secret"},
                      "pw": {"k": "v-secret"}, "n": 1},
            "before_sensitive": {"pw": true}, "after_sensitive": {"pw": true, "n": true},
        })
    )]));

    assert_eq!(
        text,
        r#"Terraform will perform the following actions:

  # a.b will be updated in-place
  ~ resource "a" "b" {
      ~ n    = (sensitive value) # only what is sensitive changes
      ~ pw   = (sensitive value)
      ~ rule = [
          ~ {
              ~ port = 2 -> 3
              ~ to   = "x" -> "has (sensitive value) in"
            },
            # (1 unchanged element hidden)
        ]
      ~ tags = {
          + c                 = (sensitive value)
          ~ (sensitive value) = (sensitive value) -> "w"
        }
    }

Plan: 0 to add, 1 to change, 0 to destroy, 0 to replace.
"#
    );
}

#[test]
fn what_changed_outside_is_drawn_by_itself() {
    let plan = json!({"format_version": "1.2", "planned_values": {}, "resource_drift": [
        resource("a.b", json!({"actions": ["update"], "before": {"x": 1}, "after": {"x": 2}})),
        resource("a.c", json!({"actions": ["delete"], "before": {"x": 1}, "after": null})),
        {"address": "a.d", "previous_address": "a.e", "change": {"actions": ["no-op"]}},
    ]});
    let plan = Plan::parse(plan.to_string()).unwrap();
    let text = diff_drift(&plan, &Secrets::default(), DiffOptions::default(), &[]).into_inner();

    assert_eq!(
        text,
        r#"Objects have changed outside of Terraform:

  # a.b has changed
  ~ resource "a" "b" {
      ~ x = 1 -> 2
    }

  # a.c has been deleted
  - resource "a" "c" {
      - x = 1 -> null
    }

"#
    );
    let ignored = ["a.b:x".parse().unwrap(), "a.c:*".parse().unwrap()];
    let text = |ignored| {
        diff_drift(&plan, &Secrets::default(), DiffOptions::default(), ignored).into_inner()
    };
    assert!(!text(&ignored[..1]).contains("a.b") && text(&ignored[..1]).contains("a.c"));
    assert_eq!(text(&ignored), "No changes outside of Terraform.\n");
}

#[test]
fn a_large_plan_is_folded_by_type_and_names_all_that_is_lost() {
    let made = (0..300).map(|at| {
        resource(&format!("a.m[{at}]"), json!({"actions": ["create"], "after": {"x": at}}))
    });
    let lost = (0..9).map(|at| {
        resource(&format!("b.l[{at}]"), json!({"actions": ["delete"], "before": {"x": at}}))
    });
    let plan = json!({"resource_changes": made.chain(lost).collect::<Vec<_>>()});

    let text = drawn(plan.clone(), DiffOptions::default());
    assert!(text.lines().count() < 100, "{}", text.lines().count());
    assert!(text.contains("# 297 more a will be created; `--full` shows them"), "{text}");
    assert!((0..9).all(|at| text.contains(&format!("# b.l[{at}] will be destroyed"))));
    assert!(text.find("b.l[0]").unwrap() < text.find("a.m[0]").unwrap());
    let full = drawn(plan, DiffOptions { full: true, color: true, ..DiffOptions::default() });
    assert!((0..300).all(|at| full.contains(&format!("# a.m[{at}] will be created"))));
    assert!(full.contains("\u{1b}[31m  -\u{1b}[0m resource \"b\" \"l\""));
}

#[test]
fn the_text_says_what_the_json_says() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&generated::plan(), |mut plan| {
        // Words without secrets: keys are compared by name.
        for change in plan["resource_changes"].as_array_mut().unwrap() {
            change["change"]["before_sensitive"] = json!(false);
            change["change"]["after_sensitive"] = json!(false);
        }
        plan["variables"] = json!({});
        plan["output_changes"] = json!({});
        plan["configuration"] = json!({});
        let disagreement = disagreement(&plan);
        proptest::prop_assert!(
            disagreement.is_empty(),
            "{}\n{}",
            disagreement.join("\n"),
            drawn(plan, DiffOptions::default())
        );
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn the_text_says_what_public_plans_say() {
    let plans: Vec<_> = documents().into_iter().filter(|(_, document)| is_plan(document)).collect();
    let (mut n_leaves, mut wrong) = (0, Vec::new());
    for (name, plan) in &plans {
        n_leaves += leaves::of_json(plan).len();
        wrong.extend(disagreement(plan).into_iter().map(|line| format!("{name}: {line}")));
    }
    println!("{} plans, {n_leaves} leaves, {} disagreements", plans.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
