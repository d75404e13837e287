//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{Finding, Level, Model};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Returns the log with one run.
pub(super) fn log(model: &Model) -> Value {
    let rules: BTreeMap<_, _> =
        model.findings.iter().map(|finding| (finding.rule, description(finding.rule))).collect();
    let rules =
        rules.into_iter().map(|(id, text)| json!({"id": id, "shortDescription": {"text": text}}));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "devops-tf", "version": env!("CARGO_PKG_VERSION"), "rules": rules.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": model.findings.iter().map(|finding| result(finding, &uri(&model.stack))).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding, stack: &str) -> Value {
    let level = if finding.level == Level::Error { "error" } else { "warning" };
    // GitHub's code scanning refuses a result without a place in a file.
    let mut location = json!({"physicalLocation": {
        "artifactLocation": {"uri": stack}, "region": {"startLine": 1},
    }});
    if let Some(address) = &finding.address {
        location["logicalLocations"] = json!([{"fullyQualifiedName": address, "kind": "resource"}]);
    }
    json!({
        "ruleId": finding.rule, "level": level, "message": {"text": finding.message},
        "locations": [location],
    })
}

/// Writes a path as the reference of an address.
fn uri(path: &str) -> String {
    let one = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) => char::from(byte).into(),
        byte => format!("%{byte:02X}"),
    };
    path.bytes().map(one).collect()
}

fn description(rule: &str) -> &'static str {
    match rule {
        "deny-destroy" => "Nothing may be destroyed or replaced",
        "deny-actions" => "No action may be invoked",
        "deny-forget" => "Nothing may be dropped from the state",
        "protect" => "Protected resources may not be touched",
        "allow-types" => "Only some types may be changed",
        "max-changes" => "A plan may concern so many resources and actions",
        "max-destroy" => "A plan may destroy so many resources",
        "destroy" => "A resource would be destroyed",
        "replace" => "A resource would be replaced",
        "forget" => "A resource would be dropped from the state",
        _ => "A check block failed",
    }
}
