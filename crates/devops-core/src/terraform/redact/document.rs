//! Redacts whole documents: by their marks first, then by what is known, and structure never.

use serde_json::{Map, Value};

use super::scrub::Scrubber;
use crate::terraform::{plan::marks, shown::HIDDEN};

/// Fields whose texts are structure, or words of terraform's own.
const STRUCTURE: [&str; 57] = [
    "@level",
    "@module",
    "@timestamp",
    "action",
    "action_reason",
    "action_trigger_event",
    "actions",
    "addr",
    "address",
    "alias",
    "attribute",
    "condition_type",
    "container",
    "context",
    "depends_on",
    "deposed",
    "deposed_key",
    "filename",
    "format_version",
    "full_name",
    "id_key",
    "implied_provider",
    "index",
    "instance_key",
    "key",
    "kind",
    "message_code",
    "mode",
    "module",
    "module_address",
    "name",
    "operation",
    "previous_address",
    "provider_config_key",
    "provider_name",
    "provisioner",
    "reason",
    "references",
    "resource",
    "resource_key",
    "resource_name",
    "resource_type",
    "result",
    "run",
    "severity",
    "source",
    "status",
    "terraform",
    "terraform_version",
    "timestamp",
    "to_display",
    "tofu",
    "traversal",
    "triggering_resource_address",
    "type",
    "ui",
    "version_constraint",
];

/// Fields whose keys are names that somebody chose, each before structure.
const NAMED: [&str; 6] = [
    "module_calls",
    "outputs",
    "provider_config",
    "provider_schemas",
    "resource_schemas",
    "variables",
];

/// Fields that run parallel to values: marks, and what is not known yet.
const TREES: [&str; 7] = [
    "after_sensitive",
    "after_unknown",
    "before_sensitive",
    "config_sensitive",
    "config_unknown",
    "sensitive_values",
    "attribute_types",
];

/// Hides what the JSON of a plan marks.
pub(super) fn hide_marked_in_plan(plan: &mut Value) {
    let root = plan.pointer("/configuration/root_module/variables").cloned().unwrap_or_default();
    for (name, variable) in fields(plan, "/variables") {
        // Not declared means not known to be harmless.
        if root.get(name).is_none_or(is_sensitive) {
            hide_field(variable, "value");
        }
    }
    if let Some(module) = plan.pointer_mut("/configuration/root_module") {
        hide_in_configuration(module);
    }
    for (_, provider) in fields(plan, "/configuration/provider_config") {
        // Which of them are secrets is not said; a region among them may be shown elsewhere.
        hide_constants(provider);
    }
    for values in ["/planned_values", "/prior_state/values"] {
        if let Some(values) = plan.pointer_mut(values) {
            hide_in_values(values);
        }
    }
    for list in ["/resource_changes", "/resource_drift", "/deferred_changes"] {
        items(plan.pointer_mut(list)).for_each(hide_in_change);
    }
    for list in ["/action_invocations", "/deferred_action_invocations"] {
        items(plan.pointer_mut(list)).for_each(hide_in_invocation);
    }
    for (_, change) in fields(plan, "/output_changes") {
        hide_in_change(change);
    }
}

/// Hides what the JSON of a state marks.
pub(super) fn hide_marked_in_state(state: &mut Value) {
    if let Some(values) = state.get_mut("values") {
        hide_in_values(values);
    }
}

/// Takes the values of sensitive outputs away: a text in their place could be taken for a value.
pub(super) fn drop_sensitive_outputs(outputs: &mut Value) {
    for output in outputs.as_object_mut().into_iter().flat_map(Map::values_mut) {
        if is_sensitive(output)
            && let Some(fields) = output.as_object_mut()
        {
            fields.remove("value");
        }
    }
}

fn fields<'a>(
    value: &'a mut Value,
    pointer: &str,
) -> impl Iterator<Item = (&'a String, &'a mut Value)> {
    value.pointer_mut(pointer).and_then(Value::as_object_mut).into_iter().flatten()
}

fn items(list: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
    list.and_then(Value::as_array_mut).into_iter().flatten()
}

fn is_sensitive(declaration: &Value) -> bool {
    let is = |flag| declaration.get(flag) == Some(&Value::Bool(true));
    is("sensitive") || is("ephemeral")
}

fn hide(value: &mut Value) {
    if !value.is_null() {
        *value = HIDDEN.into();
    }
}

fn hide_field(object: &mut Value, field: &str) {
    if let Some(value) = object.get_mut(field) {
        hide(value);
    }
}

fn hide_by(object: &mut Value, value: &str, marks: &str) {
    let marks = object.get(marks).cloned().unwrap_or_default();
    if let Some(value) = object.get_mut(value) {
        marks::visit(value, &marks, &mut hide);
    }
}

fn hide_in_values(values: &mut Value) {
    for (_, output) in fields(values, "/outputs").filter(|(_, output)| is_sensitive(output)) {
        hide_field(output, "value");
    }
    if let Some(module) = values.get_mut("root_module") {
        hide_in_module(module);
    }
}

fn hide_in_module(module: &mut Value) {
    for resource in items(module.get_mut("resources")) {
        hide_by(resource, "values", "sensitive_values");
    }
    items(module.get_mut("child_modules")).for_each(hide_in_module);
}

/// Hides both sides of a change; that of a resource lies one level down.
fn hide_in_change(outer: &mut Value) {
    for nested in ["resource_change", "change"] {
        if let Some(change) = outer.get_mut(nested) {
            hide_in_change(change);
        }
    }
    hide_by(outer, "before", "before_sensitive");
    hide_by(outer, "after", "after_sensitive");
    // The keys of a sensitive value stand in what is unknown of it, too.
    let marks = outer.get("after_sensitive").cloned().unwrap_or_default();
    if let Some(unknown) = outer.get_mut("after_unknown") {
        marks::visit(unknown, &marks, &mut |part| {
            if part.is_object() {
                *part = Value::Bool(true);
            }
        });
    }
}

fn hide_in_invocation(outer: &mut Value) {
    if let Some(invocation) = outer.get_mut("action_invocation") {
        hide_in_invocation(invocation);
    }
    hide_by(outer, "config_values", "config_sensitive");
}

/// Hides defaults and constants of sensitive variables and outputs, in this module and those it calls.
fn hide_in_configuration(module: &mut Value) {
    for (_, variable) in fields(module, "/variables").filter(|(_, one)| is_sensitive(one)) {
        hide_field(variable, "default");
    }
    for (_, output) in fields(module, "/outputs").filter(|(_, one)| is_sensitive(one)) {
        hide_constants(output);
    }
    for (_, call) in fields(module, "/module_calls") {
        let declared = call.pointer("/module/variables").cloned().unwrap_or_default();
        for (name, expression) in fields(call, "/expressions") {
            if declared.get(name).is_some_and(is_sensitive) {
                hide_constants(expression);
            }
        }
        if let Some(module) = call.get_mut("module") {
            hide_in_configuration(module);
        }
    }
}

fn hide_constants(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match name.as_str() {
                    "constant_value" => hide(field),
                    _ => hide_constants(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide_constants),
        _ => {}
    }
}

/// Hides known secrets in every value and foreign text of a document, and leaves its structure as it is.
pub(super) fn scrub(scrubber: &Scrubber, document: &mut Value) {
    Walk { scrubber }.structure("", document);
}

/// Hides known secrets in outputs, whose names stand at the top.
pub(super) fn scrub_outputs(scrubber: &Scrubber, outputs: &mut Value) {
    Walk { scrubber }.named(outputs);
}

struct Walk<'a> {
    scrubber: &'a Scrubber,
}

impl Walk<'_> {
    fn structure(&self, key: &str, value: &mut Value) {
        match value {
            Value::String(text) if !STRUCTURE.contains(&key) => {
                let clean = self.scrubber.foreign(text);
                if clean != text.as_str() {
                    *text = clean.into_owned();
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.structure(key, item)),
            Value::Object(fields) => {
                let has_type = fields.contains_key("type");
                for (name, field) in fields {
                    self.field(name, field, has_type);
                }
            }
            _ => {}
        }
    }

    fn field(&self, name: &str, field: &mut Value, has_type: bool) {
        match name {
            "expressions" | "expression" | "count_expression" | "for_each_expression" => {
                self.expression(field);
            }
            "replace_paths" | "attribute" | "attribute_path" => self.path(field),
            "type" if !field.is_string() => self.scrubber.tree(field, false),
            "values" if has_type => self.scrubber.data(field, true),
            "before" | "after" | "config_values" | "before_identity" | "after_identity"
            | "identity" => self.scrubber.data(field, true),
            "value" | "default" | "id_value" | "id" => self.scrubber.data(field, false),
            "output_changes" => self.output_changes(field),
            _ if NAMED.contains(&name) => self.named(field),
            _ if TREES.contains(&name) => self.scrubber.tree(field, true),
            _ => self.structure(name, field),
        }
    }

    fn named(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.values_mut().for_each(|field| self.structure("", field));
            }
            other => self.structure("", other),
        }
    }

    /// Walks changes of outputs: no schema gives the keys of their values.
    fn output_changes(&self, changes: &mut Value) {
        let changes = changes.as_object_mut().into_iter().flat_map(Map::values_mut);
        for (name, field) in changes.filter_map(Value::as_object_mut).flatten() {
            match name.as_str() {
                "before" | "after" => self.scrubber.data(field, false),
                _ if TREES.contains(&name.as_str()) => self.scrubber.tree(field, false),
                _ => self.field(name, field, false),
            }
        }
    }

    /// Walks an expression of the configuration, or a block of them by their names.
    fn expression(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.expression(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    match name.as_str() {
                        "constant_value" => self.scrubber.data(field, false),
                        "references" if field.is_array() => {}
                        _ => self.expression(field),
                    }
                }
            }
            _ => {}
        }
    }

    /// Walks a path into a value: its steps may be keys that are secret.
    fn path(&self, value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.path(item)),
            Value::String(step) => {
                let clean = self.scrubber.step(step);
                if clean != step.as_str() {
                    *step = clean.into_owned();
                }
            }
            _ => {}
        }
    }
}
