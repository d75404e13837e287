//! All logic of the devops tools.
//!
//! The foundation (`fs`, `lock`, `units`, `secret`, `kind`, `cancel`, `clock`, `owners`, `retention`, `exposition`,
//! `terminal`) is
//! always here; each engine and orchestrator sits behind the feature of its name, and so do `archive_index` and `verdicts`, which two need.
//! Nothing here prints, parses flags, reads the environment, installs a signal handler or exits:
//! functions return values, errors and events.

#![warn(missing_docs)]

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("the devops tools run on Linux, on x86_64 and aarch64 only");

#[cfg(feature = "archive_index")]
pub mod archive_index;
pub mod cancel;
pub mod clock;
pub mod exposition;
pub mod fs;
#[cfg(feature = "http")]
mod http;
pub mod kind;
pub mod limits;
pub mod lock;
pub mod owners;
pub mod retention;
#[cfg(feature = "roots")]
pub mod roots;
pub mod secret;
pub mod terminal;
pub mod units;
#[cfg(feature = "archive_index")]
pub mod verdicts;

// Engines: they do not import each other.
#[cfg(feature = "archive")]
pub mod archive;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "s3")]
pub mod s3;

// Orchestrators: nothing imports them but a binary.
#[cfg(feature = "lessons")]
pub mod lessons;
#[cfg(feature = "offsite")]
pub mod offsite;
#[cfg(feature = "profile")]
pub mod profile;
#[cfg(feature = "terraform")]
pub mod terraform;
