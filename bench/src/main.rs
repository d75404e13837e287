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
mod options;
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

use anyhow::Result;
use clap::Parser;

/// Side-by-side figures against the peers that are installed.
#[derive(Parser)]
#[command(bin_name = "cargo xtask bench")]
enum Benchmark {
    /// devops-backup beside archivers and backup tools
    #[command(
        after_help = "The folder to work in takes about 6 times the size of the tree, and 3 GB more for \
                            `folder`, 12 for `memory`."
    )]
    Backup(backup::Options),
    /// devops-s3push beside other clients
    #[command(
        after_help = "The folder to work in takes about 6 times the size of the tree. The server keeps \
                            objects in memory: two times the size must be free."
    )]
    S3(s3::Options),
    /// devops-tf beside bare terraform
    #[command(after_help = "terraform must be on the PATH.")]
    Tf(tf::Options),
}

fn main() -> ExitCode {
    match run(Benchmark::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(benchmark: Benchmark) -> Result<()> {
    match benchmark {
        Benchmark::Backup(options) => backup::run(&options),
        Benchmark::S3(options) => s3::run(options),
        Benchmark::Tf(options) => tf::run(&options),
    }
}
