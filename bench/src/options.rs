//! The options of every benchmark.

use std::{io, path::PathBuf};

use bytesize::ByteSize;
use clap::{Args, builder::RangedU64ValueParser};

/// The folder of a benchmark, and the file for its figures.
#[derive(Args)]
pub(crate) struct Output {
    /// The folder to work in [default: target/bench]
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    pub(crate) work: Option<PathBuf>,

    /// Write every run, and the bars, as JSON
    #[arg(long, value_name = "FILE", value_parser = absolute)]
    pub(crate) json: Option<PathBuf>,
}

/// Takes whole numbers from 1 on.
pub(crate) fn positive() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

pub(crate) fn absolute(path: &str) -> io::Result<PathBuf> {
    std::path::absolute(path)
}

/// Returns the real path of what must exist.
pub(crate) fn existing(path: &str) -> io::Result<PathBuf> {
    std::fs::canonicalize(path)
}

/// Reads a size such as `1GiB` or `1G`.
pub(crate) fn n_bytes(size: &str) -> Result<u64, String> {
    size.parse::<ByteSize>().map(|size| size.as_u64())
}
