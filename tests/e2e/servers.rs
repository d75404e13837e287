//! `devops-s3push` against S3 servers that are not ours, and `devops-tf` with what keeps states, has resources
//! and reads reports.
//!
//! `cargo xtask test --servers` starts them and runs this; it is built with the feature `servers` only.
//! `every` runs on each, by what `traits` says of it; `garage` and `moto` hold what only one of them has. What was stored is read back
//! with boto3. Garage checks what it is sent, so it alone says whether our checksums are right: moto takes
//! wrong data without a word, and is here for what garage does not have.

mod client;
mod every;
mod garage;
mod moto;
mod proxy;
mod rig;
mod terraform;
mod traits;
