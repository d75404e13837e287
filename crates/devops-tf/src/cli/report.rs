//! Flags for reports.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use clap::{
    Args,
    builder::{OsStringValueParser, TypedValueParser},
};
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
    #[arg(long = "report", value_name = "KIND=FILE", value_parser = OsStringValueParser::new().try_map(|text| report_file(&text)))]
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

/// Reads KIND=FILE; the name of a file may be of any bytes.
fn report_file(text: &OsStr) -> Result<ReportFile, String> {
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|&byte| byte == b'=');
    match equals.map(|at| (&bytes[..at], &bytes[at + 1..])) {
        Some((kind, path)) if !path.is_empty() => {
            let kind = String::from_utf8_lossy(kind).parse()?;
            Ok(ReportFile { kind, path: OsStr::from_bytes(path).into() })
        }
        _ => Err("a report is given as KIND=FILE".to_owned()),
    }
}
