//! `cargo xtask test`: everything that must hold before a change lands.

use std::{env, fs};

use anyhow::Result;

use crate::{
    shell::{self, TOOLS, cargo, run as check},
    tidy,
};

/// Runs every check, the quick ones first; stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    tidy::run()?;
    check(&mut cargo(["fmt", "--all", "--check"]))?;
    let mut lints = cargo(["clippy", "--locked", "--release", "--workspace", "--all-targets"]);
    // The matrix of servers is not run here, but must not rot.
    lints.args(["--features", "devops-e2e/servers"]);
    check(lints.args(["--", "--deny", "warnings"]))?;
    for tool in TOOLS {
        check(&mut cargo(["check", "--quiet", "--locked", "--release", "--package", tool]))?;
    }
    let mut doc = cargo(["doc", "--quiet", "--locked", "--release", "--workspace", "--no-deps"]);
    check(doc.arg("--document-private-items").env("RUSTDOCFLAGS", "--deny warnings"))?;
    if is_installed("deny") {
        check(&mut cargo(["deny", "--locked", "check", "bans", "licenses", "sources"]))?;
    }
    tests()
}

/// Builds everything once with the release profile, and runs all tests on that:
/// the SDK is the largest part of the build, and users run release binaries.
fn tests() -> Result<()> {
    check(&mut cargo([
        "build",
        "--locked",
        "--release",
        "--workspace",
        "--exclude",
        "xtask",
        "--all-targets",
    ]))?;
    let skips = tempfile::NamedTempFile::new()?;
    let args = ["--locked", "--release", "--workspace", "--exclude", "xtask"];
    let mut tests =
        if is_installed("nextest") { cargo(["nextest", "run"]) } else { cargo(["test"]) };
    tests.args(args).env("DEVOPS_BIN_DIR", shell::release_folder());
    check(tests.env("DEVOPS_SKIP_LOG", skips.path()))?;
    let skipped = fs::read_to_string(skips.path())?;
    for line in skipped.lines() {
        println!("skipped {line}");
    }
    Ok(())
}

fn is_installed(subcommand: &str) -> bool {
    let name = format!("cargo-{subcommand}");
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(&name).is_file())
}
