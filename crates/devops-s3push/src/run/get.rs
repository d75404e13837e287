//! `get`: one object into a file.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::PathBuf};

use devops_cli::{Failure, Outcome, Session, json::insert_path, quote};
use devops_core::{
    fs::ReplacePolicy,
    s3::{Event, GetOptions, Link, PartSize, get as get_object},
    units::ByteSize,
};
use serde_json::json;

use super::{
    connection::Connected,
    explain::explain,
    reporter::{Reporter, insert},
};
use crate::cli::GetArgs;

/// Objects are no programs; the person's umask would say the rest, but nobody can read it safely.
const MODE: u32 = 0o644;

pub(crate) async fn get(args: GetArgs, session: &Session) -> Result<Outcome, Failure> {
    let path = target(&args)?;
    let replace = if args.overwrite { ReplacePolicy::Replace } else { ReplacePolicy::Keep };
    let connected = Connected::new(&args.connection, Some(&args.transfer), session).await?;
    let reporter = Reporter::new(session, "downloading", None);
    let events = |event: Event| reporter.show(event);
    let link = Link { store: &connected.store, stop: &connected.stop, events: &events };
    session.status(format!("Downloading {} to {}...", args.source, quote(&path)));
    let options = GetOptions { replace, mode: MODE, part_size: PartSize::Auto };
    let summary = get_object(link, &args.source, &path, options).await.map_err(|error| {
        let exists = matches!(&error, devops_core::s3::S3Error::Path(error) if error.source.kind() == std::io::ErrorKind::AlreadyExists);
        let failure = explain(error);
        if exists { failure.hint("pass --overwrite to replace it") } else { failure }
    })?;
    reporter.emit("object", |object| {
        insert_path(object, "path", &summary.path);
        insert(object, json!({
            "bucket": summary.uri.bucket, "key": summary.uri.key, "size": summary.size,
            "checksum": summary.checksum.value, "checksum_algorithm": summary.checksum.algorithm.name(),
            "proof": summary.proof.name(), "seconds": summary.elapsed.as_secs_f64(),
        }));
    });
    if !session.json() {
        let (size, checksum, proof) = (ByteSize(summary.size), &summary.checksum, summary.proof);
        let path = quote(&summary.path);
        session.line(format!(
            "Downloaded {} to {path} ({size}, {checksum}, proof {proof})",
            summary.uri
        ))?;
    }
    Ok(Outcome::Done)
}

/// Returns the file: in a folder it gets the last part of the key as its name.
fn target(args: &GetArgs) -> Result<PathBuf, Failure> {
    if args.source.is_prefix() {
        return Err(Failure::usage(format!("`{}` names no object", args.source)));
    }
    let destination = &args.destination;
    if destination.as_os_str() == OsStr::new("-") {
        return Err(Failure::usage("get writes to a file; the standard output is none"));
    }
    let means_folder = destination.is_dir() || destination.as_os_str().as_bytes().ends_with(b"/");
    if !means_folder {
        return Ok(destination.clone());
    }
    match args.source.key.rsplit('/').next() {
        Some(name @ (".." | ".")) => Err(Failure::usage(format!("`{name}` is no name for a file"))),
        Some(name) => Ok(destination.join(name)),
        None => Ok(destination.clone()),
    }
}
