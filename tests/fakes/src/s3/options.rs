//! The settings of a server.

use std::{path::PathBuf, time::Duration};

/// The key that a server accepts unless told otherwise.
pub const ACCESS_KEY: &str = "fake-access-key";

/// The secret of that key.
pub const SECRET_KEY: &str = "fake-secret-key";

/// The settings of a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// The key that is accepted.
    pub access_key: String,
    /// The secret of that key.
    pub secret_key: String,
    /// Buckets that exist from the start.
    pub buckets: Vec<String>,
    /// Every object is also written here, as `DIR/BUCKET/KEY`.
    pub dir: Option<PathBuf>,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// The time a restoration from cold storage takes; without it, it ends when told to.
    pub restores_take: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            buckets: Vec::new(),
            dir: None,
            port: 0,
            restores_take: None,
        }
    }
}
