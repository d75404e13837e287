//! The harness of the end-to-end tests: a clean environment, the binaries, running children, outside programs.
//!
//! Anything a test does not state is empty: environment, home, config, stdin.

pub mod binaries;
mod environment;
pub mod outside;
mod refusing;
mod running;
mod signals;

pub use crate::{
    environment::{Run, TestEnv, finish, names_in, without_root},
    refusing::Refusing,
    running::{Running, wait_until},
};
