//! Stands in place of the engine where the program is built without one.

use std::time::Duration;

use serde_json::Value;

use super::{error::PolicyError, files::Files, outcome::Outcome};

/// An engine that cannot be loaded.
#[derive(Clone)]
pub(super) struct Engine;

impl Engine {
    /// Fails: there is no engine.
    pub(super) fn load(_: &Files, _: &[String], _: Duration) -> Result<Self, PolicyError> {
        Err(PolicyError::NotBuilt)
    }

    /// Fails, as loading does.
    pub(super) fn judge(self, _: Value) -> Result<Vec<Outcome>, String> {
        let Self = self;
        Err(PolicyError::NotBuilt.to_string())
    }
}
