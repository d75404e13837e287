//! `devops-backup` as a user runs it.
