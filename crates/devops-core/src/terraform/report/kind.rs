//! The forms of a report.

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// The body of a pull request's comment, at most 65,536 bytes.
    Markdown,
    /// One JSON document.
    Json,
    /// JUnit's XML: a test case for each change and for each rule about the plan as a whole.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Markdown for `$GITHUB_STEP_SUMMARY`, at most 1 MiB.
    GithubSummary,
    /// Workflow commands: at most ten errors and ten warnings, as GitHub shows no more of a step.
    GithubAnnotations,
    /// GitLab's report of a plan: `{"create": 1, "update": 0, "delete": 2}`.
    Gitlab,
    /// GitLab's report of code quality.
    GitlabCodeQuality,
}
