//! The state that the server's thread and its owner both see.

use std::{
    io,
    sync::{Condvar, Mutex, atomic::AtomicBool},
};

use tokio::sync::watch;

use super::{entry::Entry, fault::Rule, ignorer::Echoes, store::Store};

/// The state that the server's thread and its owner both see.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) rules: Mutex<Vec<Rule>>,
    pub(crate) log: Mutex<Vec<Entry>>,
    pub(crate) logged: Condvar,
    /// Changes when what is held may go on.
    pub(crate) released: watch::Sender<()>,
    pub(crate) sink: Mutex<Option<Box<dyn io::Write + Send>>>,
    /// The checksums that come back as they were sent, by the path of their object.
    pub(crate) echoes: Mutex<Echoes>,
    /// Is set if the log has the names of what answers tell.
    pub(crate) notes_answers: AtomicBool,
}
