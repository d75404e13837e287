//! Chooses the archive of a folder to restore.

use std::path::{Path, PathBuf};

use devops_cli::{Failure, Session, quote};
use devops_core::{
    archive::{ArchiveChoice, ArchiveFacts, ChoiceError, FolderOptions, Keys, look_into, newest},
    units::{agree, count},
};

use super::{failure::failure, folder, host::state_folder};
use crate::cli::RestoreArgs;

/// Returns the archive to restore: the one that was named, or one of the folder that was.
pub(super) fn archive(
    args: &RestoreArgs,
    keys: &Keys,
    session: &Session,
) -> Result<PathBuf, Failure> {
    if !args.archive.is_dir() {
        if args.at.is_some() {
            return Err(Failure::usage("`--at` chooses among the archives of a folder")
                .hint("name the folder, or leave out `--at`"));
        }
        return Ok(args.archive.clone());
    }
    let state = state_folder();
    let options = folder::options(&args.archive, keys, state.as_deref(), session);
    let (archives, _) = look_into(&options, session.cancel()).map_err(failure)?;
    let chosen = choose(args, &archives, &options)?;
    for facts in archives.iter().filter(|facts| !facts.is_placed()) {
        folder::report_flaw(facts, session);
    }
    let is_later = |facts: &&ArchiveFacts| {
        facts.time > chosen.time && facts.named_series() == chosen.named_series()
    };
    let n_future =
        archives.iter().filter(is_later).filter(|facts| facts.time > options.now).count();
    if args.at.is_none() && n_future > 0 {
        session.warn(format!(
            "{} dated in the future {} not taken",
            count(n_future, "archive"),
            agree(n_future, "is", "are")
        ));
    }
    let time = folder::local(chosen.time, session);
    session.status(format!("restoring `{}` of {time}", quote(&chosen.path)));
    Ok(chosen.path.clone())
}

fn choose<'a>(
    args: &RestoreArgs,
    archives: &'a [ArchiveFacts],
    options: &FolderOptions<'_>,
) -> Result<&'a ArchiveFacts, Failure> {
    let name = args.name.as_ref().map(ToString::to_string);
    let FolderOptions { folder, now, .. } = *options;
    let at = args
        .at
        .map(|at| at.before(now).ok_or_else(|| Failure::usage("`--at` is before all calendars")));
    let (name, host, at) = (name.as_deref(), args.host.as_deref(), at.transpose()?);
    newest(archives, &ArchiveChoice { folder, name, host, at, now }).map_err(|error| {
        let hint = match &error {
            ChoiceError::SeveralSeries { .. } => {
                "choose one with `--name` or `--host`, or name the archive itself"
            }
            ChoiceError::NoneBefore { .. } => "see `devops-backup list DIR`",
            ChoiceError::NoArchive { .. } => return error.into(),
        };
        Failure::from(error).hint(hint)
    })
}

/// Returns the folder to restore into.
pub(super) fn target(args: &RestoreArgs) -> Result<&Path, Failure> {
    args.to.as_deref().ok_or_else(|| {
        let hint = "name a folder, which is made if missing: `--to /tmp/restored`";
        Failure::usage("`--to DIR` is missing, the folder to restore into").hint(hint)
    })
}
