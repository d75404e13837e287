//! Files that hold values and no configuration: of variables, or of backend settings.
//!
//! Terraform quotes the lines of a file that it cannot read. What stands in such a file is not known by then,
//! so the lines are left out, and what they hold is hidden in the words beside them.

use serde_json::Value;

/// The file extensions of a configuration.
const CONFIGURATION: [&str; 10] = [
    ".tf",
    ".tf.json",
    ".tofu",
    ".tofu.json",
    ".tftest.hcl",
    ".tftest.json",
    ".tofutest.hcl",
    ".tofutest.json",
    ".tfmock.hcl",
    ".tfmock.json",
];

/// Returns whether a file holds values, for all that its name says.
fn holds_values(file: &str) -> bool {
    !CONFIGURATION.iter().any(|end| file.ends_with(end))
}

/// Takes the lines of such files out of an event, and returns the texts they hold.
pub(super) fn take(event: &mut Value) -> Vec<String> {
    let mut texts = Vec::new();
    if let Some(diagnostic) = event.get_mut("diagnostic") {
        take_from(diagnostic, &mut texts);
    }
    let several = event.get_mut("diagnostics").and_then(Value::as_array_mut);
    several.into_iter().flatten().for_each(|diagnostic| take_from(diagnostic, &mut texts));
    texts
}

fn take_from(diagnostic: &mut Value, texts: &mut Vec<String>) {
    let file = diagnostic.pointer("/range/filename").and_then(Value::as_str);
    if !file.is_some_and(holds_values) {
        return;
    }
    let snippet = diagnostic.as_object_mut().and_then(|fields| fields.remove("snippet"));
    let code = snippet.as_ref().and_then(|snippet| snippet.get("code")).and_then(Value::as_str);
    code.into_iter().flat_map(str::lines).for_each(|line| texts.extend(values(line)));
}

/// Returns whether a line for people says that lines of such a file follow.
pub(super) fn begins(line: &str) -> bool {
    let place = line.trim_start_matches(['\u{2502}', ' ']).strip_prefix("on ");
    let file = place.and_then(|place| place.split_once(" line "));
    file.is_some_and(|(file, _)| holds_values(file))
}

/// Returns whether a line for people begins or ends an error or a warning.
pub(super) fn is_border(line: &str) -> bool {
    let line = line.trim_start_matches(['\u{2502}', ' ']);
    ["Error: ", "Warning: ", "\u{2577}", "\u{2575}"].iter().any(|border| line.starts_with(border))
}

/// Splits a line for people that shows a line of a file: before the code, and the code.
pub(super) fn numbered(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start_matches(['\u{2502}', ' ']);
    let code = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let code = code.strip_prefix(':').filter(|_| code.len() < rest.len())?;
    Some((&line[..line.len() - code.len()], code))
}

/// Returns the texts that a line may hold: its value, and each part of it.
pub(super) fn values(line: &str) -> Vec<String> {
    let is_key = |key: &str| {
        let key = key.trim_matches(|c: char| c.is_whitespace() || "\"{,".contains(c));
        !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
    };
    let pair = line.split_once(['=', ':']).filter(|(key, _)| is_key(key));
    let value = pair.map_or(line, |(_, value)| value);
    let is_edge = |c: char| c.is_whitespace() || "\"'`,;(){}[]".contains(c);
    let parts = value.split(is_edge).map(|part| part.trim_start_matches(['=', ':']));
    let inner = value.split('"').map(str::trim);
    let all = [line.trim(), value.trim_matches(is_edge)].into_iter().chain(parts).chain(inner);
    // A pair in a list or an object holds a value as well.
    let pairs = all.clone().filter_map(|part| part.split_once(['=', ':'])).map(|(_, value)| value);
    let all = all.chain(pairs).filter(|text| text.chars().any(char::is_alphanumeric));
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Secrets;

    fn shown(lines: &[&str]) -> Vec<String> {
        let mut secrets = Secrets::default();
        lines.iter().map(|line| secrets.line(line).into_inner()).collect()
    }

    #[test]
    fn lines_of_files_that_hold_values_are_hidden_up_to_the_end_of_the_error() {
        let lines = shown(&[
            "\u{2502} Error: Invalid \"hunter2-x\"",
            "\u{1b}[31m\u{2502}\u{1b}[0m   on my b.hcl line 2:",
            "\u{2502}    2: password = [\"C4n4ry/pw==\",",
            "\u{2502}   12:   C4n4ryNext]",
            "\u{2502} ",
            "\u{2502} The value C4n4ryNext or \"C4n4ry/pw==\" is not good.",
            "\u{2575}",
            "C4n4ryNext",
        ]);

        assert_eq!(lines[2], "\u{2502}    2: (sensitive value)");
        assert_eq!(lines[3], "\u{2502}   12: (sensitive value)");
        assert!(
            lines[5].contains("The value (sensitive value) or \"(sensitive value)"),
            "{lines:?}"
        );
        assert!(!lines[..7].iter().any(|line| line.contains("C4n4ry")), "{lines:?}");
        assert_eq!(lines[7], "C4n4ryNext");
    }

    #[test]
    fn lines_of_the_configuration_stay() {
        for file in ["main.tf", "a/x.tofu", "m.tf.json", "x.tftest.hcl line 3, in run \"a\""] {
            let place = format!("  on {file} line 2:");
            let lines = [place.as_str(), "   2: a = C4n4ryNext", "C4n4ryNext"];
            assert_eq!(shown(&lines), lines);
        }
    }
}
