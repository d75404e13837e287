//! `devops-backup diff`, and `verify --against`.

use std::path::Path;

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    archive::{self, Archive, Comparison, Difference},
    units::{agree, count},
};
use serde_json::Value;

use super::{
    failure::failure,
    keys::keys,
    output::{object, report_skipped},
    stream::take_streams,
};
use crate::cli::DiffArgs;

pub(super) fn diff(args: &DiffArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut keys = keys(&args.keys, session)?;
    take_streams(&mut keys, [args.first.as_path(), &args.second], session)?;
    let of = |path| Archive { path, keys: &keys };
    let (first, second) = (of(&args.first), of(&args.second));
    let comparison = archive::diff(first, second, session.cancel()).map_err(failure)?;
    show(&comparison, session)
}

/// Compares an archive with a folder.
pub(super) fn against(
    archive: Archive<'_>,
    folder: &Path,
    session: &Session,
) -> Result<Outcome, Failure> {
    let comparison =
        archive::against(archive, folder, Path::new("/"), session.cancel()).map_err(failure)?;
    show(&comparison, session)
}

fn show(comparison: &Comparison, session: &Session) -> Result<Outcome, Failure> {
    for (path, difference) in &comparison.differences {
        if session.stdout_closed() {
            break;
        }
        session.line(line(path, difference, session.json()))?;
    }
    for skipped in &comparison.unreadable {
        report_skipped(session, skipped);
    }
    for note in &comparison.notes {
        session.warn((*note).to_owned());
    }
    let (n, n_entries) = (comparison.differences.len(), comparison.n_entries);
    if session.json() {
        session.emit(&serde_json::json!({
            "type": "summary", "entries": n_entries, "differences": n,
            "unreadable": comparison.unreadable.len(), "notes": comparison.notes,
        }))?;
    }
    session.status(format!(
        "{} compared, {n} {}",
        count(n_entries, "entry"),
        agree(n, "differs", "differ")
    ));
    Ok(match (n, comparison.unreadable.len()) {
        (0, 0) => Outcome::Done,
        (0, n) => Outcome::Partial(format!("{} could not be compared", count(n, "thing"))),
        _ => Outcome::No,
    })
}

fn line(path: &Path, difference: &Difference, json: bool) -> String {
    let (word, sign, what): (_, _, &[&str]) = match difference {
        Difference::Added => ("added", '+', &[]),
        Difference::Removed => ("removed", '-', &[]),
        Difference::Changed(what) => ("changed", 'M', what),
    };
    if json {
        let mut object = object(word, "path", path);
        if !what.is_empty() {
            object.insert("what".to_owned(), what.into());
        }
        return Value::Object(object).to_string();
    }
    let what = if what.is_empty() { String::new() } else { format!(" ({})", what.join(", ")) };
    format!("{sign} {}{what}", quote(path))
}
