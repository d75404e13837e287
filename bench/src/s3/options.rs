//! The options of `cargo xtask bench s3`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::programs::PROGRAMS;
use crate::{
    options::{Output, existing, n_bytes, positive},
    tree::Shape,
};

/// The mean size of a file of a developer's home.
const BYTES_OF_FILE: u64 = 50_000;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Bytes of the object that is put, and put again after kill -9
    #[arg(long, default_value = "1GiB", value_parser = n_bytes)]
    pub(super) size: u64,

    /// Files of 16 KiB
    #[arg(long = "files", value_name = "N", default_value = "5000", value_parser = positive())]
    pub(super) n_files: usize,

    /// Bytes of the tree whose archives are put on two days
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = n_bytes)]
    tree: u64,

    /// The number that the bytes are made from
    #[arg(long, default_value = "1")]
    seed: u64,

    /// Rounds; figures are medians
    #[arg(long = "runs", value_name = "N", default_value = "5", value_parser = positive())]
    pub(super) n_rounds: usize,

    /// Measure only these
    #[arg(long, value_name = "WORK,..", value_delimiter = ',', value_parser = PossibleValuesParser::new(WORKS))]
    only: Vec<String>,

    /// Let all clients speak HTTPS, with a certificate of loopback (needs openssl, stunnel4)
    #[arg(long)]
    pub(super) tls: bool,

    /// Put one object into a store that knows no checksums: s3s-fs (cargo install s3s-fs --features binary)
    #[arg(long)]
    pub(super) etags_only: bool,

    /// Leave these out
    #[arg(long, value_name = "PEER,..", value_delimiter = ',', value_parser = peers())]
    pub(super) without: Vec<String>,

    /// Take devops-s3push, devops-backup and fake-s3 from there instead of building them
    #[arg(long = "bin", value_name = "DIR", value_parser = existing)]
    pub(super) tools: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}

fn peers() -> PossibleValuesParser {
    PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>().into()
}

impl Options {
    /// Returns the tree that is put.
    pub(super) fn shape(&self) -> Shape {
        let n_files = usize::try_from(self.tree / BYTES_OF_FILE).unwrap_or(usize::MAX).max(100);
        Shape { seed: self.seed, n_bytes: self.tree, n_files }
    }

    pub(super) fn wants(&self, work: &str) -> bool {
        if self.etags_only {
            // What other works send is counted by the log of our own server.
            return work == "large";
        }
        self.only.is_empty() || self.only.iter().any(|only| only == work)
    }
}

/// The name of each piece of work, in the order they are done.
pub(crate) const WORKS: [&str; 5] = ["large", "many", "days", "resume", "start"];
