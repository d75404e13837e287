//! Draws the attributes of a change.

use std::{borrow::Cow, fmt::Write};

use serde_json::Value;

use super::{
    options::DiffOptions,
    paint::Paint,
    sequence::{self, Item},
    text::{self, harmless, label, quoted},
};
use crate::terraform::{
    json,
    plan::{
        Invocation, OutputChange, ResourceChange,
        marks::{Step, below},
        node::{Node, has_true},
    },
    redact::Secrets,
    shown::HIDDEN,
};

const UNKNOWN: &str = "(known after apply)";

/// Attributes that tell one resource from another; they are shown though they do not change.
const TELLING: [&str; 2] = ["id", "name"];

/// Draws one change.
pub(super) struct Body<'a> {
    secrets: &'a Secrets,
    paint: &'a Paint,
    options: DiffOptions,
    replace_paths: &'a [Vec<Value>],
    text: String,
}

/// The position of a value: its depth and its path.
#[derive(Clone)]
struct Place {
    indent: usize,
    path: Vec<Value>,
}

impl Place {
    fn below(&self, step: Value) -> Self {
        let path = self.path.iter().cloned().chain([step]).collect();
        Self { indent: self.indent + 4, path }
    }
}

impl<'a> Body<'a> {
    pub(super) fn new(secrets: &'a Secrets, paint: &'a Paint, options: DiffOptions) -> Self {
        Self { secrets, paint, options, replace_paths: &[], text: String::new() }
    }

    /// Draws the block of a resource.
    pub(super) fn resource(mut self, resource: &'a ResourceChange, outside: bool) -> String {
        let node = Node::of(&resource.values);
        self.replace_paths = &resource.replace_paths;
        let sign = if outside { node.sign() } else { super::header::sign(resource) };
        let sign = self.paint.sign(sign);
        let word = if resource.is_data { "data" } else { "resource" };
        let (kind, name) = (quoted(&resource.kind), quoted(own_name(resource)));
        let _written = writeln!(self.text, "{sign} {word} {kind} {name} {{");
        self.fields(&node, &Place { indent: 6, path: Vec::new() });
        self.text.push_str("    }\n");
        self.text
    }

    /// Draws the configuration of an action.
    pub(super) fn invocation(mut self, invocation: &'a Invocation) -> String {
        let node =
            Node::new(&invocation.config, &invocation.config_unknown, &invocation.config_sensitive);
        let name = invocation.address.rsplit('.').next().unwrap_or_default();
        let (kind, name) = (quoted(&invocation.kind), quoted(name));
        let _written = writeln!(self.text, "    action {kind} {name} {{");
        self.fields(&node, &Place { indent: 6, path: Vec::new() });
        self.text.push_str("    }\n");
        self.text
    }

    /// Draws outputs, each as an attribute.
    pub(super) fn outputs(mut self, outputs: &[&'a OutputChange]) -> String {
        let width = outputs.iter().map(|output| output.name.chars().count()).max();
        for output in outputs {
            let node = Node::of(&output.values);
            // A step, since the keys of an output are given by no schema.
            let place = Place { indent: 2, path: vec![output.name.as_str().into()] };
            let name = format!("{:width$} = ", label(&output.name), width = width.unwrap_or(0));
            self.entry(&node, &name, &place);
        }
        self.text
    }

    /// Draws the fields that change, and counts the others.
    fn fields(&mut self, node: &Node<'a>, place: &Place) {
        let is_top = place.path.is_empty();
        let names = node.names();
        let shown = |name: &&&str| {
            let is_telling = is_top && TELLING.contains(name) && !node.before.is_null();
            node.field(name).is_changed() || is_telling
        };
        let rows: Vec<_> =
            names.iter().filter(shown).map(|name| (*name, self.key(node, name, is_top))).collect();
        let width = rows.iter().map(|(_, key)| key.chars().count()).max().unwrap_or(0);
        for (name, key) in &rows {
            let child = Place { indent: place.indent, ..place.below((*name).into()) };
            self.entry(&node.field(name), &format!("{key:width$} = "), &child);
        }
        self.unchanged(names.len() - rows.len(), "attribute", place.indent);
    }

    fn unchanged(&mut self, n: usize, what: &str, indent: usize) {
        if n > 0 {
            let s = if n == 1 { "" } else { "s" };
            let _written =
                writeln!(self.text, "{:indent$}  # ({n} unchanged {what}{s} hidden)", "");
        }
    }

    /// Returns the name of a field as it is shown: what is secret in a key is hidden, and a schema's names stay.
    fn key(&self, node: &Node<'_>, name: &str, is_top: bool) -> String {
        if is_top {
            return label(name);
        }
        let field = node.field(name);
        let sides = [field.before, field.after].into_iter().filter(|side| !side.is_null());
        let clean = self.secrets.scrubber().key(name, sides);
        if clean == HIDDEN { clean.into_owned() } else { label(&clean) }
    }

    /// Draws one value behind its name, which is empty for an item of a list.
    fn entry(&mut self, node: &Node<'a>, name: &str, place: &Place) {
        let end = if name.is_empty() { "," } else { "" };
        let forces = if self.forces(&place.path) { " # forces replacement" } else { "" };
        let gone = if node.sign() == "-" && !name.is_empty() { " -> null" } else { "" };
        let sign = self.paint.sign(node.sign());
        let _written = write!(self.text, "{:1$}{sign} {name}", "", place.indent - 2);
        let value = if node.is_sensitive() && !self.options.revealed {
            let only_mark = node.before == node.after && node.is_changed() && !node.is_unknown();
            let comment = if only_mark { " # only what is sensitive changes" } else { "" };
            format!("{HIDDEN}{gone}{end}{comment}")
        } else if node.is_unknown() && !is_container(node.before) {
            match node.before {
                Value::Null => format!("{UNKNOWN}{end}"),
                before => format!("{} -> {UNKNOWN}{end}", self.scalar(before, &Value::Null)),
            }
        } else if let Some(text) = self.container(node, place) {
            let known = if node.is_unknown() { format!(" -> {UNKNOWN}") } else { gone.to_owned() };
            format!("{text}{known}{end}")
        } else {
            format!("{}{gone}{end}", self.sides(node, place))
        };
        let _written = writeln!(self.text, "{value}{forces}");
    }

    /// Draws the fields of an object or the items of a list, if that is what the value is on both sides.
    fn container(&mut self, node: &Node<'a>, place: &Place) -> Option<String> {
        let (before, after) = (node.before, node.after);
        let sides = [after, before, node.unknown];
        let either = sides.into_iter().find(|side| !side.is_null()).unwrap_or(after);
        let same_kind =
            before.is_null() || after.is_null() || before.is_object() == after.is_object();
        if !is_container(either) || !same_kind || !(is_container(before) || before.is_null()) {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let inner = Place { indent: place.indent + 4, path: place.path.clone() };
        if either.is_object() {
            self.fields(node, &inner);
        } else {
            self.items(node, &inner);
        }
        let drawn = std::mem::replace(&mut self.text, text);
        let (open, close) = if either.is_object() { ('{', '}') } else { ('[', ']') };
        let indent = place.indent + 2;
        if drawn.is_empty() {
            return Some(format!("{open}{close}"));
        }
        Some(format!("{open}\n{drawn}{:indent$}{close}", ""))
    }

    fn items(&mut self, node: &Node<'a>, place: &Place) {
        let mut n_unchanged = 0;
        for (before, after) in pairs(node) {
            let item = node.item(before.map(Step::Index), after.map(Step::Index));
            let is_same = before.is_some() && after.is_some() && !item.is_changed();
            if is_same {
                n_unchanged += 1;
                continue;
            }
            let index = after.or(before).unwrap_or(0);
            let child = Place { indent: place.indent, ..place.below(index.into()) };
            self.entry(&item, "", &child);
        }
        self.unchanged(n_unchanged, "element", place.indent);
    }

    /// Draws a value that is no container on at least one side.
    fn sides(&mut self, node: &Node<'a>, place: &Place) -> String {
        let (before, after) = (node.before, node.after);
        if let Some(text) = self.json(node, place).or_else(|| self.lines(node, place)) {
            return text;
        }
        match (before.is_null(), after.is_null()) {
            (true, _) => self.scalar(after, before),
            (_, true) => self.scalar(before, after),
            _ if before == after => self.scalar(after, before),
            _ => format!("{} -> {}", self.scalar(before, after), self.scalar(after, before)),
        }
    }

    /// Draws a text that is JSON on both sides as what it says.
    fn json(&mut self, node: &Node<'a>, place: &Place) -> Option<String> {
        let parse = |side: &Value| match side {
            Value::Null => Some(Value::Null),
            Value::String(text) if text.starts_with(['{', '[']) && !self.holds_secret(text) => {
                json::read(text.as_bytes()).ok()
            }
            _ => None,
        };
        let (before, after) = (parse(node.before)?, parse(node.after)?);
        let nothing = Value::Null;
        let inner = Node {
            before: &before,
            after: &after,
            unknown: &nothing,
            before_mark: &nothing,
            after_mark: &nothing,
        };
        if before == after {
            return None;
        }
        let mut body = Body { text: String::new(), replace_paths: &[], ..*self };
        let nested = Place { indent: place.indent + 4, path: place.path.clone() };
        body.entry(&inner, "", &nested);
        let drawn = body.text.trim_end().trim_end_matches(',').to_owned();
        let indent = place.indent + 2;
        Some(format!("jsonencode(\n{drawn}\n{:indent$})", ""))
    }

    fn holds_secret(&self, text: &str) -> bool {
        self.secrets.scrubber().data_text(text) != text
    }

    /// Draws a text of several lines line by line.
    fn lines(&self, node: &Node<'_>, place: &Place) -> Option<String> {
        let both = [node.before, node.after].map(|side| match side {
            Value::Null => Some(""),
            Value::String(text) => Some(text.as_str()),
            _ => None,
        });
        let [Some(before), Some(after)] = both else { return None };
        if !(text::has_lines(before) || text::has_lines(after)) || before == after {
            return None;
        }
        let [before, after] = [before, after].map(|text| self.secrets.scrubber().data_text(text));
        if [&before, &after].iter().any(|text| text.lines().any(|line| line.trim() == "EOT")) {
            return None;
        }
        Some(heredoc(&before, &after, place.indent))
    }

    /// Writes a value in one line.
    fn scalar(&self, value: &Value, other: &Value) -> String {
        match value {
            Value::String(text) => self.string(text, other),
            Value::Number(number) if self.secrets.scrubber().is_secret_number(number) => {
                HIDDEN.to_owned()
            }
            Value::Array(_) | Value::Object(_) => {
                let mut value = value.clone();
                self.secrets.scrubber().data(&mut value, false);
                harmless(&value.to_string())
            }
            other => other.to_string(),
        }
    }

    fn string(&self, text: &str, other: &Value) -> String {
        let scrubber = self.secrets.scrubber();
        let clean = scrubber.data_text(text);
        if clean == HIDDEN {
            return HIDDEN.to_owned();
        }
        if self.options.full {
            return quoted(&clean);
        }
        let other = other.as_str().map_or(Cow::Borrowed(""), |other| scrubber.data_text(other));
        text::cut(&clean, &other)
    }

    fn forces(&self, path: &[Value]) -> bool {
        !path.is_empty() && self.replace_paths.iter().any(|forced| forced == path)
    }
}

/// Returns the name of a resource as its block has it.
fn own_name(resource: &ResourceChange) -> &str {
    let bare = match resource.address.rfind('[') {
        Some(at) if resource.address.ends_with(']') => &resource.address[..at],
        _ => &resource.address,
    };
    bare.rsplit('.').next().unwrap_or(bare)
}

fn is_container(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

/// Pairs the items of both sides: blocks by their place, other items by what stayed.
fn pairs(node: &Node<'_>) -> Vec<(Option<usize>, Option<usize>)> {
    let nothing = Vec::new();
    let list = |side: &Value| side.as_array().map_or(0, Vec::len);
    let n_after = list(node.after).max(list(node.unknown));
    let before = node.before.as_array().unwrap_or(&nothing);
    let after = node.after.as_array().unwrap_or(&nothing);
    let blocks = |items: &[Value]| items.iter().all(is_container);
    if before.len() == n_after && blocks(before) && blocks(after) {
        return (0..n_after).map(|at| (Some(at), Some(at))).collect();
    }
    let key = |side: &Value, marks: &Value, unknown: &Value, at: usize| {
        let step = Step::Index(at);
        let value = side.get(at).cloned().unwrap_or_default();
        (value.to_string(), has_true(below(marks, &step)), has_true(below(unknown, &step)))
    };
    let before: Vec<_> =
        (0..before.len()).map(|at| key(node.before, node.before_mark, &Value::Null, at)).collect();
    let after: Vec<_> =
        (0..n_after).map(|at| key(node.after, node.after_mark, node.unknown, at)).collect();
    let items = sequence::compare(&before, &after);
    items
        .into_iter()
        .map(|item| match item {
            Item::Same(before, after) => (Some(before), Some(after)),
            Item::Gone(before) => (Some(before), None),
            Item::New(after) => (None, Some(after)),
        })
        .collect()
}

fn heredoc(before: &str, after: &str, indent: usize) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let inner = indent + 6;
    let mut text = "<<-EOT\n".to_owned();
    for item in sequence::compare(&old, &new) {
        let (sign, line) = match item {
            Item::Same(_, after) => (' ', new[after]),
            Item::Gone(before) => ('-', old[before]),
            Item::New(after) => ('+', new[after]),
        };
        let sign = if old.is_empty() || new.is_empty() { ' ' } else { sign };
        let _written = writeln!(text, "{:1$}{sign} {line}", "", inner - 2, line = harmless(line));
    }
    let _written = write!(text, "{:1$}EOT", "", indent + 2);
    text
}
