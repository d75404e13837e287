//! Run Terraform so that what is applied is exactly the plan that was shown.

mod cli;
mod run;

fn main() -> std::process::ExitCode {
    devops_cli::main(&cli::TOOL, run::run)
}
