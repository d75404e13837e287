//! The start-up time of each tool: `--version`, many times in turn with the others.

use anyhow::Result;

use super::lab::Lab;
use crate::{
    rounds::{Candidate, Results},
    shell::TOOLS,
    table,
};

pub(super) const START: &str = "start";
const N_RUNS: usize = 101;

/// Measures every tool.
pub(super) fn measure(lab: &Lab, results: &mut Results) -> Result<()> {
    let candidates = TOOLS
        .map(|tool| Candidate::new(tool, [lab.tool(tool).into_os_string(), "--version".into()]));
    let rows = results.measure(START, &lab.place, &candidates, N_RUNS)?;
    table::print(&format!("Start, {N_RUNS} times"), rows);
    Ok(())
}
