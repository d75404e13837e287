//! `cargo xtask bench tf`: what `devops-tf` costs beside bare terraform, and on a plan of 10,000 changes.
//!
//! *Bare* is what any pipeline with a review runs: `terraform plan -out` and `terraform show -json`.

mod big;
mod options;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{
    bars::{Bar, print},
    machine,
    place::Place,
    report,
    rounds::{Candidate, Results, Row},
    shell::{cargo, release_folder, run as build},
    table,
};
pub(crate) use options::Options;

const TITLE: &str = "The bars";
const OURS: &str = "devops-tf";
const BARE: &str = "bare";
const PLAN: &str = "plan";
const BIG: &str = "big";
const START: &str = "start";
/// As many resources as the bar of a plan is meant for.
const N_RESOURCES: usize = 100;
const N_STARTS: usize = 101;

/// Measures, prints tables and the bars, and writes JSON if asked.
pub(super) fn run(options: &Options) -> Result<()> {
    let tool = tool(options)?;
    machine::two_processors()?;
    let work = options.output.work.clone().unwrap_or_else(|| "target/bench/tf".into());
    let place = Place::new(std::path::absolute(work)?)?;
    println!("Load: {}", machine::load().unwrap_or_default());
    let mut results = Results::default();
    plan(&tool, &place, options, &mut results)?;
    big_plan(&tool, &place, options, &mut results)?;
    let start = [Candidate::new(OURS, [tool.as_os_str(), "--version".as_ref()])];
    table::print("Start", results.measure(START, &place, &start, N_STARTS)?);
    let bars = judge(&results);
    print(TITLE, &bars);
    let lab = json!({
        "rounds": options.n_rounds, "processor": machine::processor(),
        "kernel": machine::kernel(), "load_at_end": machine::load(),
    });
    options
        .output
        .json
        .as_deref()
        .map_or(Ok(()), |path| report::save(path, &lab, (&results, &bars)))
}

fn tool(options: &Options) -> Result<PathBuf> {
    if let Some(tools) = &options.tools {
        return Ok(tools.join(OURS));
    }
    build(&mut cargo(["build", "--locked", "--release", "--package", OURS]))?;
    Ok(release_folder().join(OURS))
}

/// Plans a stack of built-in resources: nothing is downloaded, and nothing waits for a network.
fn plan(tool: &Path, place: &Place, options: &Options, results: &mut Results) -> Result<()> {
    place.empty("infra")?;
    let resource = format!(
        "resource \"terraform_data\" \"each\" {{\n  count = {N_RESOURCES}\n  input = \"x\"\n}}\n"
    );
    report::write(&place.path("infra/main.tf"), &resource)?;
    place.prepare(&["terraform", "-chdir=infra", "init", "-input=false"], &[])?;
    let ours = [
        tool.as_os_str(),
        "plan".as_ref(),
        "infra".as_ref(),
        "--out".as_ref(),
        "ours.tfplan".as_ref(),
    ];
    let bare = "terraform -chdir=infra plan -input=false -out=bare.tfplan && \
                terraform -chdir=infra show -json bare.tfplan";
    let candidates = [Candidate::new(OURS, ours), Candidate::pipeline(BARE, bare)];
    let rows = results.measure(PLAN, place, &candidates, options.n_rounds)?;
    table::print(&format!("A plan of {N_RESOURCES} resources"), rows);
    Ok(())
}

fn big_plan(tool: &Path, place: &Place, options: &Options, results: &mut Results) -> Result<()> {
    let size = big::write(&place.path("big.json")).context("big.json")?;
    ensure!(size > 20_000_000, "the plan is too small: {size} bytes");
    let words = [tool.as_os_str(), "report".as_ref(), "big.json".as_ref()];
    let markdown = ["--report", "markdown=big.md", "--report", "json=report.json"];
    let words = words.into_iter().chain(markdown.map(AsRef::as_ref));
    let rows = results.measure(BIG, place, &[Candidate::new(OURS, words)], options.n_rounds)?;
    table::print("Reports of a plan of 10,000 changes", rows);
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn judge(results: &Results) -> Vec<Bar> {
    let beyond = |figure: fn(&Row) -> f64| {
        let ours = figure(results.row(PLAN, OURS)?);
        Some((ours - figure(results.row(PLAN, BARE)?)) * 1000.0)
    };
    let big = results.row(BIG, OURS);
    let peak = big.map(|row| row.peak() as f64 / f64::from(1 << 20));
    let start = results.row(START, OURS).map(|row| row.wall() * 1000.0);
    vec![
        Bar::new("plan --out, time beyond bare", beyond(Row::wall), 25.0).in_unit("ms"),
        Bar::new("plan --out, CPU beyond bare", beyond(Row::cpu), 20.0).in_unit("ms"),
        Bar::new("10,000 changes, CPU", big.map(Row::cpu), 1.0).in_unit("s"),
        Bar::new("10,000 changes, memory", peak, 200.0).in_unit("MiB"),
        Bar::new("start", start, 5.0).in_unit("ms"),
    ]
}
