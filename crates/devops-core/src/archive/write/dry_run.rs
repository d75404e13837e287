//! Previews an archive.

use std::{io, path::Path};

use rustix::fs::FileType;

use super::{
    archive_writer::WriteStats,
    archiver::PackStats,
    create::{add_own, origin, selection, summary},
    destination::Destination,
};
use crate::archive::{
    ArchiveError,
    event::{CreateEvent, CreateSummary, Skipped},
    options::CreateOptions,
    scan::{
        source::Source,
        walk::{Found, Visitor},
    },
};
use crate::{archive_index::BackupName, cancel::Cancel, fs::PathError, limits::Limit};

/// Goes through the source as [`create_in_folder`](crate::archive::create_in_folder) would, and writes nothing.
///
/// It reads no content, so a file that turns out unreadable is not among what is left out.
pub fn preview(
    options: &CreateOptions<'_>,
    destination: Option<(&Path, &BackupName)>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(CreateEvent<'_>),
) -> Result<CreateSummary, ArchiveError> {
    let started = options.clock.now();
    let source = Source::of(options.source, options.within, options.stream)?;
    let mut selection = selection(options, &source);
    if let Some((folder, name)) = destination
        && folder.exists()
    {
        let destination = Destination::open(folder, name, options.state);
        let origin = origin(options, &source, started);
        destination.refuse_other_origin(&origin, options.any_owner, cancel)?;
        add_own(&mut selection, (folder, name), &source, cancel)?;
    }
    let mut preview = Preview { on_event, tally: PackStats::default(), limit: None };
    source.visit(&selection, &mut preview, cancel)?;
    preview.check_limit()?;
    let elapsed = options.clock.now() - started;
    Ok(summary(preview.tally, WriteStats::default(), &selection, elapsed))
}

/// Counts what would be written.
struct Preview<'a> {
    on_event: &'a mut dyn FnMut(CreateEvent<'_>),
    tally: PackStats,
    limit: Option<PathError>,
}

impl Preview<'_> {
    fn check_limit(&mut self) -> Result<(), ArchiveError> {
        self.limit.take().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Visitor for Preview<'_> {
    type Error = ArchiveError;

    fn found(&mut self, found: &Found<'_>) -> Result<(), ArchiveError> {
        self.check_limit()?;
        (self.on_event)(CreateEvent::Packed(found.path));
        self.tally.n_entries += 1;
        if found.meta.kind == FileType::RegularFile {
            self.tally.n_files += 1;
            self.tally.n_bytes += found.meta.size;
        }
        Ok(())
    }

    fn skipped(&mut self, path: &Path, reason: &'static str) {
        self.tally.skip(
            Skipped { path: path.to_owned(), reason: reason.to_owned(), is_fault: false },
            self.on_event,
        );
    }

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        if Limit::of(&error).is_some() {
            let error = PathError { action: "open", path: path.to_owned(), source: error };
            self.limit.get_or_insert(error);
            return;
        }
        self.tally.skip(
            Skipped { path: path.to_owned(), reason: error.to_string(), is_fault: true },
            self.on_event,
        );
    }
}
