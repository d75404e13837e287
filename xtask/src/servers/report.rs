//! The result of the cases of one server.

/// How one case ended.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) passed: bool,
}

/// What was looked at, with all its cases.
pub(crate) struct Report {
    pub(crate) server: &'static str,
    pub(crate) cases: Vec<Case>,
    /// What the cases say of the server, as `FEATURE WORD`.
    pub(crate) notes: Vec<(String, String)>,
}
