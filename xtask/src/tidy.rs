//! `cargo xtask tidy`: what the compiler does not check and a reader would notice.

mod counts;
mod findings;
mod glossary;
mod imports;
mod names;
mod rooms;
mod sizes;
mod sources;

use findings::Findings;
use std::fs;

use anyhow::{Context, Result};

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
    let graph = imports::Graph::of(&files);
    rooms::check_circles(&files, &graph, &mut findings);
    rooms::check_order(&files, &graph, &mut findings);
    sources::check_declared(&files, &mut findings);
    sources::check_manifests(&root(), &mut findings)?;
    let words =
        fs::read_to_string(root().join("GLOSSARY.md")).context("cannot read GLOSSARY.md")?;
    glossary::check(&words, &files, &mut findings);
    lock_file(&mut findings)?;
    documents(&mut findings)?;
    findings.report()
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
        if name == "ARCHITECTURE.md" {
            rooms::check_document(&text, findings);
        }
    }
    Ok(())
}
