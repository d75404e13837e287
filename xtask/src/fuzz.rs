//! `cargo xtask fuzz`: mutated input against a parser, for as long as asked.

use anyhow::{Context, Result, bail};

use crate::shell::{cargo, run as check};

const SECONDS: u64 = 60;
const USAGE: &str = "fuzz what? there are `reader` and `index`";

/// Fuzzes what the first argument names. Coverage-guided fuzzing needs a nightly compiler, so the
/// mutations live in a test, which knows the format and is the same on every machine for one seed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let (what, rest) = arguments.split_first().context(USAGE)?;
    let tests = match what.as_str() {
        "reader" => "mutated_archives",
        "index" => "mutated_indexes",
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
    let mut test = cargo(["test", "--locked", "--release", "--package", "devops-core"]);
    test.args(["--features", "archive", "--test", "it", tests, "--", "--nocapture"]);
    test.env("DEVOPS_FUZZ_SECONDS", seconds.to_string());
    check(test.env("DEVOPS_FUZZ_SEED", seed.to_string()))?;
    Ok(())
}
