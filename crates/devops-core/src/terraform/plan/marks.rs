//! Walks a value together with the tree of marks that runs parallel to it.

use serde_json::Value;

/// Hands over each part that a tree of marks names, and leaves `null` there; `true` names the whole value.
pub(in crate::terraform) fn take_marked(
    value: &mut Value,
    marks: &Value,
    take: &mut dyn FnMut(Value),
) {
    visit(value, marks, &mut |part| {
        if !part.is_null() {
            take(part.take());
        }
    });
}

/// Hands over each part that a tree of marks names, to be replaced.
pub(in crate::terraform) fn visit(
    value: &mut Value,
    marks: &Value,
    change: &mut dyn FnMut(&mut Value),
) {
    match (value, marks) {
        (value, Value::Bool(true)) => change(value),
        (Value::Object(fields), Value::Object(marks)) => {
            for (name, mark) in marks {
                if let Some(field) = fields.get_mut(name) {
                    visit(field, mark, change);
                }
            }
        }
        (Value::Array(items), Value::Array(marks)) => {
            for (item, mark) in items.iter_mut().zip(marks) {
                visit(item, mark, change);
            }
        }
        _ => {}
    }
}

/// Hands over each part that a tree of marks names.
pub(in crate::terraform) fn each_marked<'a>(
    value: &'a Value,
    marks: &Value,
    see: &mut dyn FnMut(&'a Value),
) {
    match (value, marks) {
        (value, Value::Bool(true)) => see(value),
        (Value::Object(fields), Value::Object(marks)) => {
            for (name, mark) in marks {
                if let Some(field) = fields.get(name) {
                    each_marked(field, mark, see);
                }
            }
        }
        (Value::Array(items), Value::Array(marks)) => {
            for (item, mark) in items.iter().zip(marks) {
                each_marked(item, mark, see);
            }
        }
        _ => {}
    }
}

/// The mark of a step below one that has no mark of its own.
const UNMARKED: Value = Value::Null;

/// Returns the mark of a field or an item: that of the whole counts for its parts.
pub(in crate::terraform) fn below<'a>(mark: &'a Value, step: &Step<'_>) -> &'a Value {
    match (mark, step) {
        (Value::Bool(true), _) => mark,
        (Value::Object(marks), Step::Name(name)) => marks.get(*name).unwrap_or(&UNMARKED),
        (Value::Array(marks), Step::Index(index)) => marks.get(*index).unwrap_or(&UNMARKED),
        _ => &UNMARKED,
    }
}

/// One step into a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::terraform) enum Step<'a> {
    Name(&'a str),
    Index(usize),
}
