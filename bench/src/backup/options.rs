//! What `cargo xtask bench backup` is asked for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;

use super::{WORKS, peers::PROGRAMS};
use crate::{programs::names, tree::Shape};

pub(super) const USAGE: &str = "\
Usage: cargo xtask bench backup [OPTIONS]

  --tree DIR      measure on a copy of this folder instead of the generated tree
  --size 1G       bytes of the generated tree
  --files 20000   files of the generated tree
  --seed 1        another seed gives another tree
  --runs 5        rounds; figures are medians
  --only WORK,..  create, fast, again, bytes, files, list, one, restore, verify,
                  folder, memory
  --without PEER,.. leave out gzip, pigz, bsdtar, python3, restic or borg
  --work DIR      where to work; about 6 times the size, and 3 GB more for `folder`, 12 for `memory`
                  [default: target/bench]
  --json FILE     write every run, and the bars, as JSON";

pub(super) struct Options {
    pub(super) tree: Option<PathBuf>,
    pub(super) shape: Shape,
    pub(super) n_rounds: usize,
    pub(super) only: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) work: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let shape = Shape { seed: 1, n_bytes: 1_000_000_000, n_files: 20_000 };
        let mut options = Self {
            tree: None,
            shape,
            n_rounds: 5,
            only: Vec::new(),
            without: Vec::new(),
            work: None,
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            let value = || format!("{USAGE}\n\n`{name}` needs a value");
            options.set(name, arguments.next().with_context(value)?)?;
        }
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let context = || format!("`{name} {value}`");
        // With tar everything is compared.
        let optional: Vec<_> = PROGRAMS[1..].iter().map(|program| program.name).collect();
        match name {
            "--tree" => self.tree = Some(std::fs::canonicalize(value).with_context(context)?),
            "--size" => {
                let size: ByteSize =
                    value.parse().map_err(anyhow::Error::msg).with_context(context)?;
                self.shape.n_bytes = size.as_u64();
            }
            "--files" => self.shape.n_files = value.parse().with_context(context)?,
            "--seed" => self.shape.seed = value.parse().with_context(context)?,
            "--runs" => self.n_rounds = value.parse().with_context(context)?,
            "--only" => self.only = names(value, &WORKS)?,
            "--without" => self.without = names(value, &optional)?,
            "--work" => self.work = Some(std::path::absolute(value).with_context(context)?),
            "--json" => self.json = Some(std::path::absolute(value).with_context(context)?),
            _ => bail!("unknown option `{name}`\n\n{USAGE}"),
        }
        ensure!(self.n_rounds > 0, "`--runs` must be at least 1");
        Ok(())
    }

    pub(super) fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == work)
    }
}
