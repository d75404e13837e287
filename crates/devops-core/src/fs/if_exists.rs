//! The choice between replacing a file and leaving it.

/// The choice where the final name exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfExists {
    /// The new file takes its place in one step.
    Replace,
    /// The new file is dropped and the error is `AlreadyExists`.
    Fail,
}
