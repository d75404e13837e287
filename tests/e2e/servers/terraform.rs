//! `devops-tf` with programs that are not ours: backends, a provider, and validators of its reports.

mod drift;
mod lab;
mod reports;
mod resources;
mod state;
