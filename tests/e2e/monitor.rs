//! `devops-monitor` as a user runs it.
