//! The XML of `JUnit`, as Jenkins and GitLab read it.

use std::io;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};

use super::model::{Entry, Finding, Model, Severity};

const NAME: &str = "terraform plan";

/// A change, or a rule about the plan as a whole, and what it fails by.
struct Case<'a> {
    class: &'a str,
    name: String,
    failures: Vec<&'a Finding>,
}

/// Returns a suite with a case for each change, and one for each rule about the plan as a whole.
pub(super) fn document(model: &Model) -> String {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    write(&mut writer, &cases(model)).expect("memory takes all that is written");
    let mut text = String::from_utf8(writer.into_inner()).expect("what is written is text");
    text.push('\n');
    text
}

fn cases(model: &Model) -> Vec<Case<'_>> {
    let errors: Vec<_> =
        model.findings.iter().filter(|finding| finding.level == Severity::Error).collect();
    let of_entry = |entry: &'_ Entry| {
        let of = |finding: &&&Finding| finding.address.as_ref() == Some(&entry.address);
        errors.iter().filter(of).copied().collect()
    };
    let entries = model.changes.iter().chain(&model.invocations).map(|entry| Case {
        class: if entry.kind.is_empty() { "plan" } else { &entry.kind },
        name: format!("{} {}", entry.change, entry.address),
        failures: of_entry(entry),
    });
    let whole = errors.iter().filter(|finding| finding.address.is_none()).map(|finding| Case {
        class: "plan",
        name: format!("rule {}", finding.rule),
        failures: vec![finding],
    });
    entries.chain(whole).collect()
}

fn write(writer: &mut Writer<Vec<u8>>, cases: &[Case<'_>]) -> io::Result<()> {
    let n_failed = cases.iter().filter(|case| !case.failures.is_empty()).count();
    let (n_cases, n_failed) = (cases.len().to_string(), n_failed.to_string());
    let counts = [("name", NAME), ("tests", &*n_cases), ("failures", &*n_failed), ("errors", "0")];
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    writer.create_element("testsuites").with_attributes(counts).write_inner_content(|writer| {
        let suite = writer.create_element("testsuite").with_attributes(counts);
        suite.with_attribute(("skipped", "0")).write_inner_content(|writer| {
            cases.iter().try_for_each(|case| write_case(writer, case))
        })?;
        Ok(())
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case<'_>) -> io::Result<()> {
    let (class, name) = (clean(case.class), clean(&case.name));
    let attributes = [("classname", &*class), ("name", &*name), ("time", "0")];
    let element = writer.create_element("testcase").with_attributes(attributes);
    if case.failures.is_empty() {
        element.write_empty()?;
        return Ok(());
    }
    // Jenkins reads only one failure of a case.
    let (rules, messages): (Vec<_>, Vec<_>) =
        case.failures.iter().map(|finding| (&*finding.rule, finding.message.as_str())).unzip();
    let (rules, messages) = (clean(&rules.join(" ")), clean(&messages.join("; ")));
    element.write_inner_content(|writer| {
        let failure = writer.create_element("failure");
        let failure = failure.with_attributes([("type", &*rules), ("message", &*messages)]);
        failure.write_text_content(BytesText::new(&messages))?;
        Ok(())
    })?;
    Ok(())
}

/// Leaves out what XML cannot hold, and puts a text on one line.
fn clean(text: &str) -> String {
    let spaced = text.chars().map(|c| if matches!(c, '\n' | '\t' | '\r') { ' ' } else { c });
    spaced.filter(|c| !matches!(c, '\0'..' ' | '\u{fffe}' | '\u{ffff}')).collect()
}
