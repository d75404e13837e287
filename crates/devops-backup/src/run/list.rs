//! `devops-backup list`.

use std::path::Path;

use devops_cli::{
    Failure, Outcome, Session,
    json::{self, utc},
    permissions, quote,
};
use devops_core::archive::{self, Archive, Entry, EntryKind, Keys, ListEvent, Origin};
use serde_json::{Map, Value};

use super::{folder, hint, host::state_folder, keys::keys, output::object, stream::take_streams};
use crate::cli::ListArgs;

pub(super) fn list(args: &ListArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut keys = keys(&args.keys, session)?;
    if args.archive.is_dir() {
        return list_folder(args, &keys, session);
    }
    take_streams(&mut keys, [args.archive.as_path()], session)?;
    let archive = Archive { path: &args.archive, keys: &keys };
    let mut printed = Ok(());
    let listed = archive::list(archive, &args.glob, session.cancel(), &mut |event| {
        let line = match (session.json(), event) {
            (_, ListEvent::Note(note)) => {
                session.warn(format!("`{}`: {note}", quote(&args.archive)));
                return true;
            }
            (true, ListEvent::Origin(origin)) => origin_json(&args.archive, origin).to_string(),
            (true, ListEvent::Entry(entry)) => entry_json(entry).to_string(),
            (false, ListEvent::Origin(_)) => return true,
            (false, ListEvent::Entry(entry)) => entry_line(entry),
        };
        printed = session.write(format!("{line}\n").as_bytes());
        printed.is_ok() && !session.stdout_closed()
    });
    printed?;
    listed.map_err(|error| hint::in_archive(error, archive, session))?;
    Ok(Outcome::Done)
}

fn list_folder(args: &ListArgs, keys: &Keys, session: &Session) -> Result<Outcome, Failure> {
    let state = state_folder();
    let options = folder::options(&args.archive, keys, state.as_deref(), session);
    folder::list(&options, &args.glob, session)
}

fn entry_line(entry: &Entry) -> String {
    let time = entry.mtime.to_utc().map_or_else(
        || entry.mtime.seconds.to_string(),
        |time| {
            let (date, time) = (time.date(), time.time());
            let (hour, minute, second) = time.as_hms();
            format!("{date} {hour:02}:{minute:02}:{second:02}")
        },
    );
    let mut line = format!(
        "{}{} {:>11} {:>12} {time} {}",
        entry.kind.letter(),
        permissions(entry.mode),
        format!("{}:{}", entry.uid, entry.gid),
        entry.size,
        quote(&entry.path),
    );
    match &entry.kind {
        EntryKind::Symlink { target } => line = format!("{line} -> {}", quote(target)),
        EntryKind::HardLink { target } => line = format!("{line} link to {}", quote(target)),
        _ => {}
    }
    line
}

fn origin_json(archive: &Path, origin: &Origin) -> Value {
    let mut object = object("archive", "archive", archive);
    object.insert("host".to_owned(), origin.host.as_str().into());
    json::insert_path(&mut object, "source", &origin.source);
    object.insert("started".to_owned(), utc(origin.started));
    Value::Object(object)
}

fn entry_json(entry: &Entry) -> Value {
    let mut object: Map<String, Value> = object("entry", "path", &entry.path);
    let mut insert = |key: &str, value: Value| object.insert(key.to_owned(), value);
    insert("kind", entry.kind.name().into());
    insert("mode", format!("{:04o}", entry.mode).into());
    insert("uid", entry.uid.into());
    insert("gid", entry.gid.into());
    insert("size", entry.size.into());
    insert("mtime", entry.mtime.to_utc().map_or(Value::Null, utc));
    match &entry.kind {
        EntryKind::Symlink { target } | EntryKind::HardLink { target } => {
            json::insert_path(&mut object, "target", target);
        }
        EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
            insert("device", format!("{major}:{minor}").into());
        }
        _ => {}
    }
    Value::Object(object)
}
