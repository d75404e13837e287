//! The two sides of one value, with their marks.

use serde_json::Value;

use super::{
    change::ValueChange,
    marks::{Step, below},
};

const NULL: &Value = &Value::Null;

/// One value before and after, with what is known of it and what is sensitive.
#[derive(Clone, Copy)]
pub(in crate::terraform) struct Node<'a> {
    pub(in crate::terraform) before: &'a Value,
    pub(in crate::terraform) after: &'a Value,
    pub(in crate::terraform) unknown: &'a Value,
    pub(in crate::terraform) before_mark: &'a Value,
    pub(in crate::terraform) after_mark: &'a Value,
}

impl<'a> Node<'a> {
    pub(in crate::terraform) fn of(change: &'a ValueChange) -> Self {
        Self {
            before: &change.before,
            after: &change.after,
            unknown: &change.after_unknown,
            before_mark: &change.before_sensitive,
            after_mark: &change.after_sensitive,
        }
    }

    /// Returns a value that only one side has.
    pub(in crate::terraform) fn new(after: &'a Value, unknown: &'a Value, mark: &'a Value) -> Self {
        Self { before: NULL, after, unknown, before_mark: NULL, after_mark: mark }
    }

    /// Returns a field of both sides.
    pub(in crate::terraform) fn field(&self, name: &'a str) -> Self {
        self.item(Some(Step::Name(name)), Some(Step::Name(name)))
    }

    /// Returns a part of both sides, each by its own step or not at all.
    pub(in crate::terraform) fn item(
        &self,
        before: Option<Step<'a>>,
        after: Option<Step<'a>>,
    ) -> Self {
        let value = |side: &'a Value, step: Option<Step<'a>>| match step {
            Some(Step::Name(name)) => side.get(name).unwrap_or(NULL),
            Some(Step::Index(index)) => side.get(index).unwrap_or(NULL),
            None => NULL,
        };
        let mark =
            |side: &'a Value, step: Option<Step<'a>>| step.map_or(NULL, |step| below(side, &step));
        Self {
            before: value(self.before, before),
            after: value(self.after, after),
            unknown: mark(self.unknown, after),
            before_mark: mark(self.before_mark, before),
            after_mark: mark(self.after_mark, after),
        }
    }

    /// Returns the names of the fields of either side, in order, without those that are nothing on both.
    pub(in crate::terraform) fn names(&self) -> Vec<&'a str> {
        let sides = [self.before, self.after, self.unknown];
        let fields = sides.into_iter().filter_map(Value::as_object).flatten();
        let mut names: Vec<_> = fields.map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !self.field(name).is_nothing());
        names
    }

    pub(in crate::terraform) fn is_nothing(&self) -> bool {
        self.before.is_null() && self.after.is_null() && !has_true(self.unknown)
    }

    pub(in crate::terraform) fn is_unknown(&self) -> bool {
        *self.unknown == Value::Bool(true)
    }

    pub(in crate::terraform) fn is_sensitive(&self) -> bool {
        *self.before_mark == Value::Bool(true) || *self.after_mark == Value::Bool(true)
    }

    pub(in crate::terraform) fn is_changed(&self) -> bool {
        has_true(self.unknown)
            || self.before != self.after
            || (!self.before.is_null() && !same_marks(self.before_mark, self.after_mark))
    }

    pub(in crate::terraform) fn sign(&self) -> &'static str {
        match (self.before.is_null(), self.after.is_null() && !has_true(self.unknown)) {
            _ if !self.is_changed() => " ",
            (true, _) => "+",
            (_, true) => "-",
            _ => "~",
        }
    }
}

/// Returns whether anything in a tree of marks is marked.
pub(in crate::terraform) fn has_true(marks: &Value) -> bool {
    match marks {
        Value::Bool(mark) => *mark,
        Value::Array(items) => items.iter().any(has_true),
        Value::Object(fields) => fields.values().any(has_true),
        _ => false,
    }
}

fn same_marks(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => one.keys().chain(other.keys()).all(|name| {
            let get = |fields: &'_ serde_json::Map<String, Value>| {
                fields.get(name).cloned().unwrap_or_default()
            };
            same_marks(&get(one), &get(other))
        }),
        (Value::Bool(true), other) | (other, Value::Bool(true)) => *other == Value::Bool(true),
        // The items of a list may have moved, and their marks with them.
        (one, other) => has_true(one) == has_true(other),
    }
}
