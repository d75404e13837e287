//! Reads a diff back: which leaf of which resource changes, from the text and from the JSON.

use std::collections::BTreeSet;

use serde_json::Value;

/// An address, the sign of its change, and the path of a leaf; the path is empty for the change itself.
pub(super) type Leaf = (String, String, String);

fn is_true(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(is_true),
        Value::Object(fields) => fields.values().any(is_true),
        _ => false,
    }
}

struct Sides<'a>([&'a Value; 5]);

impl<'a> Sides<'a> {
    fn field(&self, name: &str) -> Self {
        static NULL: Value = Value::Null;
        let [before, after, unknown, one, other] = self.0;
        let get = |value: &'a Value| value.get(name).unwrap_or(&NULL);
        let mark = |value: &'a Value| if value.is_boolean() { value } else { get(value) };
        Self([get(before), get(after), mark(unknown), mark(one), mark(other)])
    }
}

/// Collects the paths of what changes; lists and texts are one leaf.
fn collect(sides: &Sides<'_>, path: &str, found: &mut BTreeSet<String>) {
    let [before, after, unknown, before_mark, after_mark] = sides.0;
    let toggles = !before.is_null() && is_true(before_mark) != is_true(after_mark);
    if before == after && !is_true(unknown) && !toggles {
        return;
    }
    let is_marked = before_mark == &Value::Bool(true) || after_mark == &Value::Bool(true);
    let is_object = |value: &Value| value.is_object() || value.is_null();
    let either = before.as_object().or(after.as_object()).or(unknown.as_object());
    if is_marked
        || unknown == &Value::Bool(true)
        || !is_object(before)
        || !is_object(after)
        || either.is_none()
    {
        found.insert(path.to_owned());
        return;
    }
    let fields = [before, after, unknown].into_iter().filter_map(Value::as_object);
    let names: BTreeSet<_> = fields.flat_map(|fields| fields.keys()).collect();
    let start = found.len();
    for name in names {
        collect(&sides.field(name), &format!("{path}/{name}"), found);
    }
    if found.len() == start && !path.is_empty() {
        found.insert(path.to_owned());
    }
}

fn sign(actions: &[Value]) -> &'static str {
    let names: Vec<_> = actions.iter().filter_map(Value::as_str).collect();
    match names[..] {
        ["create"] => "+",
        ["delete"] => "-",
        ["update"] => "~",
        ["delete", "create"] => "-/+",
        ["create", "delete"] => "+/-",
        ["read"] => "<=",
        ["forget"] => ".",
        _ => "",
    }
}

/// Returns what the JSON of a plan says.
pub(super) fn of_json(plan: &Value) -> BTreeSet<Leaf> {
    let mut leaves = BTreeSet::new();
    let null = Value::Null;
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    for change in changes {
        let (address, inner) = (change["address"].as_str().unwrap(), &change["change"]);
        let moved = change["previous_address"].is_string()
            && change["previous_address"] != change["address"];
        let sign = sign(inner["actions"].as_array().unwrap());
        if sign.is_empty() && !moved && inner["importing"].is_null() {
            continue;
        }
        let deposed = change["deposed"].as_str().filter(|key| !key.is_empty());
        let address =
            deposed.map_or(address.to_owned(), |key| format!("{address} (deposed object {key})"));
        leaves.insert((address.clone(), sign.to_owned(), String::new()));
        let mut paths = BTreeSet::new();
        let get = |name: &str| inner.get(name).unwrap_or(&null);
        let sides =
            ["before", "after", "after_unknown", "before_sensitive", "after_sensitive"].map(get);
        collect(&Sides(sides), "", &mut paths);
        leaves.extend(
            paths
                .into_iter()
                .filter(|path| !path.is_empty())
                .map(|path| (address.clone(), sign.to_owned(), path)),
        );
    }
    for (name, change) in plan["output_changes"].as_object().into_iter().flatten() {
        let sign = sign(change["actions"].as_array().unwrap());
        if !sign.is_empty() {
            leaves.insert(("output".to_owned(), sign.to_owned(), format!("/{name}")));
        }
    }
    leaves
}

/// Returns what the text of a diff says. It is read by its indents alone.
pub(super) fn of_text(text: &str) -> BTreeSet<Leaf> {
    let mut reader = Reader::default();
    text.lines().for_each(|line| reader.line(line));
    reader.leaves
}

#[derive(Default)]
struct Reader {
    leaves: BTreeSet<Leaf>,
    address: String,
    sign: String,
    in_outputs: bool,
    /// Names of the open containers with their indents; `None` is a list, a text or JSON: one leaf.
    open: Vec<(usize, Option<String>)>,
}

const PHRASES: [&str; 12] = [
    " will be created",
    " will be updated",
    " will be destroyed",
    " must be replaced",
    " is tainted",
    " will be replaced",
    " will be read",
    " will no longer",
    " will be imported",
    " has moved from",
    " is deferred",
    " will be invoked",
];

/// Stands for the address of an action, whose configuration is no change.
const ACTION: &str = "(action)";

impl Reader {
    fn line(&mut self, line: &str) {
        if line == "Changes to Outputs:" {
            self.in_outputs = true;
            return;
        }
        if line.is_empty() || line.starts_with("Plan:") {
            self.in_outputs &= line.is_empty() && self.address.is_empty();
            return;
        }
        if let Some(header) = line.strip_prefix("  # ").filter(|_| self.open.is_empty()) {
            if let Some(at) = PHRASES.iter().filter_map(|phrase| header.find(phrase)).min() {
                let is_action = header[at..].starts_with(" will be invoked");
                self.address = if is_action { ACTION.to_owned() } else { header[..at].to_owned() };
            }
            return;
        }
        let is_block = line.len() > 4
            && (line[4..].starts_with("resource \"") || line[4..].starts_with("data \""));
        if is_block && self.open.is_empty() {
            line[..3].trim().clone_into(&mut self.sign);
            self.leaves.insert((self.address.clone(), self.sign.clone(), String::new()));
            return;
        }
        self.attribute(line);
    }

    /// Counts what is not known afterwards as one leaf: what it was made of is only said beside.
    fn replaced_as_a_whole(&mut self) {
        let path = path(self.open.iter().filter_map(|(_, name)| name.as_ref()));
        let (address, below) = (self.address.clone(), format!("{path}/"));
        self.leaves.retain(|(at, _, leaf)| *at != address || !leaf.starts_with(&below));
        self.leaves.insert((address, self.sign.clone(), path));
    }

    fn attribute(&mut self, line: &str) {
        let rest = line.trim_start();
        let indent = line.len() - rest.len();
        if self.open.last().is_some_and(|(_, name)| name.is_none()) {
            let end = self.open.last().unwrap().0;
            if indent == end + 2 && (rest.starts_with([']', ')']) || rest.starts_with("EOT")) {
                self.open.pop();
            }
            return;
        }
        if rest.starts_with('}') {
            if rest.ends_with(" -> (known after apply)") {
                self.replaced_as_a_whole();
            }
            self.open.pop();
            if self.open.is_empty() && indent == 4 {
                self.address = String::new();
            }
            return;
        }
        let (sign, rest) = rest.split_at(1);
        if !["+", "-", "~"].contains(&sign) || !rest.starts_with(' ') {
            return;
        }
        let Some((name, value)) = split(rest.trim_start()) else { return };
        let is_open = |open: &str| value == open || value.starts_with(&format!("{open} #"));
        let in_output = self.address.is_empty();
        if in_output && self.open.is_empty() {
            self.leaves.insert(("output".to_owned(), sign.to_owned(), format!("/{name}")));
        }
        if is_open("{") {
            self.open.push((indent, Some(name)));
            return;
        }
        if !in_output && self.address != ACTION {
            let names = self.open.iter().filter_map(|(_, name)| name.as_ref()).chain([&name]);
            let path = path(names);
            self.leaves.insert((self.address.clone(), self.sign.clone(), path));
        }
        if is_open("[") || is_open("jsonencode(") || is_open("<<-EOT") {
            self.open.push((indent, None));
        }
    }
}

fn path<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.flat_map(|name| ["/", name.as_str()]).collect()
}

/// Splits `name = value`; the name may be quoted.
fn split(text: &str) -> Option<(String, String)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut escaped = false;
        let end = quoted.find(|c: char| {
            let is_end = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            is_end
        })?;
        let name: String = serde_json::from_str(&text[..end + 2]).ok()?;
        let value = text[end + 2..].trim_start().strip_prefix("= ")?;
        return Some((name, value.to_owned()));
    }
    let (name, value) = text.split_once(" = ")?;
    Some((name.trim_end().to_owned(), value.to_owned()))
}
