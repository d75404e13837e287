//! How a diff is drawn.

/// How a diff is drawn.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Whether every change of a large plan and every character of a long value is shown.
    pub full: bool,
    /// Whether signs are colored.
    pub color: bool,
}
