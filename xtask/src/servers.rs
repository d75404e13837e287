//! `cargo xtask test --servers`: `devops-s3push` end to end against S3 servers that are not ours, and `devops-tf`
//! with backends, a provider and validators.
//!
//! They are installed into `target/servers`, started on loopback, and stopped again. Our own server is
//! looked at first, so that no fault of it is taken for one of the tools.

mod fake;
mod garage;
mod matrix;
mod moto;
mod place;
mod postgres;
mod process;
mod python;
mod rclone;
mod report;
mod s3rver;
mod seaweedfs;
mod swift;
mod table;
mod terraform;

use anyhow::{Context, Result, bail, ensure};

use crate::shell::{cargo, run as check};
use report::Report;

/// Starts a server and runs its cases.
type Look = fn() -> Result<Report>;

/// Every server, with what looks at it.
const SERVERS: [(&str, Look); 11] = [
    ("fake", fake::run),
    ("moto", moto::run),
    ("moto-bare", moto::run_bare),
    ("garage", garage::run),
    ("seaweedfs", seaweedfs::run),
    ("rclone", rclone::run),
    ("s3rver", s3rver::run),
    ("swift", swift::run),
    ("terraform-state", terraform::states),
    ("terraform-provider", terraform::provider),
    ("terraform-reports", terraform::reports),
];

/// Runs the matrix on all servers, or on those that are named; fails if any case does.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_known = |name: &String| SERVERS.iter().any(|(known, _)| known == name);
    if !arguments.iter().all(is_known) {
        let names = SERVERS.map(|(name, _)| name).join(", ");
        bail!("`--servers` takes some of {names}, or nothing for all");
    }
    let is_chosen = |name: &str| arguments.is_empty() || arguments.iter().any(|it| it == name);
    let mut build = cargo(["build", "--locked", "--release", "--bins"]);
    let packages = ["devops-s3push", "devops-backup", "devops-tf", "devops-fakes"];
    build.args(packages.iter().flat_map(|package| ["--package", package]));
    check(&mut build)?;
    let mut reports = Vec::new();
    // One that cannot be installed must not hide what the others have to say.
    let mut failures = Vec::new();
    for (name, look) in SERVERS.into_iter().filter(|(name, _)| is_chosen(name)) {
        match look().with_context(|| format!("no answer for `{name}`")) {
            Ok(report) => reports.push(report),
            Err(error) => failures.push(error),
        }
    }
    print(&reports);
    println!("\n{}", table::of(&reports));
    for failure in &failures {
        println!("failed: {failure:#}");
    }
    let n_failed =
        reports.iter().flat_map(|report| &report.cases).filter(|case| !case.passed).count();
    ensure!(
        n_failed == 0 && failures.is_empty(),
        "{n_failed} cases and {} servers failed",
        failures.len()
    );
    Ok(())
}

fn print(reports: &[Report]) {
    println!();
    for report in reports {
        for case in &report.cases {
            let word = if case.passed { "ok" } else { "FAILED" };
            println!("{:<7} {word:<6} {}", report.server, case.name);
        }
    }
    for report in reports {
        let n_passed = report.cases.iter().filter(|case| case.passed).count();
        println!("{}: {n_passed} of {} cases passed", report.server, report.cases.len());
    }
}
