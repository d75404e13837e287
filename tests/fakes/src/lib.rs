//! Stand-ins for the outside world, for tests and for the demo.

pub mod fuse;
pub mod random;
pub mod s3;
pub mod state;
pub mod watcher;
