//! Automation: `cargo xtask demo|dist|fuzz|test|tidy|units|bench`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod demo;
mod deny;
mod dist;
mod fuzz;
mod servers;
mod shell;
mod test;
mod tidy;
mod units;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

const USAGE: &str = "\
Usage: cargo xtask COMMAND

  demo [--source DIR] [--serve]  run the whole chain on real input, in a temporary folder
  dist [TOOL…]                   build the binaries as users get them, without paths of this machine
  fuzz reader|index|cli [--seconds N] [--seed N]
                                 mutate archives and read them, or command lines and config files,
                                 for a minute by default
  test                           check format, lints, each binary alone, all tests, docs, budgets
  test --long                    the same, then all pairs of faults, many random cases, minutes of fuzzing
  test --servers [NAME…]         put into S3 servers that are not ours, on loopback; installs them first:
                                 fake, moto, garage, seaweedfs, rclone, s3rver, swift
  bench backup|s3|tf [--help]    measure side by side with the peers that are installed
  units                          count what `test` compiles, step by step, without compiling it
  tidy                           check budgets of size, module declarations, the lock file, names";

/// Runs a benchmark: a program of its own, so that the other commands need not build it.
fn bench(arguments: &[String]) -> Result<()> {
    let program = ["run", "--quiet", "--locked", "--release", "--package", "devops-bench", "--"];
    let status = shell::cargo(program).args(arguments).status().context("cannot start cargo")?;
    ensure!(status.success(), "the benchmark failed");
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((command, rest)) if command == "demo" => demo::run(rest),
        Some((command, rest)) if command == "dist" => dist::run(rest),
        Some((command, rest)) if command == "fuzz" => fuzz::run(rest),
        Some((command, rest)) if command == "bench" => bench(rest),
        Some((command, [])) if command == "test" => test::run(),
        Some((command, [flag])) if command == "test" && flag == "--long" => test::run_long(),
        Some((command, [flag, rest @ ..])) if command == "test" && flag == "--servers" => {
            servers::run(rest)
        }
        Some((command, [])) if command == "tidy" => tidy::run(),
        Some((command, [])) if command == "units" => units::run(),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
