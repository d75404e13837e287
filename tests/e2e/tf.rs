//! `devops-tf` as a user runs it.
