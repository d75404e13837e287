//! `cargo xtask bench backup`: `devops-backup` beside the archivers and backup tools that are installed.
//!
//! Everything runs under one folder, in turn, from a warm cache, on two processors.

mod bars;
mod folder;
mod lab;
mod memory;
mod options;
mod peers;
mod works;

use anyhow::{Context, Result};

use crate::{
    bars::print,
    machine, report,
    rounds::Results,
    shell::{cargo, run as build},
};
use lab::Lab;
pub(crate) use options::Options;
use options::WORKS;

const TITLE: &str =
    "The bars (they are meant for a tree of about 1 GB and 20,000 files, on 2 processors)";

/// Measures what was asked for, prints tables and the bars, and writes JSON if asked.
pub(super) fn run(options: &Options) -> Result<()> {
    build(&mut cargo(["build", "--locked", "--release", "--package", "devops-backup"]))?;
    machine::two_processors()?;
    let lab = Lab::new(options)?;
    lab.print();
    let mut results = Results::default();
    for work in WORKS.into_iter().filter(|work| options.wants(work)) {
        measure(work, &lab, &mut results).with_context(|| format!("while measuring `{work}`"))?;
    }
    let index = lab.index_share()?;
    let bars = bars::judge(&results, index);
    print(TITLE, &bars);
    match &options.output.json {
        Some(path) => report::save(path, &lab.facts(), (&results, &bars)),
        None => Ok(()),
    }
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
        "folder" => folder::measure(lab, results),
        _ => memory::measure(lab, results),
    }
}
