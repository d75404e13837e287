//! Benchmarks, run by `cargo xtask bench NAME`: side-by-side figures against the peers that are installed.
//!
//! Run by hand: no test depends on a clock. What is not in a folder serves every benchmark.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod archives;
mod backup;
mod bars;
mod change;
mod machine;
mod measure;
mod place;
mod programs;
mod report;
mod rounds;
mod s3;
#[allow(dead_code, reason = "shared with xtask, which uses all of it")]
#[path = "../../xtask/src/shell.rs"]
mod shell;
mod table;
mod tf;
mod tree;

use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the benchmark of this name.
fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((name, rest)) if name == "backup" => backup::run(rest),
        Some((name, rest)) if name == "s3" => s3::run(rest),
        Some((name, rest)) if name == "tf" => tf::run(rest),
        _ => bail!("name a benchmark: `cargo xtask bench backup`, `s3` or `tf`"),
    }
}
