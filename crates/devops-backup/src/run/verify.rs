//! `devops-backup verify`.

use std::{fs, path::Path};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    archive::{self, Archive, ArchiveError, Damage, FileMark, Healed, Sampled, Verified},
    clock::Clock,
    kind::{HasKind, Kind},
    units::{ByteSize, count},
};
use serde_json::Value;

use super::{
    compare,
    failure::failure,
    folder,
    host::state_folder,
    keys::keys,
    output::{healed_json, left_out_json, object},
    stream::take_streams,
};
use crate::cli::VerifyArgs;

pub(super) fn verify(args: &VerifyArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut keys = keys(&args.keys, session)?;
    take_streams(&mut keys, args.archive.iter().map(AsRef::as_ref), session)?;
    let mut is_damaged = false;
    let mut failures = Vec::new();
    for path in &folder::expand(&args.archive, session)? {
        let archive = Archive { path, keys: &keys };
        let mark = FileMark::of(path);
        let found = verify_one(archive, args.sample, session);
        remember(mark, path, &found, session);
        match found {
            Ok(proof) => is_damaged |= report(archive, &proof, args, session)?,
            Err(error @ ArchiveError::Damaged { .. }) => {
                is_damaged = true;
                report_damage(archive, &error, args, session)?;
            }
            Err(error) if error.kind() == Kind::Interrupted => return Err(error.into()),
            Err(error) => {
                let status = status(&error);
                let failure = failure(error);
                if session.json() {
                    session.line(unread(path, status, &failure))?;
                }
                failures.push(failure);
            }
        }
    }
    // The worst answer decides the exit code; the others are still said.
    let last = if is_damaged { None } else { failures.pop() };
    for failure in failures {
        session.warn(failure.chain().join(": "));
    }
    match last {
        Some(failure) => Err(failure),
        None if is_damaged => Ok(Outcome::No),
        None => Ok(Outcome::Done),
    }
}

/// Remembers what reading an archive has shown, for `list` and `prune`; a sample proves no whole.
fn remember(
    mark: Option<FileMark>,
    path: &Path,
    found: &Result<Proof, ArchiveError>,
    session: &Session,
) {
    if let Some(mark) = mark
        && !matches!(found, Ok(Proof::Sample(_)))
    {
        mark.remember(path, found, state_folder().as_deref(), session.clock().now());
    }
}

/// What was found whole.
enum Proof {
    All(Verified),
    Sample(Sampled),
}

fn verify_one(
    archive: Archive<'_>,
    share: Option<f64>,
    session: &Session,
) -> Result<Proof, ArchiveError> {
    if let Some(share) = share
        && let Some(sampled) = archive::verify_sample(archive, share, session.cancel())?
    {
        return Ok(Proof::Sample(sampled));
    }
    let total = fs::metadata(archive.path).ok().map(|metadata| metadata.len());
    let progress = session.progress("verifying", total);
    archive::verify(archive, session.cancel(), &mut |n_bytes| progress.set(n_bytes)).map(Proof::All)
}

/// Says what was found; returns whether it differs from the folder it was compared with.
fn report(
    archive: Archive<'_>,
    proof: &Proof,
    args: &VerifyArgs,
    session: &Session,
) -> Result<bool, Failure> {
    let path = archive.path;
    let verified = match proof {
        Proof::All(verified) => verified,
        Proof::Sample(sampled) => {
            session.line(part(path, sampled, session.json()))?;
            return Ok(false);
        }
    };
    session.line(whole(path, verified, session.json()))?;
    for note in &verified.notes {
        session.warn(format!("`{}`: {note}", quote(path)));
    }
    match &args.against {
        Some(folder) => Ok(!matches!(compare::against(archive, folder, session)?, Outcome::Done)),
        None => Ok(false),
    }
}

fn part(path: &Path, sampled: &Sampled, json: bool) -> String {
    let Sampled { n_segments, n_of, n_bytes } = *sampled;
    if !json {
        let size = ByteSize(n_bytes);
        let path = quote(path);
        return format!(
            "{path}: whole in a sample of {n_segments} of {}, {size}",
            count(n_of, "segment")
        );
    }
    let mut object = object("verified", "archive", path);
    object.insert("status".to_owned(), "whole".into());
    object.insert("whole".to_owned(), true.into());
    object.insert("sampled_segments".to_owned(), n_segments.into());
    object.insert("segments".to_owned(), n_of.into());
    object.insert("bytes".to_owned(), n_bytes.into());
    Value::Object(object).to_string()
}

fn whole(path: &Path, verified: &Verified, json: bool) -> String {
    if !json {
        let size = ByteSize(verified.n_bytes);
        return format!("{}: whole, {}, {size}", quote(path), count(verified.n_entries, "entry"));
    }
    let mut object = object("verified", "archive", path);
    object.insert("status".to_owned(), "whole".into());
    object.insert("whole".to_owned(), true.into());
    object.insert("entries".to_owned(), verified.n_entries.into());
    object.insert("files".to_owned(), verified.n_files.into());
    object.insert("bytes".to_owned(), verified.n_bytes.into());
    object.insert("notes".to_owned(), verified.notes.clone().into());
    Value::Object(object).to_string()
}

/// Returns the word for an archive that could not be looked at.
fn status(error: &ArchiveError) -> &'static str {
    match (error, error.kind()) {
        (ArchiveError::NotAnArchive { .. }, _) => "not-an-archive",
        (ArchiveError::Encrypted { .. }, _) => "encrypted",
        (_, Kind::NotFound) => "missing",
        _ => "unreadable",
    }
}

fn unread(path: &Path, status: &str, failure: &Failure) -> String {
    let mut object = object("verified", "archive", path);
    object.insert("status".to_owned(), status.into());
    object.insert("whole".to_owned(), false.into());
    object.insert("reason".to_owned(), failure.chain().join(": ").into());
    Value::Object(object).to_string()
}

/// Says what is wrong with an archive, and what is lost by it.
fn report_damage(
    archive: Archive<'_>,
    error: &ArchiveError,
    args: &VerifyArgs,
    session: &Session,
) -> Result<(), Failure> {
    let progress = session.progress("surveying", None);
    let on_bytes = &mut |n_bytes| progress.set(n_bytes);
    let found = archive::survey(archive, args.heal.as_deref(), session.cancel(), on_bytes);
    progress.finish();
    let damage = match found {
        Ok(damage) => damage,
        // Nothing can be read of it at all.
        Err(ArchiveError::Damaged { .. }) => Damage::default(),
        Err(error) => return Err(error.into()),
    };
    if session.json() {
        return session.line(damaged_json(archive.path, error, &damage));
    }
    let path = quote(archive.path);
    if let ArchiveError::Damaged { n_entries, reason, .. } = error {
        let entries = count(*n_entries, "entry");
        session.line(format!("{path}: damaged after {entries}: {reason}"))?;
    }
    for lost in &damage.lost {
        session.line(format!("{path}: lost: `{}`: {}", quote(&lost.path), lost.reason))?;
    }
    match damage.n_lost - damage.lost.len() {
        0 => {}
        n_more => session.line(format!("{path}: lost: {n_more} more"))?,
    }
    for Healed { archive: other, n_segments } in &damage.healed {
        let other = quote(other);
        session.line(format!("{path}: `{other}` has {n_segments} of the damaged segments"))?;
    }
    Ok(())
}

fn damaged_json(path: &Path, error: &ArchiveError, damage: &Damage) -> String {
    let mut object = object("verified", "archive", path);
    object.insert("status".to_owned(), "damaged".into());
    object.insert("whole".to_owned(), false.into());
    if let ArchiveError::Damaged { n_entries, reason, .. } = error {
        object.insert("entries".to_owned(), (*n_entries).into());
        object.insert("reason".to_owned(), reason.as_str().into());
    }
    object.insert("lost".to_owned(), left_out_json(&damage.lost));
    object.insert("n_lost".to_owned(), damage.n_lost.into());
    object.insert("healed".to_owned(), healed_json(&damage.healed));
    Value::Object(object).to_string()
}
