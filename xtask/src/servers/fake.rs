//! Our own server, looked at by the suite of others for servers.

use std::{path::PathBuf, process::Stdio};

use anyhow::{Context, Result, ensure};

use super::{
    place::folder,
    process::{Server, free_port},
    report::{Case, Report},
};
use crate::shell::{cargo, command, release_folder, run as check, shown};

/// 0.15 and newer need a newer rustc than the one pinned here.
const VERSION: &str = "0.14.1";

/// What our server has; roles, and copies and tags of whole objects, are nothing the tools ask it for.
const CASES: [&str; 5] = [
    "^Basic/Essential/",
    "^Basic/Put/",
    "^Advanced/Multipart/",
    "^Advanced/List",
    "^Advanced/Presigned",
];

/// Starts our server and runs the suite on it.
pub(crate) fn run() -> Result<Report> {
    let suite = install()?;
    let work = tempfile::tempdir()?;
    let port = free_port()?;
    let mut fake = command(release_folder().join("fake-s3"));
    fake.args(["--port", &port.to_string(), "--access-key", "key", "--secret-key", "secret"]);
    let _server = Server::start(&mut fake, port, &work.path().join("log"))?;
    let mut tests = command(suite);
    tests.args(CASES.iter().flat_map(|case| ["--filter", case]));
    tests
        .env("AWS_ACCESS_KEY_ID", "key")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("NO_COLOR", "1")
        .stderr(Stdio::inherit());
    println!("\n$ {}", shown(&tests));
    let output = tests.output().context("cannot start s3s-e2e")?;
    let said = String::from_utf8_lossy(&output.stdout);
    print!("{said}");
    let cases: Vec<Case> = said.lines().filter_map(case).collect();
    let is_consistent = output.status.success() == cases.iter().all(|case| case.passed);
    ensure!(is_consistent && !cases.is_empty(), "s3s-e2e ended with {}", output.status);
    Ok(Report { server: "fake", cases, notes: Vec::new() })
}

/// Returns the suite, and builds it the first time.
fn install() -> Result<PathBuf> {
    let root = folder(&format!("s3s-e2e-{VERSION}"))?;
    let program = root.join("bin/s3s-e2e");
    if program.is_file() {
        return Ok(program);
    }
    let mut install = cargo(["install", "--locked", "s3s-e2e", "--version", VERSION, "--root"]);
    install.arg(&root).arg("--target-dir").arg(folder("build")?);
    check(install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"))
        .context("s3s-e2e cannot be built")?;
    Ok(program)
}

/// Reads `PASSED 1.234ms [SUITE/FIXTURE/CASE]`; lines about whole suites have fewer names.
fn case(line: &str) -> Option<Case> {
    let (word, rest) = line.split_once(' ')?;
    let passed = match word {
        "PASSED" => true,
        "FAILED" => false,
        _ => return None,
    };
    let name = rest.split_once('[')?.1.strip_suffix(']')?;
    (name.matches('/').count() == 2).then(|| Case { name: name.to_owned(), passed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_how_a_case_ended() {
        let read = |line| case(line).map(|case| (case.name, case.passed));

        assert_eq!(read("PASSED   1.2ms [A/B/c]"), Some(("A/B/c".to_owned(), true)));
        assert_eq!(read("FAILED 10.0ms [A/B/c]"), Some(("A/B/c".to_owned(), false)));
        assert_eq!(read("PASSED 10.0ms [A/B]"), None);
        assert_eq!(read("PASSED 10.0ms"), None);
    }
}
