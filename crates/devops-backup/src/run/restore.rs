//! `devops-backup restore`.

use std::{fs, path::Path, time::Instant};

use devops_cli::{Failure, Outcome, Session, json, quote};
use devops_core::{
    archive::{self, Archive, Lookup, RestoreEvent, RestoreOptions},
    units::ByteSize,
};
use serde_json::Value;

use super::{failure, keys::keys, left_out_json, object, tell_left_out};
use crate::cli::RestoreArgs;

pub(super) fn restore(args: &RestoreArgs, session: &Session) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let keys = keys(&args.keys, session)?;
    let total = fs::metadata(&args.archive).ok().map(|metadata| metadata.len());
    let progress = session.progress("restoring", total);
    let options = RestoreOptions {
        archive: Archive { path: &args.archive, keys: &keys },
        paths: &args.path,
        folder: &args.to,
        overwrite: args.overwrite.into(),
        strip_components: args.strip_components,
        privileged: args.privileged,
        numeric_owner: args.numeric_owner,
        root: Path::new("/"),
        lookup: Lookup::Kernel,
    };
    let restored = archive::restore(&options, session.cancel(), &mut |event| match event {
        RestoreEvent::Bytes(n_bytes) => progress.set(n_bytes),
        RestoreEvent::LeftOut(left_out) => tell_left_out(session, left_out),
        RestoreEvent::Note(note) => {
            session.warn(format!("`{}`: {note}", quote(&args.archive)));
        }
    });
    let summary = restored.map_err(failure)?;
    progress.finish();
    if session.json() {
        let mut object = object("summary", "archive", &args.archive);
        json::insert_path(&mut object, "to", &args.to);
        object.insert("entries".to_owned(), summary.n_entries.into());
        object.insert("bytes".to_owned(), summary.n_bytes.into());
        object.insert("skipped".to_owned(), left_out_json(&summary.left_out));
        object.insert("n_skipped".to_owned(), summary.n_left_out.into());
        object.insert("notes".to_owned(), summary.notes.as_slice().into());
        object.insert("seconds".to_owned(), started.elapsed().as_secs_f64().into());
        session.emit(&Value::Object(object))?;
    } else {
        let size = ByteSize(summary.n_bytes);
        let to = quote(&args.to);
        session.line(format!("Restored {} entries, {size}, to {to}", summary.n_entries))?;
    }
    Ok(match summary.n_faults() {
        0 => Outcome::Done,
        1 => Outcome::Partial("one thing was not restored as it was".to_owned()),
        n => Outcome::Partial(format!("{n} things were not restored as they were")),
    })
}
