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
    /// Reads all that the reports tell.
    pub fn new(plan: &Plan, secrets: &Secrets, verdict: &Verdict) -> Self {
        let drawn = diff(plan, secrets, DiffOptions::default());
        Self { model: Model::new(plan, secrets, verdict, drawn.into_inner()) }
    }

    /// Writes the report in one form.
    pub fn write(&self, kind: ReportKind) -> Shown<String> {
        let model = &self.model;
        Shown::redacted(match kind {
            ReportKind::Markdown => markdown::body(model, markdown::BODY_LIMIT),
            ReportKind::Json => format!("{}\n", model.json()),
            ReportKind::Junit => junit::document(model),
            ReportKind::Sarif => format!("{}\n", sarif::log(model)),
            ReportKind::GithubSummary => markdown::body(model, markdown::SUMMARY_LIMIT),
            ReportKind::GithubAnnotations => github::annotations(model),
            ReportKind::Gitlab => format!("{}\n", gitlab::counts(model)),
            ReportKind::GitlabCodeQuality => format!("{}\n", gitlab::code_quality(model)),
        })
    }
}
