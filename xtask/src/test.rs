//! `cargo xtask test`: everything that must hold before a change lands.

use std::{fs, num::NonZero, path::Path, process::Command, thread};

use anyhow::Result;

use crate::{
    deny, fuzz,
    shell::{self, TOOLS, cargo, is_installed, run as check},
    tidy,
};

/// The arguments that build all tests, and the binaries that users run, with the release profile: the
/// SDK is the largest part of the build, and users run release binaries.
const TESTS: [&str; 5] = ["--locked", "--release", "--workspace", "--exclude", "xtask"];

/// The random cases of each property, and the seconds of fuzzing, in the long run.
const LONG_CASES: &str = "400";
const LONG_FUZZ_SECONDS: &str = "300";
const LONG_SWAP_SECONDS: &str = "60";
const LONG_INTERRUPTS: &str = "200";

/// Runs every check, the quick ones first; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    tidy::run()?;
    check(&mut cargo(["fmt", "--all", "--check"]))?;
    for mut command in builds() {
        check(&mut command)?;
    }
    check(&mut own_tests())?;
    deny::run()?;
    tests(&mut runner("default"))
}

/// Runs what takes too long for every change: all pairs of faults, a month of nights, many more random cases, folders whose owner
/// swaps what is in them for minutes, and minutes of fuzzing.
pub(crate) fn run_long() -> Result<()> {
    run()?;
    let mut all = runner("long");
    all.env("DEVOPS_EVERY_PAIR", "1").env("DEVOPS_EVERY_NIGHT", "1");
    all.env("PROPTEST_CASES", LONG_CASES).env("DEVOPS_INTERRUPTS", LONG_INTERRUPTS);
    tests(all.env("DEVOPS_SWAP_SECONDS", LONG_SWAP_SECONDS))?;
    for parser in ["reader", "index", "cli"] {
        fuzz::run(&[parser, "--seconds", LONG_FUZZ_SECONDS].map(str::to_owned))?;
    }
    Ok(())
}

/// Returns the commands that compile: lints, each tool alone, docs, and what the tests run.
///
/// All use the release profile, so that procedural macros and build scripts are built once, and a crate
/// is checked once for lints and docs.
pub(crate) fn builds() -> Vec<Command> {
    let mut lints = cargo(["clippy", "--locked", "--release", "--workspace", "--all-targets"]);
    // The cases against real servers are not run here, but must not rot.
    lints.args(["--features", "devops-e2e/servers", "--", "--deny", "warnings"]);
    let mut docs = cargo(["doc", "--quiet", "--locked", "--release", "--workspace", "--no-deps"]);
    docs.arg("--document-private-items").env("RUSTDOCFLAGS", "--deny warnings");
    let mut tests = cargo(["build", "--all-targets"]);
    tests.args(TESTS);
    let alone =
        TOOLS.map(|tool| cargo(["check", "--quiet", "--locked", "--release", "--package", tool]));
    [lints].into_iter().chain(alone).chain([docs, tests]).collect()
}

/// Returns the command that tests xtask itself, with the profile that it is built with.
pub(crate) fn own_tests() -> Command {
    cargo(["test", "--quiet", "--locked", "--profile", "xtask", "--package", "xtask"])
}

/// Returns the command that runs all tests, with a profile of nextest, or without where it is not installed.
fn runner(profile: &str) -> Command {
    let mut tests = if is_installed("nextest") {
        let mut nextest = cargo(["nextest", "run", "--profile", profile]);
        nextest.args(["--test-threads", &n_threads().to_string()]);
        nextest
    } else {
        cargo(["test"])
    };
    tests.args(TESTS).env("DEVOPS_BIN_DIR", shell::release_folder());
    tests
}

/// Returns how many tests run at a time: half of them wait for a pause or a child at any moment.
fn n_threads() -> usize {
    2 * thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs tests, and says which of them were skipped.
fn tests(runner: &mut Command) -> Result<()> {
    let skips = tempfile::NamedTempFile::new()?;
    check(runner.env("DEVOPS_SKIP_LOG", skips.path()))?;
    print_skipped(skips.path())
}

fn print_skipped(log: &Path) -> Result<()> {
    for line in fs::read_to_string(log)?.lines() {
        println!("skipped {line}");
    }
    Ok(())
}
