//! The small commands of `devops-basics`.
