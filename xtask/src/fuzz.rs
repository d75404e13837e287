//! `cargo xtask fuzz`: mutated input against a parser, for as long as asked.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, run as check};

const SECONDS: u64 = 60;
const USAGE: &str = "fuzz what? there are `reader`, `index` and `cli`";

/// Fuzzes what the first argument names. Coverage-guided fuzzing needs a nightly compiler, so the
/// mutations live in a test, which knows the format and is the same on every machine for one seed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (what, rest) = arguments.split_first().context(USAGE)?;
    let mut tests = match what.as_str() {
        "reader" => vec![core_test("mutated_archives")],
        "index" => vec![core_test("mutated_indexes")],
        "cli" => cli_tests(),
        _ => bail!(USAGE),
    };
    let (mut seconds, mut seed) = (SECONDS, 0);
    for pair in rest.chunks(2) {
        let [flag, value] = pair else { bail!("`{}` needs a number", pair[0]) };
        let number = value.parse().with_context(|| format!("`{value}` is no number"))?;
        match flag.as_str() {
            "--seconds" => seconds = number,
            "--seed" => seed = number,
            _ => bail!("unknown flag `{flag}`"),
        }
    }
    let each = seconds / u64::try_from(tests.len())?;
    for test in &mut tests {
        test.env("DEVOPS_FUZZ_SECONDS", each.to_string());
        check(test.env("DEVOPS_FUZZ_SEED", seed.to_string()))?;
    }
    Ok(())
}

fn core_test(name: &str) -> Command {
    let mut test = cargo(["test", "--locked", "--release", "--package", "devops-core"]);
    test.args(["--features", "archive", "--test", "it", name, "--", "--nocapture"]);
    test
}

/// Lines resolved in one process, then lines that the tools get as processes, all tools side by side.
///
/// The whole workspace is named, so that what its tests have built is not built again.
fn cli_tests() -> Vec<Command> {
    let test = |target: &[&str]| {
        let mut test =
            cargo(["test", "--locked", "--release", "--workspace", "--exclude", "xtask"]);
        test.args(target).arg("random_lines");
        test
    };
    vec![test(&["--lib"]), test(&["--test", "e2e"])]
}
