//! Lines and JSON that several commands print.

use std::path::Path;

use devops_cli::{Session, json, quote};
use devops_core::{
    archive::{Healed, Skipped},
    lock::LockEvent,
};
use serde_json::{Map, Value};

/// Says why it takes so long, or what is less safe than it could be.
pub(super) fn report_lock(session: &Session, folder: &Path, event: &LockEvent<'_>) {
    let folder = quote(folder);
    match event {
        LockEvent::Waiting(Some(holder)) => {
            session.status(format!("waiting: `{folder}` is locked by {holder}"));
        }
        LockEvent::Waiting(None) => session.status(format!("waiting: `{folder}` is locked")),
        LockEvent::StaleLockTaken(holder) => {
            session.warn(format!("`{folder}`: took over the stale lock of {holder}"));
        }
        LockEvent::Unlocked(reason) => {
            session.warn(format!("`{folder}` cannot be locked: {reason}"));
        }
    }
}

/// Names something left out: a warning if it is a fault, else a remark.
pub(super) fn report_skipped(session: &Session, skipped: &Skipped) {
    let line = format!("`{}`: {}", quote(&skipped.path), skipped.reason);
    if skipped.is_fault {
        session.warn(line);
    } else {
        session.status(format!("skipped {line}"));
    }
}

pub(super) fn left_out_json(list: &[Skipped]) -> Value {
    list.iter()
        .map(|skipped| {
            let mut object = Map::new();
            json::insert_path(&mut object, "path", &skipped.path);
            object.insert("reason".to_owned(), skipped.reason.as_str().into());
            Value::Object(object)
        })
        .collect()
}

/// Shows which archives held what is damaged in another.
pub(super) fn healed_json(list: &[Healed]) -> Value {
    list.iter()
        .map(|healed| {
            let mut object = Map::new();
            json::insert_path(&mut object, "archive", &healed.archive);
            object.insert("segments".to_owned(), healed.n_segments.into());
            Value::Object(object)
        })
        .collect()
}

/// Returns an object with its type and a path.
pub(super) fn object(kind: &str, key: &str, path: &Path) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    json::insert_path(&mut object, key, path);
    object
}
