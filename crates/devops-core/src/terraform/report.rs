//! Reports of a plan: one model, read once, and every form of it.

mod github;
mod gitlab;
mod junit;
mod kind;
mod markdown;
mod model;
mod sarif;

use model::Model;

pub use kind::ReportKind;

use super::{
    diff::{DiffOptions, diff},
    guard::Verdict,
    plan::Plan,
    redact::Secrets,
    shown::Shown,
};

/// A plan with what the rules say of it, ready to be written in any form.
///
/// Nothing in it is secret.
#[derive(Clone, Debug)]
pub struct Report {
    model: Model,
}

impl Report {
    /// Reads all that the reports tell of the plan of a stack, named by its folder.
    ///
    /// Reports that must name a file name the folder: a plan does not say where a resource stands.
    pub fn new(stack: &str, plan: &Plan, secrets: &Secrets, verdict: &Verdict) -> Self {
        let drawn = diff(plan, secrets, DiffOptions::default()).into_inner();
        let stack = secrets.text(stack).into_inner();
        Self { model: Model { stack, diff: drawn, ..Model::new(plan, secrets, verdict) } }
    }

    /// Returns workflow commands of GitHub: at most ten errors and ten warnings, as it shows no more of a
    /// step.
    pub fn annotations(&self) -> Shown<String> {
        Shown::redacted(github::annotations(&self.model))
    }

    /// Returns what fits into the summary of a step on GitHub, of which others have taken some bytes; it is
    /// empty if nothing fits.
    pub fn step_summary(&self, n_taken: u64) -> Shown<String> {
        let left = usize::try_from(n_taken).unwrap_or(usize::MAX);
        let left = markdown::SUMMARY_LIMIT.saturating_sub(left);
        Shown::redacted(markdown::body(&self.model, left))
    }

    /// Writes the report in one form.
    pub fn write(&self, kind: ReportKind) -> Shown<String> {
        let model = &self.model;
        Shown::redacted(match kind {
            ReportKind::Markdown => markdown::body(model, markdown::BODY_LIMIT),
            ReportKind::Json => format!("{}\n", model.json()),
            ReportKind::Junit => junit::document(model),
            ReportKind::Sarif => format!("{}\n", sarif::log(model)),
            ReportKind::Github => markdown::body(model, markdown::SUMMARY_LIMIT),
            ReportKind::Gitlab => format!("{}\n", gitlab::counts(model)),
            ReportKind::CodeQuality => format!("{}\n", gitlab::code_quality(model)),
        })
    }
}
