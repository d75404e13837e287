//! Paths to values within a resource.

use std::fmt::Write;

/// Adds a name to a path; what could be mistaken for several stands in quotes.
pub(super) fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    if name.contains(['.', '[', ']', '"']) || name.is_empty() {
        let _written = write!(path, "{name:?}");
    } else {
        path.push_str(name);
    }
}
