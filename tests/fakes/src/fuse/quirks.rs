//! Features that a file system of the tests lacks.

/// The abilities that a file system lacks.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is missing by itself")]
pub struct Quirks {
    /// Names that differ in case alone, or in how an accent is written, are the same name.
    pub folds_names: bool,
    /// There are no hard links.
    pub has_no_links: bool,
    /// A rename cannot be told to replace nothing.
    pub has_no_noreplace: bool,
    /// Modes cannot be changed.
    pub refuses_chmod: bool,
    /// Everything has this mode.
    pub mode: Option<u32>,
}
