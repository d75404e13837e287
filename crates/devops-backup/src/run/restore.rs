//! `devops-backup restore`.

use std::{fs, path::Path, time::Instant};

use devops_cli::{Failure, Outcome, Session, json, quote};
use devops_core::{
    archive::{self, Archive, Healed, Lookup, RestoreEvent, RestoreOptions, RestoreSummary},
    units::{ByteSize, agree, count},
};
use serde_json::Value;

use super::{
    choice, hint,
    keys::keys,
    output::{healed_json, left_out_json, object, report_skipped},
    stream::take_streams,
};
use crate::cli::RestoreArgs;

pub(super) fn restore(args: &RestoreArgs, session: &Session) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let to = choice::target(args)?;
    let mut keys = keys(&args.keys, session)?;
    take_streams(&mut keys, [args.archive.as_path()], session)?;
    let archive = choice::archive(args, &keys, session)?;
    let total = fs::metadata(&archive).ok().map(|metadata| metadata.len());
    let progress = session.progress("restoring", total);
    let options = RestoreOptions {
        archive: Archive { path: &archive, keys: &keys },
        paths: &args.path,
        is_exact: false,
        folder: to,
        overwrite: args.overwrite.into(),
        strip_components: args.strip_components,
        privileged: args.privileged,
        numeric_owner: args.numeric_owner,
        root: Path::new("/"),
        heal: args.heal.as_deref(),
        lookup: Lookup::Kernel,
    };
    let restored = archive::restore(&options, session.cancel(), &mut |event| match event {
        RestoreEvent::Bytes(n_bytes) => progress.set(n_bytes),
        RestoreEvent::Restored(_) => {}
        RestoreEvent::Skipped(skipped) => report_skipped(session, skipped),
        RestoreEvent::Note(note) => {
            session.warn(format!("`{}`: {note}", quote(&archive)));
        }
    });
    let summary = restored.map_err(|error| hint::in_archive(error, options.archive, session))?;
    progress.finish();
    report(&options, &summary, started, session)?;
    Ok(match (&summary.damage, summary.n_faults()) {
        (Some(_), _) => Outcome::No,
        (None, 0) => Outcome::Done,
        (None, n) => Outcome::Partial(format!(
            "{} {} not restored as {}",
            count(n, "thing"),
            agree(n, "was", "were"),
            agree(n, "it was", "they were")
        )),
    })
}

/// Says what was restored, what is damaged, and which archives healed it.
fn report(
    options: &RestoreOptions<'_>,
    summary: &RestoreSummary,
    started: Instant,
    session: &Session,
) -> Result<(), Failure> {
    let (archive, to) = (options.archive.path, options.folder);
    let shown = quote(archive);
    for Healed { archive: other, n_segments } in &summary.healed {
        let segments = count(*n_segments, "damaged segment");
        session.status(format!("healed {segments} from `{}`", quote(other)));
    }
    if let Some(reason) = &summary.damage {
        let lost = match summary.n_lost {
            0 => "nothing is lost".to_owned(),
            n => format!("{} {} lost", count(n, "entry"), agree(n, "is", "are")),
        };
        session.warn(format!("`{shown}` is damaged, {lost}: {reason}"));
    }
    if !session.json() {
        let size = ByteSize(summary.n_bytes);
        let to = quote(to);
        let entries = count(summary.n_entries, "entry");
        return session.line(format!("Restored {entries}, {size}, to {to}"));
    }
    let mut object = object("summary", "archive", archive);
    json::insert_path(&mut object, "to", to);
    object.insert("entries".to_owned(), summary.n_entries.into());
    object.insert("bytes".to_owned(), summary.n_bytes.into());
    object.insert("skipped".to_owned(), left_out_json(&summary.skipped));
    object.insert("n_skipped".to_owned(), summary.n_left_out.into());
    object.insert("damage".to_owned(), summary.damage.as_deref().into());
    object.insert("n_lost".to_owned(), summary.n_lost.into());
    object.insert("healed".to_owned(), healed_json(&summary.healed));
    object.insert("notes".to_owned(), summary.notes.as_slice().into());
    object.insert("seconds".to_owned(), started.elapsed().as_secs_f64().into());
    session.emit(&Value::Object(object))
}
