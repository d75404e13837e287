//! SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::model::{Finding, Model, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The characters that are escaped in a relative URI.
const PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns the log with one run.
pub(super) fn log(model: &Model) -> Value {
    let uri = utf8_percent_encode(&model.stack, PATH).to_string();
    let rules: BTreeMap<_, _> =
        model.findings.iter().map(|finding| (&*finding.rule, description(&finding.rule))).collect();
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
            "results": model.findings.iter().map(|finding| result(finding, &uri)).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding, stack: &str) -> Value {
    let level = if finding.level == Severity::Error { "error" } else { "warning" };
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
        "check" => "A check block failed",
        _ => "A rule of a policy in Rego",
    }
}
