//! GitLab's reports of a plan, and of code quality.

use serde_json::{Value, json};

use super::model::{Finding, Model, Severity};

/// Returns what the widget of a merge request shows; a replacement is a creation and a deletion.
pub(super) fn counts(model: &Model) -> Value {
    let [create, update, delete] = model.counts;
    json!({"create": create, "update": update, "delete": delete})
}

/// Returns findings as code quality. A plan does not say in which file a resource stands, so the path is the
/// folder of the stack.
pub(super) fn code_quality(model: &Model) -> Value {
    let finding = |finding: &Finding| {
        let address = finding.address.as_deref().unwrap_or_default();
        let text = format!("{}\n{}\n{address}\n{}", model.stack, finding.rule, finding.message);
        json!({
            "description": finding.message,
            "check_name": finding.rule,
            "fingerprint": blake3::hash(text.as_bytes()).to_hex().to_string(),
            "severity": if finding.level == Severity::Error { "critical" } else { "minor" },
            "location": {"path": model.stack, "lines": {"begin": 1}},
        })
    };
    model.findings.iter().map(finding).collect()
}
