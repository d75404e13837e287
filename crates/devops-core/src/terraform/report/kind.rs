//! The forms of a report.

use std::str::FromStr;

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// The body of a pull request's comment, at most 65,536 bytes.
    Markdown,
    /// One JSON document.
    Json,
    /// The XML of `JUnit`: a test case for each change and for each rule about the plan as a whole.
    Junit,
    /// SARIF 2.1.0.
    Sarif,
    /// Markdown for `$GITHUB_STEP_SUMMARY`, at most 1 MiB.
    Github,
    /// GitLab's report of a plan: `{"create": 1, "update": 0, "delete": 2}`.
    Gitlab,
    /// GitLab's report of code quality.
    CodeQuality,
}

impl FromStr for ReportKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            "junit" => Ok(Self::Junit),
            "sarif" => Ok(Self::Sarif),
            "github" => Ok(Self::Github),
            "gitlab" => Ok(Self::Gitlab),
            "code-quality" => Ok(Self::CodeQuality),
            _ => Err(format!(
                "`{name}` is none of markdown, json, junit, sarif, github, gitlab, code-quality"
            )),
        }
    }
}
