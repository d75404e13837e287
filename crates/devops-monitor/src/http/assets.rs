//! The style sheet, script and icon of the page, embedded at build time.

/// The files the page loads.
pub(crate) struct Assets([Asset; 3]);

/// One file.
pub(super) struct Asset {
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    pub(super) body: &'static str,
    pub(super) etag: String,
}

impl Assets {
    pub(crate) fn new() -> Self {
        let asset = |name, content_type, body: &'static str| {
            let hash = blake3::hash(body.as_bytes()).to_hex();
            Asset { name, content_type, body, etag: format!("\"{}\"", &hash[..16]) }
        };
        Self([
            asset(
                "monitor.css",
                "text/css; charset=utf-8",
                include_str!("../../../../templates/monitor/monitor.css"),
            ),
            asset(
                "monitor.js",
                "text/javascript; charset=utf-8",
                include_str!("../../../../templates/monitor/monitor.js"),
            ),
            asset(
                "icon.svg",
                "image/svg+xml",
                include_str!("../../../../templates/monitor/icon.svg"),
            ),
        ])
    }

    /// Returns the file of this name.
    pub(super) fn find(&self, name: &str) -> Option<&Asset> {
        self.0.iter().find(|asset| asset.name == name)
    }
}
