//! `cargo xtask tidy`: what the compiler does not check and a reader would notice.

mod counts;
mod names;
mod sizes;
mod sources;

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::shell::root;

/// More packages than this need a decision, not an accident.
const LOCK_BUDGET: usize = 560;

/// Most lines a document of this name may have.
const DOCUMENTS: [(&str, usize); 2] = [("README.md", 140), ("ARCHITECTURE.md", 150)];

/// Checks everything, prints what is large, and fails on what is too large or wrong.
pub(crate) fn run() -> Result<()> {
    let mut findings = Findings::default();
    let files = sources::all(&root())?;
    for file in &files {
        sizes::check(file, &mut findings);
        names::check(file, &mut findings);
        counts::check(file, &mut findings);
    }
    sources::check_declared(&files, &mut findings);
    sources::check_manifests(&root(), &mut findings)?;
    lock_file(&mut findings)?;
    documents(&mut findings)?;
    findings.report()
}

/// What was found: worth a look, or wrong.
#[derive(Default)]
pub(crate) struct Findings {
    notes: Vec<String>,
    errors: Vec<String>,
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

    fn report(self) -> Result<()> {
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

fn lock_file(findings: &mut Findings) -> Result<()> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).context("cannot read Cargo.lock")?;
    let n_packages = lock.lines().filter(|line| *line == "[[package]]").count();
    println!("Cargo.lock: {n_packages} packages of {LOCK_BUDGET}");
    findings.measure("Cargo.lock packages", n_packages, LOCK_BUDGET, LOCK_BUDGET);
    if lock.contains("name = \"hyper\"\nversion = \"0.14") {
        findings.error("Cargo.lock holds the legacy TLS stack (hyper 0.14)".to_owned());
    }
    Ok(())
}

fn documents(findings: &mut Findings) -> Result<()> {
    for (name, limit) in DOCUMENTS {
        let text = fs::read_to_string(root().join(name)).with_context(|| name.to_owned())?;
        findings.measure(&format!("{name}: lines"), text.lines().count(), limit, limit);
    }
    Ok(())
}
