//! The state that every request can see.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use super::{
    assets::Assets, counters::Counters, hosts::Hosts, page::Page, snapshot::Snapshot, users::Users,
};

/// The state that every request can see.
pub(crate) struct Shared {
    /// The newest reading.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Becomes true when the server is to end.
    pub closing: watch::Receiver<bool>,
    pub counters: Arc<Counters>,
    pub page: Page,
    pub assets: Assets,
    pub hosts: Hosts,
    pub users: Option<Users>,
    /// Nothing, or a path such as `/monitor`.
    pub base_path: String,
    /// A reading older than this means that the sampler hangs.
    pub max_sample_age: Duration,
}
