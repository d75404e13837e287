//! `cargo xtask bench NAME`: side-by-side figures against the peers that are installed.
//!
//! Run by hand: no test depends on a clock. `measure`, `rounds` and `table` serve every benchmark.

mod backup;
mod change;
mod measure;
mod rounds;
mod table;
mod tree;

use anyhow::{Result, bail};

/// Runs the benchmark of this name.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((name, rest)) if name == "backup" => backup::run(rest),
        _ => bail!("name a benchmark: `cargo xtask bench backup`"),
    }
}
