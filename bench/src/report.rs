//! What a benchmark leaves behind for programs.

use std::{fs, io, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{bars::Bar, rounds::Results};

/// Writes every run, and the bars, as JSON.
pub(crate) fn save(path: &Path, lab: &Value, (results, bars): (&Results, &[Bar])) -> Result<()> {
    let all = json!({ "lab": lab, "results": results, "bars": bars });
    let text = serde_json::to_string_pretty(&all)?;
    write(path, &text).with_context(|| path.display().to_string())?;
    println!("\nEvery run is in {}", path.display());
    Ok(())
}

/// Writes a file that need not be replaced whole.
#[allow(clippy::disallowed_methods, reason = "a report needs no atomic replacement")]
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}
