//! Flags for reports.

use std::path::PathBuf;

use clap::Args;
use devops_core::terraform::ReportKind;

use super::GuardArgs;

/// A report to write, and where to.
#[derive(Clone, Debug)]
pub(crate) struct ReportFile {
    pub(crate) kind: ReportKind,
    pub(crate) path: PathBuf,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// Write a report of the plan: markdown, json, junit, sarif, github (step summary, annotations on stderr), gitlab or
    /// code-quality; may be repeated
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = report_file)]
    pub(crate) reports: Vec<ReportFile>,
}

/// `report`.
#[derive(Args)]
pub(crate) struct ReportPlanArgs {
    /// JSON of a plan, as `terraform show -json PLAN` prints it; - is stdin
    #[arg(value_name = "PLAN.json|-")]
    pub(crate) plan: PathBuf,
    /// Name of the stack in the report: its folder in the repository
    #[arg(long, value_name = "DIR", default_value = ".", hide_default_value = true)]
    pub(crate) stack: String,
    #[command(flatten)]
    pub(crate) guards: GuardArgs,
    #[command(flatten)]
    pub(crate) reports: ReportArgs,
}

fn report_file(text: &str) -> Result<ReportFile, String> {
    match text.split_once('=') {
        Some((kind, path)) if !path.is_empty() => {
            let kind = kind.parse()?;
            Ok(ReportFile { kind, path: path.into() })
        }
        _ => Err("a report is given as KIND=FILE".to_owned()),
    }
}
