//! Checks that look at this host: processes and files.

use std::{fs, io::ErrorKind, path::Path};

use super::status::{Seen, Status};
use crate::units::count;

/// The number of characters of its name the kernel keeps for a process.
const COMM_CHARS: usize = 15;

pub(super) fn check_process(name: &str, root: &Path) -> Seen {
    let folder = root.join("proc");
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            return Seen(Status::Unknown, format!("cannot read {}: {error}", folder.display()));
        }
    };
    let own = std::process::id().to_string();
    let mut pids: Vec<u32> = entries
        .flatten()
        .filter(|entry| entry.file_name() != own.as_str())
        .filter(|entry| is_named(&entry.path(), name))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    match pids[..] {
        [] => Seen(Status::Down, "no such process".to_owned()),
        [pid] => Seen(Status::Up, format!("pid {pid}")),
        [first, ..] => {
            Seen(Status::Up, format!("{}, first pid {first}", count(pids.len(), "process")))
        }
    }
}

/// Returns whether the process in `folder` has that name and is no zombie.
fn is_named(folder: &Path, name: &str) -> bool {
    let Ok(comm) = fs::read_to_string(folder.join("comm")) else { return false };
    let comm = comm.trim_end_matches('\n');
    let short: String = name.chars().take(COMM_CHARS).collect();
    let fits = comm == name || (comm == short && program(folder).is_some_and(|it| it == name));
    fits && !is_zombie(folder)
}

/// Returns the base name of the program, which the kernel does not cut.
fn program(folder: &Path) -> Option<String> {
    let line = fs::read(folder.join("cmdline")).ok()?;
    let first = line.split(|&byte| byte == 0).next()?;
    let first = String::from_utf8_lossy(first);
    Some(first.rsplit('/').next()?.to_owned())
}

fn is_zombie(folder: &Path) -> bool {
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    // The name stands in parentheses and may hold some itself.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
}

pub(super) fn check_file(path: &Path) -> Seen {
    match fs::metadata(path) {
        Ok(found) if found.is_file() => Seen(Status::Up, count(found.len(), "byte")),
        Ok(found) if found.is_dir() => Seen(Status::Up, "a folder".to_owned()),
        Ok(_) => Seen(Status::Up, "a special file".to_owned()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Seen(Status::Down, "does not exist".to_owned())
        }
        Err(error) => Seen(Status::Unknown, error.to_string()),
    }
}
