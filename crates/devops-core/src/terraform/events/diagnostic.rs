//! Errors and warnings, as people read them.

use serde_json::Value;

use crate::terraform::diff::harmless;

/// An error or a warning of terraform.
#[derive(Clone, Copy, Debug)]
pub struct Diagnostic<'a> {
    document: &'a Value,
}

impl<'a> Diagnostic<'a> {
    /// Reads the object that terraform calls `diagnostic`; what is missing is left out.
    pub fn new(document: &'a Value) -> Self {
        Self { document }
    }

    /// Returns whether it is an error and no warning.
    pub fn is_error(&self) -> bool {
        self.text("/severity") != Some("warning")
    }

    /// Returns its title.
    pub fn summary(&self) -> &'a str {
        self.text("/summary").unwrap_or_default()
    }

    /// Returns the explanation, which may have several lines.
    pub fn detail(&self) -> &'a str {
        self.text("/detail").unwrap_or_default()
    }

    /// Returns the file and the line it is about.
    pub fn place(&self) -> Option<(&'a str, u64)> {
        let line = self.document.pointer("/range/start/line")?.as_u64()?;
        Some((self.text("/range/filename")?, line))
    }

    /// Returns the address of the resource it is about.
    pub fn address(&self) -> Option<&'a str> {
        self.text("/address")
    }

    /// Returns the lines of a text for people, in terraform's order; they are not broken.
    ///
    /// Control characters are escaped. Lines of the explanation begin with terraform's bar: a runner
    /// of workflows takes a line that begins with `::` for a command.
    pub fn lines(&self) -> Vec<String> {
        let label = if self.is_error() { "Error" } else { "Warning" };
        let mut lines = vec![format!("{label}: {}", self.summary())];
        if let Some(address) = self.address() {
            lines.extend([String::new(), format!("  with {address},")]);
        }
        if let Some((file, line)) = self.place() {
            let context = self.text("/snippet/context").map(|context| format!(", in {context}"));
            let separator = self.address().is_none().then(String::new);
            lines.extend(separator);
            lines.push(format!("  on {file} line {line}{}:", context.unwrap_or_default()));
            lines.extend(self.snippet(line));
        }
        if !self.detail().is_empty() {
            lines.push(String::new());
            lines.extend(self.detail().lines().map(|line| format!("\u{2502} {line}")));
        }
        lines.iter().map(|line| harmless(line)).collect()
    }

    /// Returns the lines of the configuration, and what the values in them are.
    fn snippet(self, line: u64) -> Vec<String> {
        let first = self.document.pointer("/snippet/start_line").and_then(Value::as_u64);
        let code = self.text("/snippet/code").unwrap_or_default().lines();
        let mut lines: Vec<_> = (0..)
            .zip(code)
            .map(|(at, code)| (first.unwrap_or(line).saturating_add(at), code))
            .map(|(number, code)| format!("  {number:>3}: {code}"))
            .collect();
        let values = self.document.pointer("/snippet/values").and_then(Value::as_array);
        for value in values.into_iter().flatten() {
            let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
            lines.push(format!("    - {} {}", text("traversal"), text("statement")));
        }
        lines
    }

    fn text(self, pointer: &str) -> Option<&'a str> {
        self.document.pointer(pointer).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn says_all_that_terraform_says() {
        let document = json!({
            "severity": "error", "summary": "Bad value", "detail": "It is bad.\nVery.",
            "address": "a.b",
            "range": {"filename": "x.tf", "start": {"line": 7, "column": 1}},
            "snippet": {"context": "resource \"a\" \"b\"", "code": "  c = var.d", "start_line": 7,
                "values": [{"traversal": "var.d", "statement": "is \"e\""}]},
        });

        assert_eq!(
            Diagnostic::new(&document).lines().join("\n"),
            "\
Error: Bad value

  with a.b,
  on x.tf line 7, in resource \"a\" \"b\":
    7:   c = var.d
    - var.d is \"e\"

\u{2502} It is bad.
\u{2502} Very."
        );
    }

    #[test]
    fn no_text_commands_a_terminal_or_a_runner() {
        let hostile = "x\u{1b}[31m\n::error::y";
        let document = json!({
            "summary": hostile, "detail": hostile, "address": hostile,
            "range": {"filename": hostile, "start": {"line": 7}},
            "snippet": {"context": hostile, "code": format!("{hostile}\n"), "start_line": u64::MAX,
                "values": [{"traversal": hostile, "statement": hostile}]},
        });

        let lines = Diagnostic::new(&document).lines();

        assert!(!lines.iter().any(|line| line.contains(char::is_control)), "{lines:?}");
        assert!(!lines.iter().any(|line| line.trim_start().starts_with("::")), "{lines:?}");
        assert_eq!(lines[0], "Error: x\\u001b[31m\\u000a::error::y");
        assert_eq!(lines[lines.len() - 1], "\u{2502} ::error::y");
    }

    #[test]
    fn what_is_missing_is_left_out() {
        let lines = |document: &Value| Diagnostic::new(document).lines().join("|");

        assert_eq!(lines(&json!({"severity": "warning", "summary": "Old"})), "Warning: Old");
        assert_eq!(lines(&json!([])), "Error: ");
    }
}
