//! Hides what is secret wherever terraform shows it, and nothing of the structure.

use devops_core::{
    secret::Secret,
    terraform::{DiffOptions, Plan, Secrets, diff},
};
use serde_json::{Value, json};

const HIDDEN: &str = "(sensitive value)";

fn redacted_plan(mut plan: Value) -> Value {
    plan["format_version"] = "1.2".into();
    plan.as_object_mut().unwrap().entry("planned_values").or_insert_with(|| json!({}));
    let plan = Plan::parse(plan.to_string()).unwrap();
    Secrets::default().plan_json(plan).into_inner()
}

fn redacted_state(state: &Value) -> Value {
    Secrets::default().state_json(state.to_string().as_bytes()).unwrap().into_inner()
}

/// Returns the secrets of a state with one sensitive output.
fn learned(value: &Value) -> Secrets {
    let state = json!({"values": {"outputs": {"k": {"sensitive": true, "value": value}}}});
    let mut secrets = Secrets::default();
    secrets.add_state_secrets(state.to_string().as_bytes()).unwrap();
    secrets
}

fn resource(values: &Value, marks: &Value) -> Value {
    json!({"values": {"root_module": {"resources": [{
        "address": "a.b", "mode": "managed", "type": "a", "name": "b",
        "values": values, "sensitive_values": marks,
    }]}}})
}

fn values(state: &Value) -> &Value {
    &state["values"]["root_module"]["resources"][0]["values"]
}

fn text(secrets: &Secrets, text: &str) -> String {
    secrets.text(text).into_inner()
}

#[test]
fn a_secret_is_hidden_in_every_place_that_terraform_writes_it_to() {
    let plan = redacted_plan(json!({
        "variables": {"pw": {"value": "hunter2"}, "size": {"value": "small"}},
        "planned_values": {
            "outputs": {"o": {"sensitive": true, "value": "hunter2"}},
            "root_module": {"child_modules": [{"resources": [{
                "address": "a.b",
                "values": {"input": {"list": ["x", "hunter2"]}, "size": "small"},
                "sensitive_values": {"input": {"list": [false, true]}},
            }]}]},
        },
        "resource_changes": [{"address": "a.b", "change": {"actions": ["update"],
            "before": {"input": "old-secret"}, "before_sensitive": {"input": true},
            "after": {"input": "hunter2"}, "after_sensitive": {"input": true},
        }}],
        "output_changes": {"o": {"actions": ["update"], "before": null, "before_sensitive": true,
                                 "after": "hunter2", "after_sensitive": true}},
        "prior_state": {"values": {"outputs": {"o": {"sensitive": true, "value": "old-secret"}}}},
        "configuration": {
            "provider_config": {"p": {"expressions": {"token": {"constant_value": "t0ken"}}}},
            "root_module": {
                "variables": {"pw": {"sensitive": true, "default": "hunter2"}, "size": {}},
                "resources": [{"expressions": {"command": {"constant_value": "login hunter2"}}}],
            },
        },
        "checks": [{"problems": [{"message": "old-secret is weak"}]}],
    }));

    let text = plan.to_string();
    for secret in ["hunter2", "old-secret", "t0ken"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(plan["variables"]["size"]["value"], "small");
    assert_eq!(plan["output_changes"]["o"]["before"], Value::Null);
}

#[test]
fn secrets_of_called_modules_are_hidden() {
    let plan = redacted_plan(json!({"configuration": {"root_module": {"module_calls": {"m": {
        "expressions": {"pw": {"constant_value": "hunter2"}, "n": {"constant_value": "plain"}},
        "module": {"variables": {"pw": {"sensitive": true, "default": "fallback"}, "n": {}}},
    }}}}}));

    let text = plan.to_string();
    assert!(!text.contains("hunter2") && !text.contains("fallback") && text.contains("plain"));
}

#[test]
fn structure_stays_whatever_is_secret() {
    let login = json!({"engine": "postgres", "username": "terraform", "resource": "default",
                       "password": "correct-horse-9", "provider": "registry.example/acme/db"});
    let plan = json!({
        "variables": {"postgres": {"value": login}},
        "resource_changes": [{
            "address": "module.default.acme_postgres.terraform[\"postgres\"]", "mode": "managed",
            "module_address": "module.default", "type": "acme_postgres", "name": "terraform",
            "index": "postgres", "provider_name": "registry.example/acme/db", "deposed": "postgres",
            "previous_address": "acme_postgres.terraform", "action_reason": "replace_by_triggers",
            "change": {"actions": ["delete", "create"], "before": {"postgres": login, "engine": "postgres"},
                "after": {"postgres": login, "engine": "postgres", "note": "x correct-horse-9 y"},
                "after_unknown": {"terraform": true}, "before_sensitive": {"postgres": true},
                "after_sensitive": {"postgres": true}, "replace_paths": [["postgres"], ["engine"]]},
        }],
        "output_changes": {"terraform": {"actions": ["no-op"], "before": 1, "after": 1}},
        "relevant_attributes": [{"resource": "acme_postgres.terraform", "attribute": ["postgres"]}],
        "configuration": {
            "provider_config": {"postgres": {"name": "postgres", "alias": "postgres", "full_name": "registry.example/acme/db"}},
            "root_module": {
                "outputs": {"terraform": {"expression": {"references": ["acme_postgres.terraform", "postgres"]}}},
                "variables": {"postgres": {"sensitive": true}},
                "resources": [{"address": "acme_postgres.terraform", "provider_config_key": "postgres",
                    "type": "acme_postgres", "name": "terraform",
                    "expressions": {"engine": {"references": ["var.postgres"]}, "value": {"references": ["terraform"]}}}],
            },
        },
    });
    let shown = redacted_plan(plan.clone());

    let change = |plan: &Value, field: &str| plan["resource_changes"][0][field].clone();
    for field in [
        "address",
        "module_address",
        "type",
        "name",
        "index",
        "provider_name",
        "deposed",
        "previous_address",
        "action_reason",
    ] {
        assert_eq!(change(&shown, field), change(&plan, field), "{field}");
    }
    for pointer in [
        "/resource_changes/0/change/actions",
        "/resource_changes/0/change/replace_paths",
        "/resource_changes/0/change/after_unknown",
        "/resource_changes/0/change/after_sensitive",
        "/output_changes",
        "/relevant_attributes",
        "/configuration/provider_config",
        "/configuration/root_module",
    ] {
        assert_eq!(shown.pointer(pointer), plan.pointer(pointer), "{pointer}");
    }
    let after = &shown["resource_changes"][0]["change"]["after"];
    assert_eq!(
        *after,
        json!({"postgres": HIDDEN, "engine": HIDDEN, "note": "x (sensitive value) y"})
    );
}

#[test]
fn events_keep_addresses_and_words_of_terraform() {
    let plan = json!({"format_version": "1.2", "resource_changes": [
        {"address": "acme.postgres", "type": "acme", "change": {"actions": ["create"],
         "after": {"a": ["postgres", "Creating", "hunter2-x", "terraform"]}, "after_sensitive": {"a": true}}}]});
    let mut secrets = Secrets::default();
    secrets.add_plan_secrets(&Plan::parse(plan.to_string()).unwrap());
    let hook = json!({"resource": {"addr": "acme.postgres", "resource_name": "postgres", "resource_key": "postgres",
        "module": "", "resource": "acme.postgres", "implied_provider": "postgres"}, "action": "create"});
    let event = |kind: &str, message: &str, extra: Value| {
        let mut event = json!({"@level": "info", "@message": message, "type": kind, "hook": hook});
        event.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let shown = secrets.event(event).into_inner();
        assert_eq!(shown["hook"]["resource"], hook["resource"]);
        shown
    };

    let start = event("apply_start", "acme.postgres: Creating...", json!({}));
    assert_eq!(start["@message"], "acme.postgres: Creating...");
    let done = event(
        "apply_complete",
        "acme.postgres: Creation complete after 0s [id=hunter2-x]",
        json!({}),
    );
    assert_eq!(
        done["@message"],
        "acme.postgres: Creation complete after 0s [id=(sensitive value)]"
    );
    let diagnostic = json!({"diagnostic": {"severity": "error", "summary": "postgres refused hunter2-x",
        "detail": "acme.postgres: the password\n  hunter2-x is wrong", "address": "acme.postgres",
        "snippet": {"context": "resource \"acme\" \"postgres\"", "code": "pw = \"hunter2-x\"",
            "values": [{"traversal": "acme.postgres", "statement": "is \"hunter2-x\""}]}}});
    let failed = event("diagnostic", "Error: acme.postgres said hunter2-x", diagnostic);
    assert_eq!(failed["@message"], "Error: acme.postgres said (sensitive value)");
    assert_eq!(failed["diagnostic"]["address"], "acme.postgres");
    assert_eq!(failed["diagnostic"]["snippet"]["context"], "resource \"acme\" \"postgres\"");
    assert!(!failed.to_string().contains("hunter2"), "{failed}");
    let outputs = json!({"outputs": {"postgres": {"sensitive": true, "type": "string", "value": "hunter2"},
        "b": {"sensitive": false, "type": "string", "value": "hunter2-x"}}});
    let outputs = event("outputs", "Outputs: 2", outputs);
    assert_eq!(outputs["outputs"]["postgres"], json!({"sensitive": true, "type": "string"}));
    assert_eq!(outputs["outputs"]["b"]["value"], HIDDEN);
    let mut short = learned(&json!("ab"));
    short.add_plan_secrets(&Plan::parse(plan.to_string()).unwrap());
    let shown = short.event(json!({"type": "diagnostic", "diagnostic": {"detail": "ab"}}));
    assert_eq!(shown.get()["diagnostic"]["detail"], HIDDEN);
    let unknown =
        event("of_the_future", "acme.postgres does hunter2-x", json!({"new": ["hunter2-x"]}));
    assert_eq!(unknown["@message"], "acme.postgres does (sensitive value)");
    assert_eq!(unknown["new"], json!([HIDDEN]));
}

#[test]
fn lines_of_files_that_hold_values_are_left_out_of_errors() {
    let error = |file: &str, code: &str| {
        json!({"severity": "error", "summary": "Bad", "range": {"filename": file, "start": {"line": 1}},
            "detail": "No \"C4n4ry/Pass+word==\" and no Tfv4rsC4n4ry here.",
            "snippet": {"code": code, "start_line": 1, "values": [{"traversal": "a", "statement": "is \"x\""}]}})
    };
    let secrets = Secrets::default();
    for (file, code) in [
        ("x.auto.tfvars.json", "{\"pw\":\"Tfv4rsC4n4ry\",\"n\":\"C4n4ry/Pass+word==\",}"),
        ("terraform.tfvars", "pw = Tfv4rsC4n4ry\nconn = {pass=\"C4n4ry/Pass+word==\"}"),
        ("b.hcl", "x = [Tfv4rsC4n4ry, \"C4n4ry/Pass+word==\"]"),
        ("<value for var.x>", "[\"C4n4ry/Pass+word==\",Tfv4rsC4n4ry"),
    ] {
        let one = json!({"type": "diagnostic", "diagnostic": error(file, code)});
        let shown = secrets.event(one).into_inner();
        assert!(!shown.to_string().contains("4ry"), "{shown}");
        assert_eq!(shown["diagnostic"]["range"]["filename"], file);
        let several =
            secrets.event(json!({"diagnostics": [error("a.tf", "x"), error(file, code)]}));
        assert!(!several.get()["diagnostics"][1].to_string().contains("4ry"), "{several:?}");
        assert_eq!(several.get()["diagnostics"][0]["snippet"]["code"], "x");
    }
    for file in ["main.tf", "m.tf.json", "m.tofu", "a.tftest.hcl", "a.tftest.json"] {
        let one = json!({"type": "diagnostic", "diagnostic": error(file, "x = Tfv4rsC4n4ry")});
        assert_eq!(secrets.event(one.clone()).into_inner(), one);
    }
}

#[test]
fn an_address_protects_itself_and_not_what_it_begins() {
    let plan = json!({"format_version": "1.2", "resource_changes": [
        {"address": "acme.postgres", "change": {"actions": ["create"], "after": {"a": "postgres-hunter2", "b": "postgres"},
         "after_sensitive": {"a": true, "b": true}}}]});
    let mut secrets = Secrets::default();
    secrets.add_plan_secrets(&Plan::parse(plan.to_string()).unwrap());

    for (line, clean) in [
        ("acme.postgres: Creating...", "acme.postgres: Creating..."),
        ("module.x.acme.postgres[0]", "module.x.acme.postgres[0]"),
        ("acme.postgres-hunter2", "acme.(sensitive value)"),
        ("acme.postgres2", "acme.(sensitive value)2"),
        ("postgres is down", "(sensitive value) is down"),
        ("POSTGRES-HUNTER2", HIDDEN),
    ] {
        assert_eq!(text(&secrets, line), clean);
    }
}

#[test]
fn every_form_that_terraform_and_providers_print_is_hidden() {
    let secret = "p\u{e4}ss/w&rd <1>\"${x}%?";
    let mut secrets = Secrets::default();
    secrets.add_given(&Secret::new(secret));

    for form in [
        "p\u{e4}ss/w&rd <1>\"${x}%?",
        "p\u{e4}ss/w&rd <1>\\\"${x}%?",
        "p\u{e4}ss/w&rd <1>\\\"$${x}%?",
        "p\u{e4}ss/w\\u0026rd \\u003c1\\u003e\\\"${x}%?",
        "p\u{e4}ss/w\\\\u0026rd \\\\u003c1\\\\u003e\\\\\\\"${x}%?",
        "p%C3%A4ss%2Fw%26rd+%3C1%3E%22%24%7Bx%7D%25%3F",
        "p%c3%a4ss%2fw%26rd%20%3c1%3e%22%24%7bx%7d%25%3f",
    ] {
        assert_eq!(text(&secrets, &format!("got {form}.")), "got (sensitive value).", "{form}");
    }
    // `user:SECRET` and others before it, in base64 of both alphabets.
    for encoded in [
        "cMOkc3MvdyZyZCA8MT4iJHt4fSU/",
        "dTpww6Rzcy93JnJkIDwxPiIke3h9JT8K",
        "dXU6cMOkc3MvdyZyZCA8MT4iJHt4fSU/",
        "cMOkc3MvdyZyZCA8MT4iJHt4fSU_",
    ] {
        assert_eq!(
            text(&secrets, &format!("Basic {encoded}, x")),
            "Basic (sensitive value), x",
            "{encoded}"
        );
    }
}

#[test]
fn a_secret_with_spaces_is_found_where_it_was_wrapped() {
    let mut secrets = Secrets::default();
    secrets.add_given(&Secret::new("correct horse  battery staple"));

    for (given, clean) in [
        ("a correct horse battery staple b", "a (sensitive value) b"),
        ("│ is correct horse\n│ battery staple, and", "│ is (sensitive value), and"),
        ("x correct\r\n    horse battery\tstaple", "x (sensitive value)"),
        ("\u{1b}[31mcorrect\u{1b}[0m horse battery staple", "\u{1b}[31m(sensitive value)"),
        ("a correct horse", "a correct horse"),
    ] {
        assert_eq!(text(&secrets, given), clean, "{given}");
    }
}

#[test]
fn lines_of_a_long_secret_are_hidden_and_lines_of_any_yaml_are_not() {
    let secrets = learned(&json!(
        "-----BEGIN KEY-----\n  c2VjcmV0MQ\n-----END KEY-----\n- destroy\nname: postgres\nuser\npassword: hunter2!x\n"
    ));

    for (line, clean) in [
        ("  - destroy", "  - destroy"),
        ("Plan: 1 to add, - destroy", "Plan: 1 to add, - destroy"),
        ("name: postgres", "name: postgres"),
        ("user", "user"),
        ("   + c2VjcmV0MQ", "   + (sensitive value)"),
        ("x password: hunter2!x", "x (sensitive value)"),
        // Output of a provisioner is not text of terraform.
        ("a.b (local-exec): user", "a.b (local-exec): (sensitive value)"),
        ("a.b (local-exec): name: postgres\nuser", "a.b (local-exec): (sensitive value)\nuser"),
        ("a.b (local-exec): - destroy", "a.b (local-exec): - destroy"),
        ("a.b (local-exec): some user", "a.b (local-exec): some user"),
    ] {
        assert_eq!(text(&secrets, line), clean);
    }
    let event = json!({"@level": "info", "@message": "a.b (local-exec): user", "type": "provision_output",
        "hook": {"resource": {"addr": "a.b"}, "provisioner": "local-exec", "output": "user"}});
    let event = secrets.event(event).into_inner();
    assert_eq!(event["hook"]["output"], "(sensitive value)");
    assert_eq!(event["@message"], "a.b (local-exec): (sensitive value)");
    let whole = "<<-EOT\n      + -----BEGIN KEY-----\n      +   c2VjcmV0MQ\n      + -----END KEY-----\n      + - destroy\n      + name: postgres\n      + user\n      + password: hunter2!x\n    EOT";
    assert_eq!(text(&secrets, whole), "<<-EOT\n      + (sensitive value)\n    EOT");
}

#[test]
fn numbers_and_what_json_texts_say_are_hidden() {
    let secrets = learned(&json!({
        "port": 54321, "small": 7, "ratio": -12.345,
        "json": "{\"user\": \"root\", \"deep\": [{\"pw\": \"hunter2\"}], \"pin\": 98765, \"on\": true}",
    }));

    for (line, clean) in [
        ("+ a = 54321", "+ a = (sensitive value)"),
        ("+ a = 154321, 543210, x54321", "+ a = 154321, 543210, x54321"),
        ("size = 7, off = true", "size = 7, off = true"),
        ("share = -12.345", "share = (sensitive value)"),
        ("login = \"root\", root", "login = (sensitive value), root"),
        ("pw is hunter2", "pw is (sensitive value)"),
        ("code = 98765", "code = (sensitive value)"),
    ] {
        assert_eq!(text(&secrets, line), clean);
    }
    let mut given = Secrets::default();
    given.add_given(&Secret::new("{ user = \"root-x\", pw = \"hunter22\" }"));
    assert_eq!(text(&given, "root-x has hunter22"), "(sensitive value) has (sensitive value)");
}

#[test]
fn numbers_of_any_size_are_hidden_with_every_digit() {
    let large = "123456789012345678901234567890";
    let state = format!(
        r#"{{"values": {{"root_module": {{"resources": [{{"type": "t",
            "values": {{"n": {large}, "f": 0.1234567890123456789012, "j": "[98765432109876543210]",
                        "copy": [{large}, 4321], "plain": 18446744073709551617}},
            "sensitive_values": {{"n": true, "f": true, "j": true}}}}]}}}}}}"#
    );
    let mut secrets = Secrets::default();
    let shown = secrets.state_json(state.as_bytes()).unwrap().into_inner();
    secrets.add_state_secrets(state.as_bytes()).unwrap();

    assert_eq!(values(&shown)["copy"], json!([HIDDEN, 4321]));
    assert_eq!(values(&shown)["plain"].to_string(), "18446744073709551617");
    for number in [large, "0.1234567890123456789012", "98765432109876543210"] {
        assert_eq!(text(&secrets, &format!("n = {number}")), format!("n = {HIDDEN}"));
    }
    assert_eq!(text(&secrets, "n = 1.2345678901234568e+29"), "n = 1.2345678901234568e+29");
}

#[test]
fn keys_within_a_sensitive_value_are_hidden_where_its_copies_carry_no_mark() {
    let shown = redacted_state(&resource(
        &json!({
            "input": {"hunter2": {"input": 1, "to-ken": 2}, "alice": "x1"},
            "output": {"hunter2": {"input": 1, "to-ken": 2}, "type": "x", "alice": "x1"},
            "block": [{"alice": "another"}],
            "list": ["hunter2", "hunter22"],
        }),
        &json!({"input": true}),
    ));

    let values = values(&shown);
    assert_eq!(
        values["output"],
        json!({HIDDEN: HIDDEN, "(sensitive value) 2": {"input": 1, HIDDEN: 2}, "type": "x"})
    );
    assert_eq!(values["block"], json!([{"alice": "another"}]));
    assert_eq!(values["list"], json!([HIDDEN, "hunter22"]));
}

#[test]
fn keys_that_hold_a_secret_are_hidden_and_names_of_a_schema_stay() {
    let map = json!({"user-C4n4ryKey9": 1, "C4n4ryKey9": {"x": "y"}, "user-c4n4rykey9": 2, "plain": "C4n4ryKey9"});
    let clean = json!({"user-(sensitive value)": 1, HIDDEN: {"x": "y"}, "user-(sensitive value) 2": 2, "plain": HIDDEN});
    let plan = json!({
        "variables": {"pw": {"value": "C4n4ryKey9"}, "word": {"value": "triggers"}},
        "configuration": {"root_module": {"variables": {"pw": {"sensitive": true}, "word": {"sensitive": true}}}},
        "resource_changes": [{"address": "a.m", "type": "a", "change": {"actions": ["create"], "before": null,
            "after": {"input": map, "triggers": {"triggers": 1}}, "after_unknown": {"input": {"user-C4n4ryKey9": true}},
            "replace_paths": [["input", "user-C4n4ryKey9"]]}}],
        "output_changes": {"o": {"actions": ["create"], "after": map}},
    });
    let shown = redacted_plan(plan.clone());

    let change = &shown["resource_changes"][0]["change"];
    assert_eq!(change["after"]["input"], clean);
    assert_eq!(change["after"]["triggers"], json!({"triggers": 1}));
    assert_eq!(change["replace_paths"], json!([["input", "user-(sensitive value)"]]));
    assert!(!shown.to_string().to_lowercase().contains("c4n4ry"), "{shown}");
    let outputs = json!({"o": {"value": map, "type": ["object", {"user-C4n4ryKey9": "number"}]}});
    let outputs = learned(&json!("C4n4ryKey9")).outputs_json(outputs.to_string().as_bytes());
    let outputs = outputs.unwrap().into_inner();
    assert_eq!(outputs["o"]["value"], clean);
    assert_eq!(outputs["o"]["type"][1], json!({"user-(sensitive value)": "number"}));
    let mut plan = plan;
    plan["format_version"] = "1.2".into();
    let plan = Plan::parse(plan.to_string()).unwrap();
    let drawn = diff(&plan, &Secrets::default(), DiffOptions::default()).into_inner();
    assert!(!drawn.to_lowercase().contains("c4n4ry"), "{drawn}");
    assert!(drawn.contains("\"user-(sensitive value)\""), "{drawn}");
}

#[test]
fn a_sensitive_output_has_no_value_and_copies_of_it_are_hidden() {
    let outputs = json!({
        "a": {"sensitive": true, "type": ["object", {"one-key": "number", "two-key": "number"}],
              "value": {"one-key": 1, "two-key": 2, "pw": "hunter2"}},
        "b": {"sensitive": false, "type": "map", "value": {"one-key": 1, "two-key": 2, "c": 3}},
        "value": {"sensitive": false, "type": "string", "value": "is hunter2"},
    });
    let shown =
        Secrets::default().outputs_json(outputs.to_string().as_bytes()).unwrap().into_inner();

    assert_eq!(shown["a"].get("value"), None);
    assert_eq!(shown["a"]["sensitive"], true);
    assert!(!shown["a"].to_string().contains("key"), "{shown}");
    assert_eq!(shown["b"]["value"], json!({HIDDEN: 1, "(sensitive value) 2": 2, "c": 3}));
    assert_eq!(shown["value"]["value"], "is (sensitive value)");
}

#[test]
fn short_secrets_are_hidden_as_whole_values_and_in_quotes() {
    let shown = redacted_state(&resource(
        &json!({"pin": "1234", "copy": "1234", "port": "12345", "text": "pin 1234"}),
        &json!({"pin": true}),
    ));
    assert_eq!(
        *values(&shown),
        json!({"pin": HIDDEN, "copy": HIDDEN, "port": "12345", "text": "pin (sensitive value)"})
    );
    let secrets = learned(&json!("ab"));
    assert_eq!(text(&secrets, "code = \"ab\", ab = cab"), "code = (sensitive value), ab = cab");
}

#[test]
fn escaped_texts_are_hidden() {
    let secret = "a\u{200b}b\tc\"d\\e${f}%{g}\u{1b}\u{e9}\u{e000}\u{f0000}";
    let go = r#"a\u200bb\tc\"d\\e${f}%{g}\x1bé\ue000\U000f0000"#;
    let hcl = r#"a\u200bb\tc\"d\\e$${f}%%{g}\u001bé\ue000\U000f0000"#;
    let secrets = learned(&json!(secret));

    for form in [go, hcl] {
        assert_eq!(
            text(&secrets, &format!("x = \"in {form} it\"")),
            "x = \"in (sensitive value) it\""
        );
    }
}

#[test]
fn a_secret_of_any_length_is_hidden_and_its_beginning_alone_is_not() {
    let long = "0123456789abcdef".repeat(20_000);
    let secrets = learned(&json!(long));

    assert_eq!(text(&secrets, &format!("x {long} y")), "x (sensitive value) y");
    let begin = format!("x {} y", &long[..100]);
    assert_eq!(text(&secrets, &begin), begin);
}
