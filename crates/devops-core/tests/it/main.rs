//! The library at its public functions, one module an engine or orchestrator.
//!
//! One program, because each is linked with everything that it tests.

#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "process")]
mod process;
#[cfg(feature = "profile")]
mod profile;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "terraform")]
mod terraform;
