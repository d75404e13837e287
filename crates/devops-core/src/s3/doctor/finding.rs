//! Findings of a doctor run, and what they come to.

use super::super::{capabilities::Capabilities, proof::Proof, text::StoreText};
use crate::kind::Kind;

/// How good an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Puts work, but something is worth knowing.
    Warn,
    /// Puts or gets do not work.
    Fail,
}

impl Severity {
    /// Returns its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at: `versioning`.
    pub check: &'static str,
    /// How good it is.
    pub severity: Severity,
    /// What was found, and what it means.
    pub message: StoreText,
    /// What to do about it.
    pub advice: Option<StoreText>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, message: impl Into<StoreText>) -> Self {
        Self { check, severity: Severity::Ok, message: message.into(), advice: None }
    }

    pub(super) fn warn(
        check: &'static str,
        message: impl Into<StoreText>,
        advice: impl Into<Option<&'static str>>,
    ) -> Self {
        let advice = advice.into().map(StoreText::from);
        Self { check, severity: Severity::Warn, message: message.into(), advice }
    }

    pub(super) fn fail(
        check: &'static str,
        message: impl Into<StoreText>,
        advice: impl Into<Option<&'static str>>,
    ) -> Self {
        Self { severity: Severity::Fail, ..Self::warn(check, message, advice) }
    }
}

/// What all findings come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// What later runs can use.
    pub capabilities: Capabilities,
    /// How well puts will be proven; nothing if that was not found out.
    pub proof: Option<Proof>,
    /// Why puts or gets do not work, if they do not.
    pub failed: Option<Kind>,
}
