//! The harness of the end-to-end tests: a clean environment, the binaries, running children, outside programs.
//!
//! Anything a test does not state is empty: environment, home, config, stdin.

pub mod binaries;
mod environment;
pub mod outside;
mod refusing;
mod run;
mod running;
mod signals;

pub use crate::{
    environment::{TestEnv, finish, names_in, without_root},
    refusing::Refusing,
    run::Run,
    running::{Running, wait_until},
};
