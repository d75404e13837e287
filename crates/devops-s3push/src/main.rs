//! Puts files and folders into S3 and proves that they arrived.

mod cli;
mod run;

fn main() -> std::process::ExitCode {
    devops_cli::main(&cli::TOOL, run::run)
}
