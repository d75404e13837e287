//! `devops-backup create`.

use std::{
    env,
    ffi::OsString,
    fs::File,
    io::{IsTerminal, stdin},
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Component, Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session, group_number, quote};
use devops_core::{
    archive::{
        CreateEvent, CreateOptions, CreateSummary, Created, ExcludeMarkers, Excludes,
        IgnoredChanges, RealFiles, Reproducible, Stream, create_in_folder, create_to_writer,
        preview, spool,
    },
    clock::SystemClock,
    fs::{Input, IoResultExt, PathError, create_folders, read_input_bytes},
    lock::{LockMode, LockRequest},
    units::{ByteSize, agree, count, format_duration},
};
use serde_json::Value;

use super::{
    failure::failure,
    folder,
    host::{HostIdentity, holder, state_folder},
    keys::Encryption,
    output::{left_out_json, object, report_lock, report_skipped},
};
use crate::cli::{CreateArgs, CreateFlags};

/// What repeated reads of changing files may take in all.
const REREAD_BUDGET: Duration = Duration::from_mins(1);
/// The most a file of patterns may hold.
const MAX_PATTERNS: u64 = 16 << 20;

pub(super) fn create(args: &CreateArgs, session: &Session) -> Result<Outcome, Failure> {
    let to_stdout = args.dest.as_os_str() == "-";
    if to_stdout && !args.dry_run && session.stdout_is_terminal() {
        return Err(Failure::usage("an archive is not written to a terminal")
            .hint("redirect stdout, or name a folder"));
    }
    if !to_stdout {
        folder::refuse_file_name(&args.dest)?;
    }
    let stdin_name = stdin_name(args)?;
    let source = source(args);
    let host = HostIdentity::of(&args.flags.series);
    let (holder, clock) = (holder(session), session.clock());
    let state = state_folder();
    let (wait, encryption) = (args.lock.lock_wait, Encryption::read(&args.flags.seal, session)?);
    let options = encryption.apply(options(&args.flags, &host, &clock, session)?);
    let spooled = stdin_name.map(|_| spool_stdin(args, to_stdout, session)).transpose()?;
    let options = CreateOptions {
        source: &source,
        stream: stdin_name.zip(spooled.as_ref()).map(|(name, content)| Stream { name, content }),
        estimate: !session.json() && !session.quiet(),
        lock: Some(LockRequest { holder: &holder, mode: LockMode::Shared, wait }),
        state: state.as_deref(),
        ..options
    };
    if args.dry_run {
        return dry_run(args, &options, to_stdout, session);
    }
    let progress = session.progress("reading", None);
    let mut on_event = |event: CreateEvent<'_>| match event {
        CreateEvent::Total(n_bytes) => progress.set_total(n_bytes),
        CreateEvent::Bytes(n_bytes) => progress.set(n_bytes),
        CreateEvent::Packed(_) => {}
        CreateEvent::Skipped(skipped) => report_skipped(session, skipped),
        CreateEvent::Damaged(archive) => {
            session.warn(format!("{} is damaged; reading everything again", quote(archive)));
        }
        CreateEvent::NotReused(archive, reason) => report_not_reused(session, archive, reason),
        CreateEvent::Uncached(error) => report_uncached(session, error),
        CreateEvent::ModeKept(archive, mode) => report_mode(session, archive, mode),
        CreateEvent::Unseen(what) => session.status(what),
        CreateEvent::Lock(event) => report_lock(session, &args.dest, &event),
    };
    let cancel = session.cancel();
    let created = if to_stdout {
        let mut out = session.stdout_file()?;
        let own = identity(&out)?;
        create_to_writer(&options, &mut out, own, cancel, &mut on_event)
            .map(|summary| Created { path: "-".into(), summary })
    } else {
        create_in_folder(&options, &args.dest, &args.name, cancel, &mut on_event)
    };
    let Created { path, summary } = created.map_err(failure)?;
    progress.finish();
    report(&path, &summary, to_stdout, session)?;
    report_empty(&args.source, &summary, session);
    for pattern in &summary.unmatched {
        session.warn(format!("the pattern `{}` matched nothing", quote(Path::new(pattern))));
    }
    Ok(outcome(&summary))
}

/// Says that others may be able to read an archive, or that we are not.
pub(super) fn report_mode(session: &Session, archive: &Path, mode: u32) {
    let path = quote(archive);
    session.warn(format!("`{path}` has mode {mode:o}: its file system lets no mode be set"));
}

/// Returns the source; below the current folder as the shell entered it where that is through a link, which
/// may lead elsewhere the next time.
fn source(args: &CreateArgs) -> PathBuf {
    let entered = || {
        let folder = PathBuf::from(env::var_os("PWD")?);
        let is_plain = folder.components().all(|part| part != Component::ParentDir);
        let id = |path: &Path| path.metadata().map(|found| (found.dev(), found.ino())).ok();
        let is_current = folder.is_absolute() && is_plain && id(&folder) == id(Path::new("."));
        (is_current && env::current_dir().is_ok_and(|real| real != folder)).then_some(folder)
    };
    match entered().filter(|_| args.source.is_relative()) {
        Some(folder) => folder.join(&args.source),
        None => args.source.clone(),
    }
}

/// Returns the name of the entry that a stream on stdin becomes, if it is the source.
fn stdin_name(args: &CreateArgs) -> Result<Option<&str>, Failure> {
    match (&args.stdin_name, args.source.as_os_str() == "-") {
        (Some(_), true) if args.dry_run => {
            Err(Failure::usage("a stream cannot be looked at without reading it"))
        }
        (Some(name), true) => Ok(Some(name)),
        (None, true) => Err(Failure::usage("a stream has no name")
            .hint("give its file a name with `--stdin-name`; a source named `-` is `./-`")),
        (Some(_), false) => Err(Failure::usage("`--stdin-name` is for a SOURCE of `-`")),
        (None, false) => Ok(None),
    }
}

/// Writes all of stdin to a file without a name: beside the archive, unless that leaves the host.
fn spool_stdin(args: &CreateArgs, to_stdout: bool, session: &Session) -> Result<File, Failure> {
    if stdin().is_terminal() {
        return Err(Failure::usage("cannot back up stdin: it is a terminal")
            .hint("redirect stdin, such as `pg_dump app | devops-backup create - DEST`"));
    }
    let input = stdin().as_fd().try_clone_to_owned().at("standard input", "read")?;
    let mut input = Input::new(input, session.cancel());
    let folder = if to_stdout || args.flags.seal.is_given() {
        env::temp_dir()
    } else {
        create_folders(&args.dest)?;
        args.dest.clone()
    };
    Ok(spool(&mut input, &folder)?)
}

/// Names a source of which nothing is in the archive.
pub(super) fn report_empty(source: &Path, summary: &CreateSummary, session: &Session) {
    if summary.is_empty() || (source.as_os_str() == "-" && summary.bytes_in == 0) {
        session.warn(format!("`{}` is empty: so is the archive", quote(source)));
    }
}

/// Says that the next encrypted archive will take as long as this one.
pub(super) fn report_uncached(session: &Session, error: &PathError) {
    session.warn(format!("kept no copy for the next encrypted archive: {error}: {}", error.source));
}

/// Says why everything is read.
pub(super) fn report_not_reused(session: &Session, archive: &Path, reason: &str) {
    session.status(format!("reading everything: `{}`: {reason}", quote(archive)));
}

/// Returns what the flags of `create` and of profiles say; source, state and encryption are set later.
pub(super) fn options<'a>(
    flags: &'a CreateFlags,
    host: &'a HostIdentity,
    clock: &'a SystemClock,
    session: &Session,
) -> Result<CreateOptions<'a>, Failure> {
    Ok(CreateOptions {
        source: Path::new(""),
        stream: None,
        within: None,
        excludes: excludes(flags, session)?,
        exclude_markers: ExcludeMarkers {
            ignore_files: flags.ignore_files,
            caches: flags.exclude_caches,
        },
        one_file_system: flags.one_file_system,
        level: flags.level.unwrap_or_default(),
        n_threads: available_parallelism().map_or(1, Into::into),
        reuse: !flags.full,
        ignored: IgnoredChanges { inode: flags.ignore_inode, ctime: flags.ignore_ctime },
        reuse_from_any: flags.reuse_from_any,
        any_owner: false,
        root: Path::new("/"),
        state: None,
        mode: flags.mode,
        group: flags.group.as_deref().map(group_number).transpose()?,
        reread_budget: REREAD_BUDGET,
        estimate: false,
        host: &host.name,
        machine: host.machine.as_deref(),
        source_as: flags.series.source_as.as_deref(),
        reproducible: reproducible(flags)?,
        clock,
        encryption: None,
        copies: None,
        sha256: flags.sha256,
        file_io: &RealFiles,
        lock: None,
    })
}

fn dry_run(
    args: &CreateArgs,
    options: &CreateOptions<'_>,
    to_stdout: bool,
    session: &Session,
) -> Result<Outcome, Failure> {
    let mut printed = Ok(());
    let mut on_event = |event: CreateEvent<'_>| match event {
        CreateEvent::Packed(path) if !session.json() && printed.is_ok() => {
            printed = session.write(format!("{}\n", quote(path)).as_bytes());
        }
        CreateEvent::Skipped(skipped) => report_skipped(session, skipped),
        _ => {}
    };
    let destination = (!to_stdout).then_some((args.dest.as_path(), &args.name));
    let summary =
        preview(options, destination, session.cancel(), &mut on_event).map_err(failure)?;
    printed?;
    if session.json() {
        let mut object = summary_json(&args.dest, &summary);
        object["archive"] = Value::Null;
        object["dry_run"] = true.into();
        session.emit(&object)?;
    }
    let size = ByteSize(summary.bytes_in);
    session.status(format!("would back up {}, {size}", count(summary.n_entries, "entry")));
    Ok(outcome(&summary))
}

pub(super) fn outcome(summary: &CreateSummary) -> Outcome {
    match summary.n_faults() {
        0 => Outcome::Done,
        n => Outcome::Partial(not_as_it_was(n, "in the archive")),
    }
}

/// Says that something is somewhere in another form, or not at all.
pub(super) fn not_as_it_was(n: usize, place: &str) -> String {
    let (things, are) = (count(n, "thing"), agree(n, "is", "are"));
    format!("{things} {are} not {place} as {}", agree(n, "it was", "they were"))
}

/// Prints the result: on stdout, or on stderr when the archive itself went to stdout.
pub(super) fn report(
    path: &Path,
    summary: &CreateSummary,
    to_stdout: bool,
    session: &Session,
) -> Result<(), Failure> {
    match (session.json(), to_stdout) {
        (true, true) => session.emit_to_stderr(&summary_json(path, summary)),
        (true, false) => session.emit(&summary_json(path, summary))?,
        (false, true) => {}
        (false, false) => {
            session.line(format!("Successfully created backup: {}", quote(path)))?;
        }
    }
    if let Some(sha256) = summary.sha256.as_ref().filter(|_| !session.json()) {
        let line = format!("{sha256}  {}", quote(path));
        if to_stdout { session.status(line) } else { session.line(line)? }
    }
    let reused = match summary.bytes_reused {
        0 => String::new(),
        n => format!(" ({} unchanged)", ByteSize(n)),
    };
    session.status(format!(
        "{}, {} in{reused}, {} out, {}",
        count(summary.n_entries, "entry"),
        ByteSize(summary.bytes_in),
        ByteSize(summary.bytes_out),
        format_duration(summary.elapsed)
    ));
    Ok(())
}

pub(super) fn summary_json(path: &Path, summary: &CreateSummary) -> Value {
    let mut object = object("summary", "archive", path);
    let mut insert = |key: &str, value: Value| object.insert(key.to_owned(), value);
    insert("bytes_in", summary.bytes_in.into());
    insert("bytes_out", summary.bytes_out.into());
    insert("bytes_reused", summary.bytes_reused.into());
    insert("entries", summary.n_entries.into());
    insert("files", summary.n_files.into());
    insert("skipped", left_out_json(&summary.skipped));
    insert("changed_while_read", left_out_json(&summary.changed));
    if !summary.unmatched.is_empty() {
        insert("unmatched_patterns", summary.unmatched.as_slice().into());
    }
    insert("seconds", summary.elapsed.as_secs_f64().into());
    if let Some(sha256) = &summary.sha256 {
        insert("sha256", sha256.as_str().into());
    }
    Value::Object(object)
}

fn excludes(args: &CreateFlags, session: &Session) -> Result<Excludes, Failure> {
    let mut texts = Vec::new();
    for file in &args.exclude_from {
        texts.push(read_input_bytes(file, MAX_PATTERNS, session.cancel())?);
    }
    let from_files = texts.iter().flat_map(|text| Excludes::lines(text));
    Excludes::new(from_files.chain(args.exclude.iter().map(OsString::as_os_str)))
        .map_err(Into::into)
}

fn reproducible(args: &CreateFlags) -> Result<Option<Reproducible>, Failure> {
    if !args.reproducible {
        return Ok(None);
    }
    // The convention of reproducible-builds.org.
    let latest_mtime = match env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => Some(text.parse().map_err(|_| {
            Failure::usage(format!("`SOURCE_DATE_EPOCH` is no number of seconds: `{text}`"))
        })?),
        Err(_) => None,
    };
    Ok(Some(Reproducible { latest_mtime }))
}

/// Returns the device and inode of a regular file, which may lie in the source.
fn identity(out: &File) -> Result<Option<(u64, u64)>, Failure> {
    let metadata = out.metadata().at("standard output", "read")?;
    Ok(metadata.is_file().then(|| (metadata.dev(), metadata.ino())))
}
