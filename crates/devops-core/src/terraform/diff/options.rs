//! Options of a diff.

/// Options of a diff.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiffOptions {
    /// Shows every change of a large plan, and long values whole.
    pub full: bool,
    /// Colors the signs.
    pub color: bool,
    /// Shows values that are sensitive.
    pub revealed: bool,
}
