//! Terraform runs: plan, summary, guards, seal, apply.
