//! The values that change, one by one.

use std::fmt::Write;

use serde_json::Value;

use super::{change::ValueChange, marks::Step, node::Node};
use crate::terraform::path::push_name;

/// A value that changes and has no parts that change by themselves.
pub(in crate::terraform) struct Leaf<'a> {
    /// Its path: `tags.env`, `ingress[0].port`.
    pub(in crate::terraform) path: String,
    /// Its values; they must not be shown where it is sensitive.
    pub(in crate::terraform) node: Node<'a>,
}

/// Hands over each value that changes; the parts of a sensitive one are one value.
pub(in crate::terraform) fn changed_leaves<'a>(
    change: &'a ValueChange,
    see: &mut dyn FnMut(Leaf<'a>),
) {
    walk(Node::of(change), &mut String::new(), see);
}

fn walk<'a>(node: Node<'a>, path: &mut String, see: &mut dyn FnMut(Leaf<'a>)) {
    if node.is_nothing() || !node.is_changed() {
        return;
    }
    let is_whole = node.is_sensitive() || node.is_unknown();
    let (length, mut n_parts) = (path.len(), 0);
    for (name, part) in parts(&node).into_iter().filter(|_| !is_whole) {
        match name {
            Step::Name(name) => push_name(path, name),
            Step::Index(at) => {
                let _written = write!(path, "[{at}]");
            }
        }
        walk(part, path, &mut |leaf| {
            n_parts += 1;
            see(leaf);
        });
        path.truncate(length);
    }
    // An empty object, or a list that is only longer, changes as a whole.
    if n_parts == 0 {
        see(Leaf { path: path.clone(), node });
    }
}

/// Returns the fields of two objects or the items of two lists; one side may be nothing.
fn parts<'a>(node: &Node<'a>) -> Vec<(Step<'a>, Node<'a>)> {
    let sides = [node.before, node.after];
    let all = |is: fn(&Value) -> bool| sides.iter().all(|side| side.is_null() || is(side));
    if all(Value::is_object) {
        let names = node.names().into_iter();
        return names.map(|name| (Step::Name(name), node.field(name))).collect();
    }
    if all(Value::is_array) {
        let lengths = sides.iter().filter_map(|side| side.as_array()).map(Vec::len);
        let step = |at| (Step::Index(at), node.item(Some(Step::Index(at)), Some(Step::Index(at))));
        return (0..lengths.max().unwrap_or(0)).map(step).collect();
    }
    Vec::new()
}
