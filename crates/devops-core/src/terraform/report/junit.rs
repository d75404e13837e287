//! The XML of `JUnit`, as Jenkins and GitLab read it.

use std::fmt::Write;

use super::model::{Entry, Finding, Level, Model};

/// Returns a suite with a case for each change, and one for each rule about the plan as a whole.
pub(super) fn document(model: &Model) -> String {
    let entries: Vec<_> = model.changes.iter().chain(&model.invocations).collect();
    let errors: Vec<_> =
        model.findings.iter().filter(|finding| finding.level == Level::Error).collect();
    let whole: Vec<_> = errors.iter().filter(|finding| finding.address.is_none()).collect();
    let (n_cases, mut n_failed) = (entries.len() + whole.len(), whole.len());
    let mut cases = String::new();
    for entry in entries {
        let of = |finding: &&&Finding| finding.address.as_ref() == Some(&entry.address);
        let failures: Vec<_> = errors.iter().filter(of).copied().collect();
        n_failed += usize::from(!failures.is_empty());
        case(&mut cases, entry, &failures);
    }
    for finding in whole {
        let entry = Entry { address: finding.rule.to_string(), change: "rule", ..Entry::default() };
        case(&mut cases, &entry, &[finding]);
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"terraform plan\" tests=\"{n_cases}\" failures=\"{n_failed}\" errors=\"0\">\n  \
         <testsuite name=\"terraform plan\" tests=\"{n_cases}\" failures=\"{n_failed}\" errors=\"0\" skipped=\"0\">\n\
         {cases}  </testsuite>\n</testsuites>\n"
    )
}

fn case(text: &mut String, entry: &Entry, failures: &[&Finding]) {
    let class = if entry.kind.is_empty() { "plan" } else { &entry.kind };
    let (class, name) = (escaped(class), escaped(&format!("{} {}", entry.change, entry.address)));
    let _written = write!(text, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\"");
    if failures.is_empty() {
        text.push_str("/>\n");
        return;
    }
    text.push_str(">\n");
    // Jenkins reads only one failure of a case.
    let (rules, messages): (Vec<_>, Vec<_>) =
        failures.iter().map(|finding| (&*finding.rule, finding.message.as_str())).unzip();
    let (rules, messages) = (escaped(&rules.join(" ")), escaped(&messages.join("; ")));
    let _written = writeln!(
        text,
        "      <failure type=\"{rules}\" message=\"{messages}\">{messages}</failure>\n    </testcase>"
    );
}

/// Escapes a text for XML, and leaves out what XML cannot hold.
fn escaped(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => clean.push_str("&amp;"),
            '<' => clean.push_str("&lt;"),
            '>' => clean.push_str("&gt;"),
            '"' => clean.push_str("&quot;"),
            '\n' | '\t' | '\r' => clean.push(' '),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => {}
            c => clean.push(c),
        }
    }
    clean
}
