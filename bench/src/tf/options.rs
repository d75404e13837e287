//! The options of `cargo xtask bench tf`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

pub(super) const USAGE: &str = "\
Usage: cargo xtask bench tf [OPTIONS]

  --runs 10       rounds; figures are medians
  --bin DIR       take devops-tf from there instead of building it
  --work DIR      where to work  [default: target/bench/tf]
  --json FILE     write every run, and the bars, as JSON

terraform must be on the PATH.";

pub(super) struct Options {
    pub(super) n_rounds: usize,
    pub(super) tools: Option<PathBuf>,
    pub(super) work: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self { n_rounds: 10, tools: None, work: None, json: None };
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { bail!("{USAGE}\n\n`{}` needs a value", pair[0]) };
            let context = || format!("`{name} {value}`");
            let path = || std::path::absolute(value).with_context(context);
            match name.as_str() {
                "--runs" => options.n_rounds = value.parse().with_context(context)?,
                "--bin" => {
                    options.tools = Some(std::fs::canonicalize(value).with_context(context)?);
                }
                "--work" => options.work = Some(path()?),
                "--json" => options.json = Some(path()?),
                _ => bail!("unknown option `{name}`\n\n{USAGE}"),
            }
        }
        ensure!(options.n_rounds > 0, "`--runs` must be at least 1");
        Ok(options)
    }
}
