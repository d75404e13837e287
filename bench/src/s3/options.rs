//! What `cargo xtask bench s3` is asked for.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use bytesize::ByteSize;

use super::{WORKS, programs::PROGRAMS};
use crate::{programs::names, tree::Shape};

pub(super) const USAGE: &str = "\
Usage: cargo xtask bench s3 [OPTIONS]

  --size 1GiB     bytes of the object that is put, and put again after kill -9
  --files 5000    files of 16 KiB
  --tree 1G       bytes of the tree whose archives are put on two days
  --seed 1        another seed gives other bytes
  --runs 5        rounds; figures are medians
  --only WORK,..  large, many, days, resume, start
  --tls           let all clients speak HTTPS, with a certificate of loopback (needs openssl, stunnel4)
  --etags-only    put one object into a store that knows no checksums: s3s-fs
                  (cargo install s3s-fs --features binary)
  --without PEER,.. leave out s5cmd, aws, rclone or boto3
  --bin DIR       take devops-s3push, devops-backup and fake-s3 from there instead of building them
  --work DIR      where to work; about 6 times the size of the tree  [default: target/bench]
  --json FILE     write every run, and the bars, as JSON

The server keeps objects in memory: two times the size must be free.";

pub(super) struct Options {
    pub(super) size: u64,
    pub(super) n_files: usize,
    pub(super) tree: Shape,
    pub(super) n_rounds: usize,
    pub(super) only: Vec<String>,
    pub(super) without: Vec<String>,
    pub(super) tls: bool,
    pub(super) etags_only: bool,
    pub(super) tools: Option<PathBuf>,
    pub(super) work: Option<PathBuf>,
    pub(super) json: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            size: 1 << 30,
            n_files: 5_000,
            tree: Shape { seed: 1, n_bytes: 1_000_000_000, n_files: 20_000 },
            n_rounds: 5,
            only: Vec::new(),
            without: Vec::new(),
            tls: false,
            etags_only: false,
            tools: None,
            work: None,
            json: None,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--tls" => options.tls = true,
                "--etags-only" => options.etags_only = true,
                _ => {
                    let value = || format!("{USAGE}\n\n`{name}` needs a value");
                    options.set(name, arguments.next().with_context(value)?)?;
                }
            }
        }
        if options.etags_only {
            // What other works send is counted by the log of our own server.
            options.only = vec!["large".to_owned()];
        }
        // The mean size of a file is that of a developer's home.
        options.tree.n_files = usize::try_from(options.tree.n_bytes / 50_000)?.max(100);
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let context = || format!("`{name} {value}`");
        let size = || value.parse::<ByteSize>().map_err(anyhow::Error::msg).with_context(context);
        let path = || std::path::absolute(value).with_context(context);
        let peers: Vec<_> = PROGRAMS.iter().map(|program| program.name).collect();
        match name {
            "--size" => self.size = size()?.as_u64(),
            "--files" => self.n_files = value.parse().with_context(context)?,
            "--tree" => self.tree.n_bytes = size()?.as_u64(),
            "--seed" => self.tree.seed = value.parse().with_context(context)?,
            "--runs" => self.n_rounds = value.parse().with_context(context)?,
            "--only" => self.only = names(value, &WORKS)?,
            "--without" => self.without = names(value, &peers)?,
            "--bin" => self.tools = Some(std::fs::canonicalize(value).with_context(context)?),
            "--work" => self.work = Some(path()?),
            "--json" => self.json = Some(path()?),
            _ => bail!("unknown option `{name}`\n\n{USAGE}"),
        }
        ensure!(self.n_rounds > 0, "`--runs` must be at least 1");
        ensure!(self.n_files > 0, "`--files` must be at least 1");
        Ok(())
    }

    pub(super) fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == work)
    }
}
