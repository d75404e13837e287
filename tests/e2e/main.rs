//! End-to-end tests: the tools as a user runs them, as processes.

mod backup;
mod basics;
mod cli;
mod flows;
mod monitor;
mod s3push;
mod tf;
