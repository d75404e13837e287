//! The result of the cases of one server.

/// The result of one case.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) passed: bool,
}

/// The server, with the results of all its cases.
pub(crate) struct Report {
    pub(crate) server: &'static str,
    pub(crate) cases: Vec<Case>,
    /// The findings of the cases about the server, as `FEATURE WORD`.
    pub(crate) notes: Vec<(String, String)>,
}
