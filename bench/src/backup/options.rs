//! The options of `cargo xtask bench backup`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::peers::PROGRAMS;
use crate::{
    options::{Output, existing, n_bytes, positive},
    tree::Shape,
};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Measure on a copy of this folder instead of the generated tree
    #[arg(long, value_name = "DIR", value_parser = existing)]
    pub(super) tree: Option<PathBuf>,

    /// Bytes of the generated tree
    #[arg(long, default_value = "1G", value_parser = n_bytes)]
    size: u64,

    /// Files of the generated tree
    #[arg(long = "files", value_name = "N", default_value = "20000", value_parser = positive())]
    n_files: usize,

    /// The number that the tree is made from
    #[arg(long, default_value = "1")]
    seed: u64,

    /// Rounds; figures are medians
    #[arg(long = "runs", value_name = "N", default_value = "5", value_parser = positive())]
    pub(super) n_rounds: usize,

    /// Measure only these
    #[arg(long, value_name = "WORK,..", value_delimiter = ',', value_parser = PossibleValuesParser::new(WORKS))]
    only: Vec<String>,

    /// Leave these out
    #[arg(long, value_name = "PEER,..", value_delimiter = ',', value_parser = peers())]
    pub(super) without: Vec<String>,

    #[command(flatten)]
    pub(super) output: Output,
}

/// Takes the names of all but tar, with which everything is compared.
fn peers() -> PossibleValuesParser {
    PROGRAMS[1..].iter().map(|program| program.name).collect::<Vec<_>>().into()
}

impl Options {
    /// Returns the tree that is generated.
    pub(super) fn shape(&self) -> Shape {
        Shape { seed: self.seed, n_bytes: self.size, n_files: self.n_files }
    }

    pub(super) fn wants(&self, work: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == work)
    }
}

/// The name of each piece of work, in the order they are done.
pub(crate) const WORKS: [&str; 11] = [
    "create", "fast", "again", "bytes", "files", "list", "one", "restore", "verify", "folder",
    "memory",
];
