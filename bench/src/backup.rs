//! `cargo xtask bench backup`: `devops-backup` beside the archivers and backup tools that are installed.
//!
//! Everything runs under one folder, in turn, from a warm cache, on two processors.

mod bars;
mod lab;
mod memory;
mod options;
mod peers;
mod works;

use std::fs;

use anyhow::{Context, Result};
use serde_json::json;

use super::{rounds::Results, table};
use crate::shell::{cargo, run as build};
use lab::Lab;
use options::Options;

/// The name of each piece of work, in the order they are done.
const WORKS: [&str; 10] =
    ["create", "fast", "again", "bytes", "files", "list", "one", "restore", "verify", "memory"];

/// Measures what was asked for, prints tables and the bars, and writes JSON if asked.
pub(super) fn run(arguments: &[String]) -> Result<()> {
    if arguments.iter().any(|argument| argument == "--help") {
        println!("{}", options::USAGE);
        return Ok(());
    }
    let options = Options::parse(arguments)?;
    build(&mut cargo(["build", "--locked", "--release", "--package", "devops-backup"]))?;
    lab::two_processors()?;
    let lab = Lab::new(&options)?;
    lab.print();
    let mut results = Results::default();
    for work in WORKS.into_iter().filter(|work| options.wants(work)) {
        measure(work, &lab, &mut results).with_context(|| format!("while measuring `{work}`"))?;
    }
    let index = lab.index_share()?;
    let bars = bars::judge(&results, index);
    println!(
        "\nThe bars (they are meant for a tree of about 1 GB and 20,000 files, on 2 processors)"
    );
    table::aligned(&bars::cells(&bars));
    if let Some(path) = &options.json {
        let all = json!({ "lab": lab.facts(), "results": results, "bars": bars });
        let text = serde_json::to_string_pretty(&all)?;
        write(path, &text).with_context(|| path.display().to_string())?;
        println!("\nEvery run is in {}", path.display());
    }
    Ok(())
}

fn measure(work: &'static str, lab: &Lab, results: &mut Results) -> Result<()> {
    match work {
        "create" => works::create(lab, results),
        "fast" => works::fast(lab, results),
        "again" => works::again(lab, results),
        "bytes" => works::changed_bytes(lab, results),
        "files" => works::changed_files(lab, results),
        "list" => works::list(lab, results),
        "one" => works::one(lab, results),
        "restore" => works::restore(lab, results),
        "verify" => works::verify(lab, results),
        _ => memory::measure(lab, results),
    }
}

#[allow(clippy::disallowed_methods, reason = "a report needs no atomic replacement")]
fn write(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    fs::write(path, text)
}
