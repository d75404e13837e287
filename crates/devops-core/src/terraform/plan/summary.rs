//! The counts of a plan.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::agree;

/// The counts of a plan; each resource counts in the first matching field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// Created.
    pub add: usize,
    /// Changed in place.
    pub change: usize,
    /// Destroyed.
    pub destroy: usize,
    /// Destroyed and created anew.
    pub replace: usize,
    /// Dropped from the state.
    pub forget: usize,
    /// Imported, whatever else happens to them.
    pub import: usize,
    /// Moved to another address, whatever else happens to them.
    #[serde(rename = "move")]
    pub moved: usize,
    /// Outputs whose value changes.
    pub outputs: usize,
    /// Actions invoked (terraform 1.14 and later).
    pub invoke: usize,
}

impl fmt::Display for Summary {
    /// Shows the four that matter always, and the others when there are any.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { add, change, destroy, replace, .. } = self;
        write!(f, "{add} to add, {change} to change, {destroy} to destroy, {replace} to replace")?;
        let others = [
            (self.import, "to import"),
            (self.moved, "to move"),
            (self.forget, "to forget"),
            (self.invoke, "to invoke"),
            (self.outputs, agree(self.outputs, "output to change", "outputs to change")),
        ];
        for (n, what) in others.into_iter().filter(|(n, _)| *n > 0) {
            write!(f, ", {n} {what}")?;
        }
        Ok(())
    }
}
