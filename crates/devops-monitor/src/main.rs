//! `devops-monitor`: show the CPU, memory, disks and network of this host on a live page.

mod cli;
mod http;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    devops_cli::main(&cli::TOOL, run::run)
}
