//! The cases of `tests/e2e/servers`, run on one server.

use std::{
    ffi::OsString,
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

/// Names and values of what the cases find in their environment, after `DEVOPS_SERVER_`.
pub(super) type Settings = Vec<(&'static str, OsString)>;

/// Runs what is for every S3 server and what is for this one.
pub(crate) fn run(place: &Place, python: &Path) -> Result<Report> {
    let cases = ["servers::every::", &format!("servers::{}::", place.name)];
    run_cases(place.name, &cases, &settings(place, python))
}

/// Returns the settings that say where an S3 server is, and where a Python with boto3.
pub(super) fn settings(place: &Place, python: &Path) -> Settings {
    let mut settings: Settings = vec![
        ("NAME", place.name.into()),
        ("ENDPOINT", (&place.endpoint).into()),
        ("REGION", place.region.into()),
        ("ACCESS_KEY", (&place.access_key).into()),
        ("SECRET_KEY", (&place.secret_key).into()),
        ("PYTHON", python.into()),
    ];
    settings.extend(place.role.as_ref().map(|role| ("ROLE", role.into())));
    settings
}

/// Runs the cases whose names contain one of `names`, with settings for them.
pub(super) fn run_cases(
    server: &'static str,
    names: &[&str],
    settings: &Settings,
) -> Result<Report> {
    let mut tests = cargo(["test", "--locked", "--release", "--package", "devops-e2e"]);
    tests.args(["--features", "servers", "--test", "e2e", "--"]).args(names);
    tests
        // A quiet cargo would have the cases told as dots.
        .env("CARGO_TERM_QUIET", "false")
        .env("DEVOPS_BIN_DIR", release_folder())
        .stdout(Stdio::piped());
    for (name, value) in settings {
        tests.env(format!("DEVOPS_SERVER_{name}"), value);
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
    Ok(Report { server, cases, notes })
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
