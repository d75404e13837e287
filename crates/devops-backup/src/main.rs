//! Backs up a folder into one dated tar.gz that every tar reads.

mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    devops_cli::main(&cli::TOOL, run::run)
}
