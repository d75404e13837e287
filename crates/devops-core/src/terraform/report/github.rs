//! Annotations of a GitHub workflow.

use std::fmt::Write;

use super::model::{Finding, Model, Severity};

/// GitHub shows as many of each level a step.
const LIMIT: usize = 10;

/// Returns workflow commands: what refuses the plan as errors, what is lost as warnings.
pub(super) fn annotations(model: &Model) -> String {
    let mut text = String::new();
    for (level, command) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let findings: Vec<_> =
            model.findings.iter().filter(|finding| finding.level == level).collect();
        let shown = if findings.len() > LIMIT { LIMIT - 1 } else { findings.len() };
        for Finding { rule, message, .. } in findings.iter().take(shown) {
            let (title, message) = (property(&format!("terraform plan: {rule}")), data(message));
            let _written = writeln!(text, "::{command} title={title}::{message}");
        }
        if findings.len() > shown {
            let n = findings.len() - shown;
            let _written = writeln!(text, "::{command} title=terraform plan::and {n} more");
        }
    }
    text
}

/// Escapes a message, as GitHub's toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
