//! The options of `cargo xtask bench tf`.

use std::path::PathBuf;

use crate::options::{Output, existing, positive};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds; figures are medians
    #[arg(long = "runs", value_name = "N", default_value = "10", value_parser = positive())]
    pub(super) n_rounds: usize,

    /// Take devops-tf from there instead of building it
    #[arg(long = "bin", value_name = "DIR", value_parser = existing)]
    pub(super) tools: Option<PathBuf>,

    #[command(flatten)]
    pub(super) output: Output,
}
