//! Records the commit, target and compiler for `--version`.

use std::{env, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=DEVOPS_COMMIT");
    if let Some(log) = output("git", &["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    let commit = env::var("DEVOPS_COMMIT")
        .ok()
        .or_else(|| output("git", &["rev-parse", "--short=12", "HEAD"]))
        .unwrap_or_else(|| "unknown".to_owned());
    let rustc = output(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"])
        .unwrap_or_else(|| "rustc unknown".to_owned());
    println!("cargo::rustc-env=DEVOPS_BUILD_COMMIT={commit}");
    println!("cargo::rustc-env=DEVOPS_BUILD_RUSTC={rustc}");
    println!(
        "cargo::rustc-env=DEVOPS_BUILD_TARGET={}",
        env::var("TARGET").expect("cargo sets TARGET for build scripts")
    );
}

#[allow(clippy::disallowed_methods, reason = "a build script cannot use core::process")]
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
