//! Markdown for a pull request or a step's summary, within its budget.

use std::{borrow::Cow, fmt::Write};

use super::model::{Entry, Model, Severity};
use crate::units::count;

/// The longest body of a comment on GitHub.
pub(super) const BODY_LIMIT: usize = 65_536;

/// The longest summary of a step on GitHub.
pub(super) const SUMMARY_LIMIT: usize = 1 << 20;

/// Longer names, messages and lines are shortened, so that one does not take the place of the others.
const LONG: usize = 1000;

/// The room that is kept for notes about omitted parts.
const RESERVE: usize = 400;

/// Returns a summary, what refuses the plan, a table with what is lost first, and the diff as far as it fits.
pub(super) fn body(model: &Model, limit: usize) -> String {
    let mut page = Page { text: String::new(), limit: limit.saturating_sub(RESERVE) };
    if !page.push(&heading(model)) {
        return String::new();
    }
    page.objections(model);
    // The diff may need a half of the budget; the table is what is read first.
    let whole = page.limit;
    page.limit = whole / 2;
    page.table(model);
    page.limit = whole;
    page.diff(&model.diff);
    page.text
}

struct Page {
    text: String,
    limit: usize,
}

fn heading(model: &Model) -> String {
    let refused = if model.is_refused() { " (refused)" } else { "" };
    let summary = &model.summary;
    let lost = summary.destroy + summary.replace;
    let of_stack = match model.stack.as_str() {
        "" | "." => String::new(),
        stack => format!(" of {}", code(stack)),
    };
    let mut text = format!("### Terraform plan{of_stack}{refused}\n\n");
    if lost > 0 {
        let lost = count(lost, "existing resource");
        let _written = write!(text, "**{lost} will be destroyed.** ");
    }
    if model.has_changes {
        let _written = writeln!(text, "Plan: {summary}.\n");
    } else {
        text.push_str("No changes. Your infrastructure matches the configuration.\n\n");
    }
    text
}

impl Page {
    /// Adds a text if it fits.
    fn push(&mut self, text: &str) -> bool {
        let fits = self.text.len() + text.len() <= self.limit;
        if fits {
            self.text.push_str(text);
        }
        fits
    }

    fn note(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn objections(&mut self, model: &Model) {
        let errors = model.findings.iter().filter(|finding| finding.level == Severity::Error);
        let messages = errors.map(|finding| finding.message.clone());
        let warnings = model.warnings.iter().map(|text| format!("warning: {text}"));
        let excepted = model.exceptions.iter().map(|one| one.message.clone());
        let others = warnings.chain(model.lifted.iter().cloned()).chain(excepted);
        let whole = self.limit;
        self.limit = whole / 4;
        let mut n_left = 0;
        for text in messages.chain(others) {
            n_left += usize::from(!self.push(&format!("> - {}\n", message(&text))));
        }
        self.limit = whole;
        if n_left > 0 {
            self.note(&format!("> - and {n_left} more\n"));
        }
        if !self.text.ends_with("\n\n") {
            self.note("\n");
        }
    }

    fn table(&mut self, model: &Model) {
        let outputs = model.outputs.iter().map(|output| Entry {
            address: format!("output.{}", output.address),
            ..output.clone()
        });
        let entries = model.changes.iter().cloned().chain(model.invocations.iter().cloned());
        let entries: Vec<_> = entries.chain(outputs).collect();
        if entries.is_empty() || !self.push("| | Address | Attributes |\n|---|---|---|\n") {
            return;
        }
        let rest: Vec<_> = entries.iter().filter(|entry| !self.push(&row(entry))).collect();
        if !rest.is_empty() {
            let n_lost = rest.iter().filter(|entry| entry.destroys).count();
            self.note(&format!("\n{} more, {n_lost} of them destroyed\n", rest.len()));
        }
        self.note("\n");
    }

    fn diff(&mut self, diff: &str) {
        let fence = fence(diff);
        let open = format!("<details><summary>Plan</summary>\n\n{fence}diff\n");
        if !self.push(&open) {
            return;
        }
        let lines: Vec<_> = diff.lines().collect();
        let n_shown =
            lines.iter().take_while(|line| self.push(&diff_line(&shortened(line)))).count();
        let left = lines.len() - n_shown;
        self.note(&format!("{fence}\n\n</details>\n"));
        if left > 0 {
            let left = count(left, "more line");
            self.note(&format!("\n{left} of the plan did not fit.\n"));
        }
    }
}

fn row(entry: &Entry) -> String {
    let from = entry.previous_address.as_ref();
    let from = from.map_or_else(String::new, |from| format!(" (from {})", cell(from)));
    let import = if entry.imported && entry.change != "import" { ", import" } else { "" };
    let change =
        if entry.destroys { format!("**{}**", entry.change) } else { entry.change.to_owned() };
    let attributes: Vec<_> = entry.attributes.iter().take(8).map(|name| cell(name)).collect();
    let more = if entry.attributes.len() > 8 { ", \u{2026}" } else { "" };
    let attributes = attributes.join(", ");
    format!("| {change}{import} | {}{from} | {attributes}{more} |\n", cell(&entry.address))
}

/// Writes a text as code, between more backticks than stand in it one after another.
fn code(text: &str) -> String {
    let text: String = shortened(text).chars().filter(|c| !c.is_control()).collect();
    let delimiter = "`".repeat(longest_run(&text) + 1);
    // A space on both sides is not shown; without it a backtick would belong to the delimiter.
    let space = if delimiter.len() > 1 || text.trim().is_empty() { " " } else { "" };
    format!("{delimiter}{space}{text}{space}{delimiter}")
}

/// Writes a name as code within a table, where a bar ends the cell even in code.
fn cell(text: &str) -> String {
    // A backslash before the bar would take away the one that keeps it in the cell.
    code(&text.replace("\\|", "\\ |")).replace('|', "\\|")
}

/// Writes a message; all of it is code if it could be markup outside of its code spans.
fn message(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let parts: Vec<_> = text.split('`').collect();
    let is_plain = |text: &str| text.chars().all(|c| c.is_alphanumeric() || " ,:;()".contains(c));
    let is_safe = parts.len() % 2 == 1
        && parts.iter().step_by(2).all(|outside| is_plain(outside))
        && parts.iter().skip(1).step_by(2).all(|inside| !inside.is_empty());
    // Two spans without a space between them would be one.
    let is_apart = !text.contains("``");
    if is_safe && is_apart && text.len() <= LONG { text } else { code(&text) }
}

/// Cuts the middle out of a text that is too long.
fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= LONG {
        return Cow::Borrowed(text);
    }
    let start = text.floor_char_boundary(LONG / 2);
    let end = text.ceil_char_boundary(text.len() - LONG / 2);
    Cow::Owned(format!("{}\u{2026}{}", &text[..start], &text[end..]))
}

/// Returns how many backticks stand one after another at most.
fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

/// Moves the sign of a line to its beginning, where GitHub's highlighting looks for it.
fn diff_line(line: &str) -> String {
    let rest = line.trim_start();
    let indent = line.len() - rest.len();
    let (sign, rest) = match rest.split_once(' ') {
        Some((sign @ ("+" | "-" | "-/+"), rest)) => (sign, rest),
        Some(("~", rest)) => ("!", rest),
        // The first character gives the color, and this destroys as well.
        Some(("+/-", rest)) => ("-+/-", rest),
        _ => return format!("{line}\n"),
    };
    format!("{sign}{:indent$} {rest}\n", "")
}

/// Returns a fence that is longer than any in the text.
fn fence(text: &str) -> String {
    "`".repeat(longest_run(text).max(2) + 1)
}
