//! `devops-backup find`.

use devops_cli::{
    Failure, Outcome, Session,
    json::{self, utc},
    quote, table,
};
use devops_core::{
    archive::{ArchiveError, EntryKind, FindEvent, Found, History, Version, find as find_in},
    units::{agree, count},
};
use serde_json::{Value, json};

use super::{
    failure::failure,
    folder, hint,
    host::state_folder,
    keys::keys,
    output::{left_out_json, object, report_skipped},
};
use crate::cli::FindArgs;

pub(super) fn find(args: &FindArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.folder.is_file() {
        let hint = "`devops-backup list ARCHIVE GLOB` searches one archive";
        return Err(Failure::usage(format!("`{}` is not a folder", quote(&args.folder))).hint(hint));
    }
    let (keys, state) = (keys(&args.keys, session)?, state_folder());
    let options = folder::options(&args.folder, &keys, state.as_deref(), session);
    let progress = session.progress("searching", None);
    let found = find_in(&options, &args.glob, session.cancel(), &mut |event| match event {
        FindEvent::Bytes(n_done, n_bytes) => {
            progress.set_total(n_bytes);
            progress.set(n_done);
        }
        FindEvent::Skipped(skipped) => report_skipped(session, skipped),
    });
    let found = found.map_err(failure)?;
    progress.finish();
    let mut n_versions = 0;
    for history in &found.histories {
        n_versions += show(history, &found, session)?;
        if session.stdout_closed() {
            break;
        }
    }
    if session.json() {
        session.emit(&json!({
            "type": "summary",
            "archives": found.archives.len(),
            "paths": found.histories.len(),
            "versions": n_versions,
            "not_searched": left_out_json(&found.skipped),
        }))?;
    }
    finish(args, found)
}

/// Decides how it ends: what was not searched may hold what was not found.
fn finish(args: &FindArgs, found: Found) -> Result<Outcome, Failure> {
    if found.is_damaged {
        return Ok(Outcome::No);
    }
    match (found.skipped.len(), found.unmatched.into_iter().next()) {
        (0, Some(wanted)) => {
            let archive = args.folder.clone();
            let mut origins = found.archives.iter().filter_map(|facts| facts.origin.as_ref());
            let source = origins.next_back().map(|origin| origin.source.as_path());
            Err(hint::below_source(ArchiveError::NothingMatches { archive, wanted }, source))
        }
        (0, None) => Ok(Outcome::Done),
        (n, _) => Ok(Outcome::Partial(format!(
            "{} {} not searched",
            count(n, "archive"),
            agree(n, "was", "were")
        ))),
    }
}

/// Shows the versions of a path; returns how many there are.
fn show(history: &History, found: &Found, session: &Session) -> Result<usize, Failure> {
    if session.json() {
        let lines = history.versions().map(|version| version_json(history, &version, found));
        let mut n = 0;
        for line in lines {
            session.write(format!("{line}\n").as_bytes())?;
            n += 1;
        }
        return Ok(n);
    }
    let rows: Vec<_> = history.versions().map(|version| row(&version, found, session)).collect();
    let header = ["  archived", "size", "modified", "content", "archive"];
    let n = rows.len();
    let shown = format!("{}\n{}\n", quote(&history.path), table(&header, rows));
    session.write(shown.as_bytes())?;
    Ok(n)
}

fn row(version: &Version<'_>, found: &Found, session: &Session) -> [String; 5] {
    let archive = &found.archives[version.archive];
    let modified = version.mtime.to_utc();
    [
        format!("  {}", folder::local(archive.time, session)),
        version.size.to_string(),
        modified
            .map_or_else(|| version.mtime.seconds.to_string(), |time| folder::local(time, session)),
        content(version),
        quote(&archive.path),
    ]
}

/// Returns how a version compares with the one before it.
fn content(version: &Version<'_>) -> String {
    let compared = match version.is_same {
        None => "first",
        Some(true) => "same",
        Some(false) => "changed",
    };
    match version.kind {
        EntryKind::File => compared.to_owned(),
        EntryKind::Symlink { target } => format!("{compared}, -> {}", quote(target)),
        EntryKind::HardLink { target } => format!("{compared}, link to {}", quote(target)),
        kind => format!("{compared}, {}", kind.name()),
    }
}

fn version_json(history: &History, version: &Version<'_>, found: &Found) -> Value {
    let archive = &found.archives[version.archive];
    let mut object = object("version", "path", &history.path);
    json::insert_path(&mut object, "archive", &archive.path);
    object.insert("time".to_owned(), utc(archive.time));
    object.insert("kind".to_owned(), version.kind.name().into());
    object.insert("size".to_owned(), version.size.into());
    object.insert("mtime".to_owned(), version.mtime.to_utc().map_or(Value::Null, utc));
    object.insert("same".to_owned(), (version.is_same == Some(true)).into());
    if let EntryKind::Symlink { target } | EntryKind::HardLink { target } = version.kind {
        json::insert_path(&mut object, "target", target);
    }
    Value::Object(object)
}
