//! Compares plans by what they would do.

use devops_core::terraform::{Comparison, Fingerprint, PathPattern, Plan, compare, fingerprint};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::{
    generated,
    public::{documents, is_plan},
};

const KEY: [u8; 32] = [7; 32];

fn of(plan: &Value) -> Fingerprint {
    fingerprint(&Plan::parse(plan.to_string()).unwrap(), Some(&KEY), &[])
}

fn plan() -> Value {
    let change = |address: &str, change: Value| {
        json!({"address": address, "mode": "managed", "type": "a",
        "name": "b", "provider_name": "registry.example/acme/a", "change": change})
    };
    json!({
        "format_version": "1.2", "terraform_version": "1.11.4", "timestamp": "2026-01-01T00:00:00Z", "applyable": true,
        "resource_changes": [
            change("a.made", json!({"actions": ["create"], "before": null, "after": {"size": 2, "tags": {"env": "x"}, "list": ["p", null]},
                "after_unknown": {"id": true, "list": [false, true]}, "before_sensitive": false, "after_sensitive": {}})),
            change("a.changed", json!({"actions": ["update"], "before": {"id": "i", "size": 2, "pw": "old", "same": 1},
                "after": {"id": "i", "size": 3, "pw": "new", "same": 1}, "after_unknown": {}, "before_sensitive": {"pw": true}, "after_sensitive": {"pw": true}})),
            change("a.anew", json!({"actions": ["delete", "create"], "before": {"id": "i", "zone": "a"}, "after": {"zone": "b"},
                "after_unknown": {"id": true}, "replace_paths": [["zone"]]})),
            change("a.gone", json!({"actions": ["delete"], "before": {"id": "g"}, "after": null})),
            change("a.kept", json!({"actions": ["forget"], "before": {"id": "k"}, "after": null})),
            change("a.same", json!({"actions": ["no-op"], "before": {"id": "s"}, "after": {"id": "s"}})),
            {"address": "a.new", "previous_address": "a.old", "type": "a", "change": {"actions": ["no-op"], "before": {"id": "m"}, "after": {"id": "m"}}},
            {"address": "a.taken", "type": "a", "change": {"actions": ["no-op"], "before": {"id": "t"}, "after": {"id": "t"}, "importing": {"id": "t-1"}}},
            {"address": "a.left", "type": "a", "deposed": "00ab", "change": {"actions": ["delete"], "before": {"id": "l"}, "after": null}},
            {"address": "data.a.read", "mode": "data", "type": "a", "change": {"actions": ["read"], "before": null, "after": {"x": 1}, "after_unknown": {"id": true}}},
        ],
        "output_changes": {
            "o": {"actions": ["update"], "before": "x", "after": "y", "after_unknown": false, "before_sensitive": false, "after_sensitive": false},
            "p": {"actions": ["create"], "before": null, "after": "hunter2", "after_sensitive": true},
            "q": {"actions": ["delete"], "before": "z", "after": null},
        },
        "action_invocations": [{"address": "action.x.y", "type": "x", "config_values": {"to": "z"},
            "lifecycle_action_trigger": {"triggering_resource_address": "a.made", "action_trigger_event": "after_create"}}],
        "deferred_changes": [{"reason": "unknown", "resource_change": change("a.later", json!({"actions": ["create"], "after": {"x": 1}}))}],
        "prior_state": {"format_version": "1.0", "values": {"root_module": {"resources": [{"address": "a.same"}]}}},
        "configuration": {"root_module": {}},
    })
}

#[test]
fn twenty_new_plans_of_the_same_configuration_are_the_same() {
    let approved = of(&plan());
    for n in 0..20 {
        let mut again = plan();
        let changes = again["resource_changes"].as_array_mut().unwrap();
        changes.rotate_left(n % 10);
        if n % 2 == 0 {
            changes.reverse();
        }
        changes.retain(|change| n % 3 == 0 || change["address"] != "data.a.read");
        changes.push(json!({"address": format!("a.other{n}"), "change": {"actions": ["no-op"], "before": {"x": n}, "after": {"x": n}}}));
        let one = changes.iter_mut().find(|change| change["address"] == "a.changed").unwrap();
        one["change"]["before"]["same"] = n.into();
        one["change"]["after"]["same"] = n.into();
        again["timestamp"] = format!("2026-02-{:02}T00:00:00Z", n + 1).into();
        again["terraform_version"] = format!("1.11.{n}").into();
        again["format_version"] = if n % 4 == 0 { "1.1" } else { "1.2" }.into();
        again["prior_state"] = json!({"values": {"root_module": {"resources": [{"address": "a.b", "values": {"n": n}}]}}});
        again["resource_drift"] = json!([{"address": "a.changed", "change": {"actions": ["update"], "before": {"n": n}}}]);
        again["configuration"] = json!({"root_module": {"variables": {"v": {"default": n}}}});
        again["output_changes"]["same"] = json!({"actions": ["no-op"], "before": n, "after": n});
        assert_eq!(of(&again), approved, "{n}");
        assert_eq!(compare(&approved, &of(&again)), Comparison::Same);
    }
}

/// Returns the pointers and values of single mutations.
fn mutations() -> Vec<(&'static str, Value)> {
    vec![
        ("/resource_changes/0/address", json!("a.other")),
        ("/resource_changes/0/provider_name", json!("registry.example/acme/b")),
        ("/resource_changes/0/change/after/size", json!(3)),
        ("/resource_changes/0/change/after/size", json!("2")),
        ("/resource_changes/0/change/after/size", json!(2.0)),
        ("/resource_changes/0/change/after/size", Value::Null),
        ("/resource_changes/0/change/after/tags/env", json!("y")),
        ("/resource_changes/0/change/after/tags", json!({})),
        ("/resource_changes/0/change/after/tags", json!({"env": "x", "b": "c"})),
        ("/resource_changes/0/change/after/list", json!(["q", null])),
        ("/resource_changes/0/change/after/list", json!(["p", null, "q"])),
        ("/resource_changes/0/change/after_unknown/id", json!(false)),
        ("/resource_changes/0/change/after_unknown/list", json!([false, false])),
        (
            "/resource_changes/0/change/after_unknown",
            json!({"id": true, "list": [false, true], "size": true}),
        ),
        ("/resource_changes/0/change/after_sensitive", json!({"size": true})),
        ("/resource_changes/0/change/actions", json!(["update"])),
        ("/resource_changes/0/change/actions", json!(["no-op"])),
        ("/resource_changes/1/change/after/size", json!(4)),
        ("/resource_changes/1/change/before/size", json!(1)),
        ("/resource_changes/1/change/after/pw", json!("newer")),
        ("/resource_changes/1/change/before/pw", json!("older")),
        ("/resource_changes/1/change/after_sensitive", json!({})),
        ("/resource_changes/1/change/after/same", json!(2)),
        ("/resource_changes/1/change/actions", json!(["delete", "create"])),
        ("/resource_changes/1/change/actions", json!(["delete"])),
        ("/resource_changes/2/change/replace_paths", json!([["zone"], ["id"]])),
        ("/resource_changes/2/change/actions", json!(["create", "delete"])),
        ("/resource_changes/3/change/actions", json!(["forget"])),
        ("/resource_changes/3/change/before/id", json!("h")),
        ("/resource_changes/4/change/actions", json!(["delete"])),
        ("/resource_changes/5/change/actions", json!(["delete"])),
        ("/resource_changes/6/previous_address", json!("a.older")),
        ("/resource_changes/6/previous_address", Value::Null),
        ("/resource_changes/7/change/importing/id", json!("t-2")),
        ("/resource_changes/7/change/importing", Value::Null),
        ("/resource_changes/8/deposed", json!("00ac")),
        ("/resource_changes/8/deposed", Value::Null),
        ("/output_changes/o/after", json!("z")),
        ("/output_changes/o/actions", json!(["delete"])),
        ("/output_changes/p/after", json!("hunter3")),
        ("/output_changes/p/after_sensitive", json!(false)),
        ("/output_changes/q", json!({"actions": ["no-op"]})),
        ("/action_invocations", json!([])),
        ("/action_invocations/0/address", json!("action.x.z")),
        ("/action_invocations/0/config_values/to", json!("y")),
        (
            "/action_invocations/0/lifecycle_action_trigger/action_trigger_event",
            json!("before_create"),
        ),
        ("/deferred_changes", json!([])),
    ]
}

#[test]
fn the_order_of_keys_does_not_count() {
    let json = r#"{"format_version": "1.2", "resource_changes": [{"address": "a.b", "change": {
        "actions": ["update"], "before": {"x": "text"}, "after": {"x": KEYS, "y": KEYS}, "after_sensitive": {"y": true}}}]}"#;
    let of = |keys: &str| {
        fingerprint(&Plan::parse(json.replace("KEYS", keys)).unwrap(), Some(&KEY), &[]).to_string()
    };
    assert_eq!(
        of(r#"{"b": 1, "a": [{"d": 1, "c": 2}]}"#),
        of(r#"{"a": [{"c": 2, "d": 1}], "b": 1}"#)
    );
    // As it was when it was defined: seals hold these.
    assert_eq!(of("{}"), "tf1:e99759214d2a2b8b6f7583b06a748b6f042f2dcc53e3accd5fce7d44e1ff6443");
}

#[test]
fn every_single_mutation_differs() {
    let (approved, all) = (of(&plan()), mutations());
    assert!(all.len() >= 40);
    for (pointer, value) in all {
        let mut mutated = plan();
        *mutated.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value.clone();
        assert_ne!(of(&mutated), approved, "{pointer} {value}");
        assert_ne!(compare(&approved, &of(&mutated)), Comparison::Same, "{pointer} {value}");
    }
}

#[test]
fn what_a_half_done_apply_leaves_is_a_subset() {
    let approved = of(&plan());
    let mut rest = plan();
    rest["resource_changes"][0]["change"] =
        json!({"actions": ["no-op"], "before": {}, "after": {}});
    rest["resource_changes"].as_array_mut().unwrap().remove(3);
    rest["action_invocations"] = json!([]);
    let Comparison::Subset(missing) = compare(&approved, &of(&rest)) else {
        panic!("{:?}", compare(&approved, &of(&rest)));
    };
    assert_eq!(
        missing,
        ["create of a.made", "destroy of a.gone", "invocation of action.x.y after_create a.made"]
    );

    rest["resource_changes"][1]["change"]["after"]["size"] = 9.into();
    let Comparison::Differs(differences) = compare(&approved, &of(&rest)) else { panic!() };
    assert_eq!(differences[0], "update of a.changed is not as approved");
    let Comparison::Differs(differences) = compare(&of(&rest), &approved) else { panic!() };
    assert!(
        differences.contains(&"create of a.made was not approved".to_owned()),
        "{differences:?}"
    );
}

#[test]
fn volatile_paths_do_not_count() {
    let volatile: Vec<PathPattern> = ["a.made:tags.env", "a.changed:*", "output.o:*"]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let of = |plan: &Value| fingerprint(&Plan::parse(plan.to_string()).unwrap(), None, &volatile);
    let mut again = plan();
    again["resource_changes"][0]["change"]["after"]["tags"]["env"] = "2026".into();
    again["resource_changes"][1]["change"] = json!({"actions": ["no-op"]});
    again["output_changes"]["o"]["after"] = "now".into();
    assert_eq!(of(&again), of(&plan()));
    again["resource_changes"][1]["change"] = json!({"actions": ["delete"]});
    assert_ne!(of(&again), of(&plan()));
}

#[test]
fn without_a_key_a_sensitive_leaf_counts_only_by_its_change() {
    let of = |plan: &Value, key| fingerprint(&Plan::parse(plan.to_string()).unwrap(), key, &[]);
    let (mut other, mut same) = (plan(), plan());
    other["resource_changes"][1]["change"]["after"]["pw"] = "newer".into();
    same["resource_changes"][1]["change"]["after"]["pw"] = "old".into();

    assert_eq!(of(&other, None), of(&plan(), None));
    assert_ne!(of(&same, None), of(&plan(), None));
    assert_ne!(of(&other, Some(&KEY)), of(&plan(), Some(&KEY)));
    let json = serde_json::to_string(&of(&plan(), Some(&KEY))).unwrap();
    assert!(!json.contains("hunter2") && !json.contains("\"old\""), "{json}");
}

#[test]
fn a_bare_fingerprint_tells_the_same_from_others_and_no_more() {
    let whole = of(&plan());
    let bare: Fingerprint = whole.to_string().parse().unwrap();
    assert!(whole.to_string().starts_with("tf1:") && whole.has_changes() && !bare.has_changes());
    assert_eq!(compare(&bare, &whole), Comparison::Same);
    let mut rest = plan();
    rest["action_invocations"] = json!([]);
    assert!(matches!(compare(&bare, &of(&rest)), Comparison::Differs(_)));
    let read: Fingerprint = serde_json::from_str(&serde_json::to_string(&whole).unwrap()).unwrap();
    assert_eq!(read, whole);
    for wrong in ["", "tf1:", "tf1:zz", "tf2:00"] {
        assert!(wrong.parse::<Fingerprint>().is_err(), "{wrong}");
    }
}

/// Checks that a plan is the same in another order, a superset of itself without a change, and another
/// with a changed value.
fn check(plan: &Value) -> Result<usize, String> {
    let approved = of(plan);
    let mut other = plan.clone();
    let Some(changes) = other["resource_changes"].as_array_mut() else { return Ok(0) };
    changes.reverse();
    if of(&other) != approved {
        return Err("the order counts".to_owned());
    }
    let actions: Vec<_> = plan["resource_changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["change"]["actions"].clone())
        .collect();
    let mut n_checked = 0;
    for (at, actions) in actions.iter().enumerate() {
        if [json!(["no-op"]), json!(["read"])].contains(actions) {
            continue;
        }
        let mut rest = plan.clone();
        rest["resource_changes"].as_array_mut().unwrap().remove(at);
        if !matches!(compare(&approved, &of(&rest)), Comparison::Subset(_)) {
            return Err(format!("without change {at} it is no subset"));
        }
        let mut mutated = plan.clone();
        mutated["resource_changes"][at]["change"]["after"]["mutated"] = true.into();
        if actions != &json!(["delete"])
            && actions != &json!(["forget"])
            && !matches!(compare(&approved, &of(&mutated)), Comparison::Differs(_))
        {
            return Err(format!("a mutation of change {at} is not seen"));
        }
        n_checked += 1;
    }
    Ok(n_checked)
}

#[test]
fn generated_and_public_plans_compare() {
    let config = Config { cases: 100, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&generated::plan(), |plan| {
        check(&plan).map(|_| ()).map_err(proptest::test_runner::TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
    let mut n_checked = 0;
    for (name, plan) in documents().into_iter().filter(|(_, document)| is_plan(document)) {
        n_checked += check(&plan).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    println!("{n_checked} changes of public plans compared");
}
