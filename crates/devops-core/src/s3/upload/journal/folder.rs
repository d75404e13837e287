//! The folder with the journals of one user.

use std::{path::PathBuf, time::Duration};

/// A process that holds a journal for longer is at work with it.
const LET_GO_WITHIN: Duration = Duration::from_secs(1);

/// The folder with the journals of one user.
#[derive(Clone, Debug)]
pub struct Journals {
    pub(super) folder: PathBuf,
    pub(super) let_go_within: Duration,
}

impl Journals {
    /// Keeps journals in `folder`, which is made when it is needed.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), let_go_within: LET_GO_WITHIN }
    }
}
