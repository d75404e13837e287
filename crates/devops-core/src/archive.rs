//! Dated `tar.gz` archives: create, list, verify, restore and prune them.
