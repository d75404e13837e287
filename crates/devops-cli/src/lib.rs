//! The terminal, once, for every tool: flags, config files, logging, signals, errors, exit codes, progress.
//!
//! A tool's `main` is one call of [`main`] with its [`Tool`] and its `run` function.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!("the devops tools run on Linux, on x86_64 and aarch64 only");

mod access;
mod arguments;
mod clap_error;
mod config;
mod exit;
mod failure;
mod folders;
pub mod json;
mod keep;
mod layers;
mod line;
mod live;
mod logging;
mod memory;
mod owners;
mod profile;
mod progress;
mod report;
mod run;
mod session;
mod settings;
mod show;
mod signals;
mod stderr;
mod stdout;
mod text;
mod tool;
pub mod trust;
mod when;

pub use crate::{
    access::{group_number, parse_mode},
    exit::{code as code_of, of_kind as exit_code},
    failure::{Failure, Outcome, ResultExt},
    folders::user_folder,
    keep::{KeepFlags, check_removals},
    live::Live,
    profile::ProfileTable,
    progress::Progress,
    run::main,
    session::Session,
    text::{permissions, quote, table},
    tool::{SecondSignal, Tool},
    when::{BadWhen, When},
};
