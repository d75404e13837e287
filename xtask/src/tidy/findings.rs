//! Findings: worth a look, or wrong.

use anyhow::{Result, ensure};

/// Findings: worth a look, or wrong.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) notes: Vec<String>,
    pub(crate) errors: Vec<String>,
}

impl Findings {
    /// Something that must be mended.
    pub(crate) fn error(&mut self, text: String) {
        self.errors.push(text);
    }

    /// A measure against its two figures: the aim and the limit.
    pub(crate) fn measure(&mut self, what: &str, value: usize, aim: usize, limit: usize) {
        if value > limit {
            self.errors.push(format!("{what}: {value} (limit {limit})"));
        } else if value > aim {
            self.notes.push(format!("{what}: {value} (aim {aim})"));
        }
    }

    pub(crate) fn report(self) -> Result<()> {
        for note in &self.notes {
            println!("large: {note}");
        }
        for error in &self.errors {
            println!("wrong: {error}");
        }
        ensure!(self.errors.is_empty(), "tidy found {} things to mend", self.errors.len());
        println!("tidy: {} notes, nothing to mend", self.notes.len());
        Ok(())
    }
}
