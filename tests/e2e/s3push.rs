//! `devops-s3push` as a user runs it.
