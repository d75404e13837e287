//! `cargo xtask bench s3`: `devops-s3push` beside the uploaders that are installed.
//!
//! All put into the same server on loopback, started anew for each run, in turn, on two processors.
//! What a run left there is compared with the source, byte by byte, before its figures count.

mod bars;
mod bucket;
mod days;
mod lab;
mod options;
mod peers;
mod programs;
mod requests;
mod resume;
mod server;
mod start;
mod tls;
mod works;

use anyhow::{Context, Result};

use crate::{
    bars::print,
    machine, report,
    rounds::Results,
    shell::{TOOLS, cargo, release_folder, run as build},
};
use lab::Lab;
pub(crate) use options::Options;
use options::WORKS;

const TITLE: &str =
    "The bars (they are meant for 1 GiB, 5,000 files and a tree of about 1 GB, on 2 processors)";

/// The server takes what clients send with as much care as a real one; built like a tool that
/// waits for people, it would take most of both processors, and be measured in place of the clients.
const SERVER: [&str; 4] = [
    "--config",
    "profile.release.package.devops-fakes.opt-level=3",
    "--config",
    "profile.release.package.s3s.opt-level=3",
];

/// Measures what was asked for, prints tables and the bars, and writes JSON if asked.
pub(super) fn run(mut options: Options) -> Result<()> {
    if options.tools.is_none() {
        let programs = ["build", "--locked", "--release", "--bins"];
        let packages = TOOLS.into_iter().chain(["devops-fakes"]);
        let packages = packages.flat_map(|name| ["--package", name]);
        build(cargo(programs).args(packages).args(SERVER))?;
        options.tools = Some(release_folder());
    }
    machine::two_processors()?;
    let lab = Lab::new(&options)?;
    lab.print();
    let mut results = Results::default();
    for work in WORKS.into_iter().filter(|work| options.wants(work)) {
        measure(work, &lab, &mut results).with_context(|| format!("while measuring `{work}`"))?;
    }
    let bars = bars::judge(&results, &options);
    print(TITLE, &bars);
    match &options.output.json {
        Some(path) => report::save(path, &lab.facts(), (&results, &bars)),
        None => Ok(()),
    }
}

fn measure(work: &str, lab: &Lab, results: &mut Results) -> Result<()> {
    match work {
        "large" => works::large(lab, results),
        "many" => works::many(lab, results),
        "days" => days::measure(lab, results),
        "start" => start::measure(lab, results),
        _ => resume::measure(lab, results),
    }
}
