//! `devops-backup list DIR`, and what the commands that take a folder of archives share.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use devops_cli::{
    Failure, Outcome, Session,
    json::{self, utc},
    quote, table,
};
use devops_core::{
    archive::{
        ArchiveError, ArchiveFacts, ArchiveState, FolderOptions, FolderPaths, Keys, archive_paths,
        look_into, matching_names, new_bytes,
    },
    clock::Clock,
    units::{ByteSize, agree, count},
};
use serde_json::Value;
use time::OffsetDateTime;

use super::{failure::failure, output::object};

/// Shows the archives of a folder, or those of them whose NAME or file name matches a pattern.
pub(super) fn list(
    options: &FolderOptions<'_>,
    patterns: &[OsString],
    session: &Session,
) -> Result<Outcome, Failure> {
    let (mut archives, n_others) = look_into(options, session.cancel()).map_err(failure)?;
    let mut is_chosen = choose(options, &archives, patterns)?.into_iter();
    // What is new in an archive is measured against the one before it, whether that is shown or not.
    let news = new_bytes(&archives, options.keys, session.cancel())?;
    let mut news: Vec<_> = news.into_iter().zip(is_chosen.clone()).collect();
    news.retain(|(_, is_chosen)| *is_chosen);
    archives.retain(|_| is_chosen.next() == Some(true));
    let listed: Vec<_> = archives.iter().zip(news.into_iter().map(|(new, _)| new)).collect();
    if session.json() {
        let mut lines = listed.iter().map(|(facts, new)| archive_json(facts, *new));
        lines.try_for_each(|line| session.write(format!("{line}\n").as_bytes()))?;
    } else {
        let same_series = |a: &(&ArchiveFacts, _), b: &(&ArchiveFacts, _)| {
            a.0.named_series() == b.0.named_series()
        };
        for group in listed.chunk_by(same_series) {
            session.line(series_table(group, session))?;
        }
    }
    for facts in &archives {
        report_flaw(facts, session);
    }
    let total = ByteSize(archives.iter().map(|facts| facts.size).sum());
    report_number(archives.len(), n_others, &format!(", {total}"), session);
    Ok(outcome(&archives))
}

/// Returns for each archive whether it is shown.
fn choose(
    options: &FolderOptions<'_>,
    archives: &[ArchiveFacts],
    patterns: &[OsString],
) -> Result<Vec<bool>, Failure> {
    match matching_names(options, archives, patterns) {
        Err(error @ ArchiveError::NothingMatches { .. }) => Err(failure(error).hint(
            "patterns choose archives of a folder by their names; `devops-backup find DIR GLOB` shows every version of a path in them",
        )),
        chosen => chosen.map_err(failure),
    }
}

/// Names an archive that something is wrong with.
pub(super) fn report_flaw(facts: &ArchiveFacts, session: &Session) {
    if let Some(flaw) = flaw(&facts.state) {
        session.warn(format!("`{}` {flaw}", quote(&facts.path)));
    }
}

fn outcome(archives: &[ArchiveFacts]) -> Outcome {
    if archives.iter().any(|facts| facts.state.is_damaged()) {
        return Outcome::No;
    }
    let is_unread = |facts: &&ArchiveFacts| matches!(facts.state, ArchiveState::Unreadable(_));
    match archives.iter().filter(is_unread).count() {
        0 => Outcome::Done,
        n => Outcome::Partial(format!("{} could not be read", count(n, "archive"))),
    }
}

/// Says how many archives a folder has, and how many files that were not looked at.
fn report_number(n: usize, n_others: usize, more: &str, session: &Session) {
    let archives = match n {
        0 => "no archives".to_owned(),
        n => format!("{}{more}", count(n, "archive")),
    };
    let others = match n_others {
        0 => String::new(),
        n => {
            let (others, were) = (count(n, "other file"), agree(n, "was", "were"));
            format!("; {others} {were} not looked at")
        }
    };
    session.status(format!("{archives}{others}"));
}

/// Returns the options for listing a folder of archives.
pub(super) fn options<'a>(
    folder: &'a Path,
    keys: &'a Keys,
    state: Option<&'a Path>,
    session: &Session,
) -> FolderOptions<'a> {
    FolderOptions { folder, keys, now: session.clock().now(), state }
}

/// Puts the archives of a folder in its place.
pub(super) fn expand(paths: &[PathBuf], session: &Session) -> Result<Vec<PathBuf>, Failure> {
    let mut expanded = Vec::new();
    for path in paths {
        if !path.is_dir() {
            expanded.push(path.clone());
            continue;
        }
        let FolderPaths { archives, n_others } = archive_paths(path)?;
        report_number(archives.len(), n_others, "", session);
        // An empty folder proves nothing: it is reported as not an archive.
        expanded.extend(if archives.is_empty() { vec![path.clone()] } else { archives });
    }
    Ok(expanded)
}

/// Endings of file names that no folder for archives is likely to have.
const FILE_ENDINGS: [&str; 10] =
    [".tar", ".gz", ".tgz", ".age", ".bz2", ".xz", ".zst", ".zip", ".7z", ".rar"];

/// Refuses the name of an archive for the folder of archives, unless there is a folder of that name.
pub(super) fn refuse_file_name(dest: &Path) -> Result<(), Failure> {
    let name = dest.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    if dest.is_dir() || !FILE_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
        return Ok(());
    }
    let message = format!("`{}` has the name of an archive, and DEST is a folder", quote(dest));
    let hint = "name the folder the archive goes into; its name is NAME-DATE.tar.gz, and `--name` sets NAME";
    Err(Failure::usage(message).hint(hint))
}

/// Shows a time as it is here.
pub(super) fn local(time: OffsetDateTime, session: &Session) -> String {
    let here = time.checked_to_offset(session.clock().now().offset()).unwrap_or(time);
    let (date, (hour, minute, second)) = (here.date(), here.time().as_hms());
    format!("{date} {hour:02}:{minute:02}:{second:02}")
}

fn series_table(group: &[(&ArchiveFacts, Option<u64>)], session: &Session) -> String {
    let series =
        group.first().map(|(facts, _)| facts.named_series().to_string()).unwrap_or_default();
    let rows = group.iter().map(|(facts, new)| {
        let size = |n: u64| ByteSize(n).to_string();
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let proven = facts.proven.map(|proven| {
            let part = if proven.is_whole { "" } else { ", in part" };
            format!("{}{part}", local(proven.time, session))
        });
        let row = [
            local(facts.time, session),
            size(facts.size),
            known(new.map(size)),
            known(facts.n_entries.map(|n| n.to_string())),
            known(proven),
            quote(&facts.path),
        ];
        row.into_iter().chain([note(facts)])
    });
    let header = ["  time", "size", "new", "entries", "verified", "archive", ""];
    let series = quote(Path::new(&series));
    let table = table(&header, rows.map(indented));
    format!("{series}\n{table}")
}

/// Moves the first cell of a row below the heading of its series.
fn indented(row: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    row.enumerate().map(|(n, cell)| if n == 0 { format!("  {cell}") } else { cell })
}

/// Returns what is special about an archive, in a word or two.
fn note(facts: &ArchiveFacts) -> String {
    match &facts.state {
        ArchiveState::Indexed | ArchiveState::Encrypted if facts.is_encrypted => {
            "encrypted".to_owned()
        }
        ArchiveState::Indexed | ArchiveState::Encrypted => String::new(),
        ArchiveState::Foreign => "no index".to_owned(),
        ArchiveState::Unindexed => "cut off or damaged".to_owned(),
        ArchiveState::Damaged(_) => "damaged".to_owned(),
        ArchiveState::NotAnArchive => "not an archive".to_owned(),
        ArchiveState::Unreadable(_) => "unreadable".to_owned(),
    }
}

/// Returns what is wrong with an archive, behind its name.
fn flaw(state: &ArchiveState) -> Option<String> {
    match state {
        ArchiveState::Indexed | ArchiveState::Foreign | ArchiveState::Encrypted => None,
        ArchiveState::Unindexed => Some(
            "has lost its index: it was cut off or damaged, and `verify` tells how far".to_owned(),
        ),
        ArchiveState::Damaged(reason) => Some(format!("is damaged: {reason}")),
        ArchiveState::NotAnArchive => Some("is not a tar or tar.gz archive".to_owned()),
        ArchiveState::Unreadable(reason) => Some(format!("cannot be read: {reason}")),
    }
}

fn status(state: &ArchiveState) -> &'static str {
    match state {
        ArchiveState::Indexed => "indexed",
        ArchiveState::Foreign => "no-index",
        ArchiveState::Encrypted => "encrypted",
        ArchiveState::Unindexed | ArchiveState::Damaged(_) => "damaged",
        ArchiveState::NotAnArchive => "not-an-archive",
        ArchiveState::Unreadable(_) => "unreadable",
    }
}

fn archive_json(facts: &ArchiveFacts, new: Option<u64>) -> Value {
    let mut object = object("archive", "archive", &facts.path);
    object.insert("name".to_owned(), facts.name.as_str().into());
    if let Some(origin) = &facts.origin {
        object.insert("host".to_owned(), origin.host.as_str().into());
        json::insert_path(&mut object, "source", &origin.source);
    }
    let mut insert = |key: &str, value: Value| object.insert(key.to_owned(), value);
    insert("time", utc(facts.time));
    insert("size", facts.size.into());
    insert("encrypted", facts.is_encrypted.into());
    insert("status", status(&facts.state).into());
    if let Some(flaw) = flaw(&facts.state) {
        insert("reason", flaw.into());
    }
    if let Some(new) = new {
        insert("bytes_new", new.into());
    }
    if let Some(n) = facts.n_entries {
        insert("entries", n.into());
    }
    if let Some(proven) = facts.proven {
        insert(if proven.is_whole { "verified" } else { "verified_in_part" }, utc(proven.time));
    }
    Value::Object(object)
}
