//! Small everyday commands: ask, calculate, count, check services, run commands.

mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    devops_cli::main(&cli::TOOL, run::run)
}
