//! Reads plans of every format and encoding.

use devops_core::terraform::{Change, DiffOptions, Plan, Secrets, diff};
use serde_json::json;

const PLAN: &str = r#"{"format_version": "1.2", "terraform_version": "1.14.0", "applyable": true,
    "complete": false, "errored": true,
    "resource_changes": [
        {"address": "a.b", "mode": "managed", "type": "a", "name": "b", "provider_name": "p/a",
         "previous_address": "a.old", "deposed": "00ab", "action_reason": "replace_by_request",
         "change": {"actions": ["create", "delete"], "before": {}, "after": {}, "importing": {"id": "i-1"}}},
        {"address": "data.a.b", "mode": "data", "change": {"actions": ["read"]}}],
    "deferred_changes": [{"reason": "instance_count_unknown", "resource_change": {
        "address": "a.later", "change": {"actions": ["create"]}}}],
    "action_invocations": [{"address": "action.x.y", "type": "x", "lifecycle_action_trigger": {
        "triggering_resource_address": "a.b", "action_trigger_event": "after_create"}}],
    "deferred_action_invocations": [{"action_invocation": {"address": "action.x.z"}}],
    "checks": null}"#;

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn a_plan_says_all_that_would_be_done() {
    let plan = Plan::parse(PLAN).unwrap();

    let changes: Vec<_> = plan.changes().collect();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].change, Change::Replace);
    assert_eq!(changes[0].actions, ["create", "delete"]);
    assert_eq!(changes[0].deposed.as_deref(), Some("00ab"));
    assert_eq!(changes[0].import_id.as_deref(), Some("i-1"));
    assert_eq!(changes[0].action_reason.as_deref(), Some("replace_by_request"));
    assert!(changes[0].moved && changes[0].imported);
    assert_eq!(plan.resources().filter(|resource| resource.deferred).count(), 1);
    let invocation = plan.invocations().next().unwrap();
    assert_eq!(invocation.trigger.as_ref().unwrap().event, "after_create");
    assert_eq!(plan.summary().invoke, 1);
    assert_eq!(plan.deferred_invocations().count(), 1);
    assert!(plan.errored() && plan.complete() == Some(false) && plan.applyable() == Some(true));
    assert_eq!(format!("{:?}", changes[0]), "replace a.b");
}

#[test]
fn a_plan_is_read_in_every_encoding_and_from_behind_a_wrapper() {
    let mark = |mark: &[u8], rest: Vec<u8>| [mark, &rest].concat();
    let wrapped = format!("[command]/usr/bin/terraform show -json p\n{PLAN}\n\n::debug::done\n");
    for json in [
        PLAN.as_bytes().to_vec(),
        mark(b"\xef\xbb\xbf", PLAN.into()),
        mark(b"\xff\xfe", utf16(PLAN, u16::to_le_bytes)),
        mark(b"\xfe\xff", utf16(PLAN, u16::to_be_bytes)),
        utf16(PLAN, u16::to_le_bytes),
        utf16(PLAN, u16::to_be_bytes),
        wrapped.clone().into_bytes(),
        mark(b"\xff\xfe", utf16(&wrapped, u16::to_le_bytes)),
        PLAN.replace("\"1.2\"", "\"0.1\"").into_bytes(),
    ] {
        let begin = String::from_utf8_lossy(&json[..8]).into_owned();
        let plan = Plan::parse(json).unwrap_or_else(|error| panic!("{begin}: {error}"));
        assert_eq!(plan.changes().next().unwrap().address, "a.b", "{begin}");
    }
}

#[test]
fn a_plan_of_actions_alone_is_one() {
    let plan = r#"{"format_version": "1.2", "applyable": true,
        "action_invocations": [{"address": "action.x.y", "type": "x"}]}"#;
    assert_eq!(Plan::parse(plan).unwrap().invocations().count(), 1);
}

#[test]
fn what_is_no_plan_is_refused_without_quoting_it() {
    for (json, reason) in [
        ("{\"format_version\": \"2.0\"}", "format version `2.0` is not 1.x"),
        ("{}", "it names no format version"),
        // An empty file, a state, and a configuration that is not valid.
        ("{\"format_version\": \"1.2\"}", "it has none of the parts of a plan"),
        ("{\"format_version\": \"1.0\", \"values\": {\"root_module\": {}}}", "it has none of"),
        ("{\"format_version\": \"1.0\", \"valid\": false, \"error_count\": 3}", "it has none of"),
        ("hunter2", "line 1, column 1"),
        ("", "line 1, column 0"),
        ("{\"format_version\": \"1.0\", \"resource_changes\": \"hunter2\"}", "line 1, column"),
    ] {
        let error = Plan::parse(json).unwrap_err();
        assert!(error.starts_with(reason), "{json}: {error}");
    }
    assert!(Plan::parse(*b"\xff\xfe{\x00\x00").unwrap_err().contains("UTF-16"));
}

#[test]
fn values_nest_deeply_up_to_a_limit() {
    let plan = |field: &str, depth: usize| {
        let value = format!("{}\"x\"{}", "[".repeat(depth), "]".repeat(depth));
        let output = json!({"actions": ["create"], "before": null, "after": "VALUE"});
        let plan = json!({"format_version": "1.2", "output_changes": {"o": output}, "new": "NEW"});
        Plan::parse(plan.to_string().replace(&format!("\"{field}\""), &value))
    };
    let deep = plan("VALUE", 300).unwrap();
    assert!(diff(&deep, &Secrets::default(), DiffOptions::default()).get().contains("\"x\""));
    let shown = Secrets::default().plan_json(deep).into_inner();
    assert!(shown.to_string().contains(&"[".repeat(300)));
    assert!(plan("NEW", 300).is_ok());
    for field in ["VALUE", "NEW"] {
        let error = plan(field, 501).unwrap_err();
        assert!(error.starts_with("values are nested more than 500 levels deep"), "{error}");
    }
}

fn drift(drifted: &str, outputs: &str, relevant: &str) -> (Vec<String>, Vec<String>) {
    let json = format!(
        r#"{{"format_version": "1.2", "resource_drift": [{drifted}], "relevant_attributes": [{relevant}],
        "output_changes": {{"o": {{"actions": ["update"]}}, "new": {{"actions": ["create"]}}}},
        "configuration": {{"root_module": {{"outputs": {{"o": {{"expression": {outputs}}},
            "new": {{"expression": {{"references": ["a.b"]}}}}}}}}}}}}"#
    );
    let plan = Plan::parse(json).unwrap();
    let addresses = plan.drift().map(|resource| resource.address.clone()).collect();
    (addresses, plan.drifted_outputs().map(str::to_owned).collect())
}

#[test]
fn drift_is_what_changed_outside_and_not_what_the_configuration_changes() {
    let updated = r#"{"address": "module.m[0].a.b[\"k.x\"]", "change": {"actions": ["update"]}}"#;
    let moved =
        r#"{"address": "a.c", "previous_address": "a.d", "change": {"actions": ["no-op"]}}"#;
    let refers = |to: &str| format!(r#"{{"references": ["{to}.id", "{to}"]}}"#);

    assert_eq!(drift(moved, r#"{"constant_value": "edited"}"#, ""), (vec![], vec![]));
    for (to, relevant, drifts) in [
        ("module.m.ids", "", true),
        ("module.m", "", true),
        ("module.n.ids", "", false),
        ("a.b", "", false),
        ("data.x.y", "", true),
        ("module.m.module.n.ids", "", false),
        ("local.x", "", false),
        ("local.x", r#"{"resource": "module.m[0].a.b", "attribute": ["id"]}"#, true),
        ("local.x", r#"{"resource": "a.other", "attribute": ["id"]}"#, false),
    ] {
        let (resources, outputs) = drift(updated, &refers(to), relevant);
        assert_eq!(resources.len(), 1);
        assert_eq!(!outputs.is_empty(), drifts, "{to} {relevant}");
    }
}
