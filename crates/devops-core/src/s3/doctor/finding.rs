//! Findings of a doctor run, and what they come to.

use crate::kind::Kind;
use crate::s3::{
    object::{proof::Proof, text::StoreText},
    store::capabilities::Capabilities,
};

/// The severity of a finding.
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
    /// The name of the check: `versioning`.
    pub check: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// The result, and what it means.
    pub message: StoreText,
    /// A remedy.
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

/// The sum of all findings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// The capabilities that later runs can use.
    pub capabilities: Capabilities,
    /// The proof that puts will reach; nothing if that was not found out.
    pub proof: Option<Proof>,
    /// The reason puts or gets do not work, if they do not.
    pub failed: Option<Kind>,
}
