//! The cases of `tests/e2e/servers`, run on one server.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, ensure};

use super::{
    place::Place,
    report::{Case, Report},
};
use crate::shell::{cargo, release_folder, shown};

/// Runs what is for every server and what is for this one.
pub(crate) fn run(place: &Place, python: &Path) -> Result<Report> {
    let mut tests = cargo(["test", "--locked", "--release", "--package", "devops-e2e"]);
    tests.args(["--features", "servers", "--test", "e2e", "--"]);
    tests.args(["servers::every::", &format!("servers::{}::", place.name)]);
    tests
        // A quiet cargo would have the cases told as dots.
        .env("CARGO_TERM_QUIET", "false")
        .env("DEVOPS_BIN_DIR", release_folder())
        .env("DEVOPS_SERVER_NAME", place.name)
        .env("DEVOPS_SERVER_ENDPOINT", &place.endpoint)
        .env("DEVOPS_SERVER_REGION", place.region)
        .env("DEVOPS_SERVER_ACCESS_KEY", &place.access_key)
        .env("DEVOPS_SERVER_SECRET_KEY", &place.secret_key)
        .env("DEVOPS_SERVER_PYTHON", python)
        .stdout(Stdio::piped());
    if let Some(role) = &place.role {
        tests.env("DEVOPS_SERVER_ROLE", role);
    }
    let notes = tempfile::NamedTempFile::new()?;
    tests.env("DEVOPS_SERVER_NOTES", notes.path());
    println!("\n$ {}", shown(&tests));
    let mut child = tests.spawn().context("cannot start cargo")?;
    let mut cases = Vec::new();
    let stdout = child.stdout.take().context("the output is piped")?;
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot read what the tests say")?;
        println!("{line}");
        cases.extend(case(&line));
    }
    let status = child.wait()?;
    let is_consistent = status.success() == cases.iter().all(|case| case.passed);
    ensure!(is_consistent && !cases.is_empty(), "the tests ended with {status}");
    let notes = fs::read_to_string(notes.path())?;
    let notes = notes.lines().filter_map(|line| line.split_once(' '));
    let notes = notes.map(|(feature, word)| (feature.to_owned(), word.to_owned())).collect();
    Ok(Report { server: place.name, cases, notes })
}

/// Reads `test NAME ... ok`.
fn case(line: &str) -> Option<Case> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let passed = match outcome {
        "ok" => true,
        "FAILED" => false,
        _ => return None,
    };
    Some(Case { name: name.strip_prefix("servers::")?.to_owned(), passed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_a_case_ended() {
        let read = |line| case(line).map(|case| (case.name, case.passed));

        let put = Some(("every::put::a".to_owned(), true));
        assert_eq!(read("test servers::every::put::a ... ok"), put);
        let failed = Some(("moto::b".to_owned(), false));
        assert_eq!(read("test servers::moto::b ... FAILED"), failed);
        assert_eq!(read("test result: FAILED. 1 passed; 1 failed"), None);
        assert_eq!(read("test a has been running for over 60 seconds"), None);
    }
}
