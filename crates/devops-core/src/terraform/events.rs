//! The events of terraform's JSON stream: `plan -json`, `apply -json`, `init -json`.
//!
//! Format: <https://developer.hashicorp.com/terraform/internals/machine-readable-ui>. Types that are not known
//! are passed through, and lines that are no event too.

use std::{mem, time::Duration};

use serde_json::{Value, json};

use super::{json, shown::Shown};

mod diagnostic;

pub use diagnostic::Diagnostic;

/// The largest event that is put together from several pieces.
const SIZE_LIMIT: usize = 64 << 20;

/// An event, without what must not be shown.
#[derive(Clone, Debug)]
pub struct Event {
    document: Shown<Value>,
}

/// The kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// An error or a warning.
    Diagnostic,
    /// The work on a resource, an action or an ephemeral resource begins.
    Started,
    /// It goes on.
    Progress,
    /// It is done.
    Completed,
    /// It failed.
    Failed,
    /// Output or progress of a provisioner.
    Provisioner,
    /// The counts of resources that were changed or will be.
    Summary,
    /// The outputs.
    Outputs,
    /// A planned change; the plan's JSON has the details.
    Planned,
    /// The version of the program.
    Version,
    /// A message, or an event that is not known.
    Message,
}

impl Event {
    pub(super) fn new(document: Shown<Value>) -> Self {
        Self { document }
    }

    /// Returns the event as terraform gave it, without what must not be shown.
    pub fn document(&self) -> &Value {
        self.document.get()
    }

    /// Returns what the event is about.
    pub fn kind(&self) -> EventKind {
        let name = self.name();
        match name {
            "diagnostic" => EventKind::Diagnostic,
            "change_summary" => EventKind::Summary,
            "outputs" => EventKind::Outputs,
            "version" => EventKind::Version,
            "planned_change"
            | "planned_action_invocation"
            | "resource_drift"
            | "deferred_change" => EventKind::Planned,
            _ if name.starts_with("provision_") => EventKind::Provisioner,
            _ if self.address().is_none() => EventKind::Message,
            _ if name.ends_with("_start") => EventKind::Started,
            _ if name.ends_with("_progress") => EventKind::Progress,
            _ if name.ends_with("_complete") => EventKind::Completed,
            _ if name.ends_with("_errored") => EventKind::Failed,
            _ => EventKind::Message,
        }
    }

    /// Returns the name of its type.
    pub fn name(&self) -> &str {
        self.text("/type").unwrap_or_default()
    }

    /// Returns whether it is about what is only read.
    pub fn is_read(&self) -> bool {
        self.name().starts_with("refresh_") || self.text("/hook/action") == Some("read")
    }

    /// Returns the address of the resource or the action it is about.
    pub fn address(&self) -> Option<&str> {
        self.text("/hook/resource/addr").or_else(|| self.text("/hook/action/addr"))
    }

    /// Returns terraform's own message.
    pub fn message(&self) -> &str {
        self.text("/@message").unwrap_or_default()
    }

    /// Returns how long the work has taken so far.
    pub fn elapsed(&self) -> Option<Duration> {
        let seconds = self.document().pointer("/hook/elapsed_seconds")?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// Returns what a summary counts: `plan`, `apply` or `destroy`.
    pub fn operation(&self) -> &str {
        self.text("/changes/operation").unwrap_or_default()
    }

    /// Returns the outputs and their values, as far as they are shown.
    pub fn outputs(&self) -> impl Iterator<Item = (&str, Option<&Value>)> {
        let outputs = self.document().get("outputs").and_then(Value::as_object);
        let each = outputs.into_iter().flatten();
        each.map(|(name, output)| (name.as_str(), output.get("value")))
    }

    /// Returns the error or the warning it is.
    pub fn diagnostic(&self) -> Option<Diagnostic<'_>> {
        self.document().get("diagnostic").map(Diagnostic::new)
    }

    fn text(&self, pointer: &str) -> Option<&str> {
        self.document().pointer(pointer).and_then(Value::as_str)
    }
}

/// Returns what of an event may be shown before the secrets are known: which resource is read or refreshed.
pub(super) fn structure(event: &Value) -> Option<Value> {
    let name = event.get("type")?.as_str()?;
    if !name.starts_with("refresh_") && !name.starts_with("ephemeral_op_") {
        return None;
    }
    let hook = event.get("hook")?;
    let address = hook.pointer("/resource/addr")?.as_str()?;
    Some(json!({
        "@level": event.get("@level"),
        "@message": format!("{address}: {name}"),
        "@module": event.get("@module"),
        "@timestamp": event.get("@timestamp"),
        "hook": {
            "resource": hook.get("resource"),
            "action": hook.get("action"),
            "elapsed_seconds": hook.get("elapsed_seconds"),
        },
        "type": name,
    }))
}

/// A piece of a stream: an event, or a line that is none.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Event(Value),
    Line(Vec<u8>),
}

/// Reads the lines of a stream; an event that is too long for a line comes in several.
#[derive(Default)]
pub(super) struct Reader {
    partial: Vec<u8>,
}

impl Reader {
    /// Takes a line, and returns what it completes.
    pub(super) fn push(&mut self, line: Vec<u8>) -> Vec<Piece> {
        if line.is_empty() && self.partial.is_empty() {
            return vec![Piece::Line(line)];
        }
        let mut pieces = Vec::new();
        if self.partial.is_empty() || starts_event(&line) {
            pieces.extend(self.finish());
            self.partial = line;
        } else {
            self.partial.extend(line);
        }
        match serde_json::from_slice::<Value>(&self.partial) {
            Ok(value) if is_event(&value) => {
                self.partial.clear();
                pieces.push(Piece::Event(value));
            }
            Err(error) if error.is_eof() && self.may_grow() => {}
            // Its values may nest deeply.
            _ => match json::read::<Value>(&self.partial) {
                Ok(value) if is_event(&value) => {
                    self.partial.clear();
                    pieces.push(Piece::Event(value));
                }
                _ => pieces.extend(self.finish()),
            },
        }
        pieces
    }

    /// Returns what is left at the end of the stream.
    pub(super) fn finish(&mut self) -> Option<Piece> {
        let rest = mem::take(&mut self.partial);
        (!rest.is_empty()).then_some(Piece::Line(rest))
    }

    fn may_grow(&self) -> bool {
        starts_event(&self.partial) && self.partial.len() < SIZE_LIMIT
    }
}

fn starts_event(line: &[u8]) -> bool {
    line.starts_with(b"{\"@")
}

fn is_event(value: &Value) -> bool {
    value.get("type").is_some_and(Value::is_string) && value.get("@level").is_some()
}

/// Returns the lines of an error that is not shown yet, to find out what it is about: its title, and the details
/// indented.
pub(super) fn error_lines(event: &Value) -> Vec<String> {
    let text = |name: &str| event.get("diagnostic")?.get(name)?.as_str();
    let title = text("summary").map(|summary| format!("Error: {}", summary.replace('\n', " ")));
    let details = text("detail").into_iter().flat_map(str::lines).map(|line| format!("  {line}"));
    title.into_iter().chain(details).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(document: Value) -> Event {
        Event::new(Shown::redacted(document))
    }

    fn read(lines: &[&[u8]]) -> Vec<Piece> {
        let mut reader = Reader::default();
        let mut pieces: Vec<_> = lines.iter().flat_map(|line| reader.push(line.to_vec())).collect();
        pieces.extend(reader.finish());
        pieces
    }

    fn line(bytes: &[u8]) -> Piece {
        Piece::Line(bytes.to_vec())
    }

    #[test]
    fn reads_events_among_other_lines() {
        let version = json!({"@level": "info", "type": "version", "tofu": "1.10.0"});
        let text = version.to_string();
        let (head, tail) = text.split_at(20);

        assert_eq!(
            read(&[text.as_bytes(), b"plain", b"\xff{", b"", b"{\"type\": 1}"]),
            [
                Piece::Event(version.clone()),
                line(b"plain"),
                line(b"\xff{"),
                line(b""),
                line(b"{\"type\": 1}"),
            ]
        );
        // A long line comes in pieces.
        assert_eq!(read(&[head.as_bytes(), tail.as_bytes()]), [Piece::Event(version.clone())]);
        assert_eq!(
            read(&[head.as_bytes(), text.as_bytes(), head.as_bytes()]),
            [line(head.as_bytes()), Piece::Event(version), line(head.as_bytes()),]
        );
        let deep = [&b"{\"@level\":"[..], &[b'['; 300]].concat();
        assert_eq!(read(&[&deep]), [line(&deep)]);
    }

    #[test]
    fn tells_what_an_event_is_about() {
        let hook = |name: &str, action: &str| {
            event(json!({"type": name, "hook": {
                "resource": {"addr": "a.b[\"x\"]"}, "action": action, "elapsed_seconds": 3}}))
        };
        for (name, kind) in [
            ("apply_start", EventKind::Started),
            ("apply_progress", EventKind::Progress),
            ("apply_complete", EventKind::Completed),
            ("ephemeral_op_errored", EventKind::Failed),
            ("provision_progress", EventKind::Provisioner),
            ("of_the_future", EventKind::Message),
        ] {
            assert_eq!(hook(name, "create").kind(), kind, "{name}");
        }
        assert!(hook("apply_start", "read").is_read() && hook("refresh_start", "").is_read());
        assert_eq!(hook("apply_start", "create").address(), Some("a.b[\"x\"]"));
        assert_eq!(hook("apply_start", "create").elapsed(), Some(Duration::from_secs(3)));
        assert_eq!(event(json!({"type": "state_lock_start"})).kind(), EventKind::Message);
        let outputs = event(json!({"type": "outputs", "outputs": {"a": {"value": 1}, "b": {}}}));
        assert_eq!(outputs.outputs().collect::<Vec<_>>(), [("a", Some(&json!(1))), ("b", None)]);
    }

    #[test]
    fn before_the_plan_is_known_only_structure_is_shown() {
        let refresh = json!({"@level": "info", "@message": "a.b: Refreshing state... [id=hunter2]",
            "type": "refresh_start", "hook": {"resource": {"addr": "a.b"}, "action": "read",
            "id_key": "id", "id_value": "hunter2"}});

        let shown = structure(&refresh).unwrap();

        assert!(!shown.to_string().contains("hunter2"));
        assert_eq!(shown["hook"]["resource"]["addr"], "a.b");
        assert_eq!(structure(&json!({"type": "diagnostic", "diagnostic": {}})), None);
    }
}
