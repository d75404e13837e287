//! `devops-basics` as a user runs it.
