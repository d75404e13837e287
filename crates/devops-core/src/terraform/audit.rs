//! A log of what was done to stacks, each line with the hash of the one before it.
//!
//! A line that is changed or removed breaks the chain; the end of the log is proven by a copy of
//! its last hash that is kept elsewhere.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::plan::Summary;
use crate::fs::{IoResultExt, PathError};

/// The most that is read to find the last line.
const LINE_LIMIT: u64 = 1 << 20;

/// One entry of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The time at which it ended.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// The command: `apply`, `plan`.
    pub command: String,
    /// The folder of the stack.
    pub stack: String,
    /// The workspace in effect.
    pub workspace: String,
    /// The user who ran it.
    pub user: String,
    /// Its exit code.
    pub code: u8,
    /// The kind of its failure; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The counts of its plan; absent without a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// The fingerprint of its plan, without a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// A line of the log.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    entry: AuditEntry,
    /// The hash of the line before; absent in the first one.
    previous: Option<String>,
    /// The BLAKE3 hash of this line without this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    hash: String,
}

/// Adds a line to the log, which is made for its owner alone if there is none.
pub fn append_audit(path: &Path, entry: AuditEntry) -> Result<(), PathError> {
    let mut log = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .at(path, "open")?;
    // Two runs at once must not continue the same line.
    flock(&log, FlockOperation::LockExclusive).map_err(io::Error::from).at(path, "lock")?;
    let last = last_line(&mut log).at(path, "read")?;
    let line = next_line(entry, &last);
    log.write_all(line.as_bytes()).and_then(|()| log.sync_data()).at(path, "write")
}

/// Returns the last line, whole as far as the limit goes.
fn last_line(log: &mut File) -> io::Result<Vec<u8>> {
    let length = log.metadata()?.len();
    log.seek(SeekFrom::Start(length.saturating_sub(LINE_LIMIT)))?;
    let mut end = Vec::new();
    log.take(LINE_LIMIT).read_to_end(&mut end)?;
    let last = end.split(|&byte| byte == b'\n').rfind(|line| !line.is_empty());
    Ok(last.unwrap_or_default().to_vec())
}

fn next_line(entry: AuditEntry, last: &[u8]) -> String {
    let previous = match serde_json::from_slice::<Line>(last) {
        Ok(line) => Some(line.hash),
        Err(_) if last.is_empty() => None,
        // A line that is damaged is still the one before.
        Err(_) => Some(blake3::hash(last).to_hex().to_string()),
    };
    let mut line = Line { entry, previous, hash: String::new() };
    let text = serde_json::to_string(&line).expect("an entry has only plain fields");
    line.hash = blake3::hash(text.as_bytes()).to_hex().to_string();
    serde_json::to_string(&line).expect("an entry has only plain fields") + "\n"
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use time::macros::datetime;

    use super::*;

    fn entry(command: &str) -> AuditEntry {
        AuditEntry {
            time: datetime!(2026-01-02 03:04:05 UTC),
            command: command.to_owned(),
            stack: "/srv/a".to_owned(),
            workspace: "default".to_owned(),
            user: "1000".to_owned(),
            code: 0,
            kind: None,
            summary: Some(Summary { add: 1, ..Summary::default() }),
            fingerprint: None,
        }
    }

    /// Returns the number of the first line that does not follow the one before.
    fn broken_at(log: &str) -> Option<usize> {
        let mut previous = None;
        for (index, text) in log.lines().enumerate() {
            let mut line: Line = serde_json::from_str(text).unwrap();
            let hash = std::mem::take(&mut line.hash);
            let own = blake3::hash(serde_json::to_string(&line).unwrap().as_bytes());
            if line.previous != previous || own.to_hex().as_str() != hash {
                return Some(index);
            }
            previous = Some(hash);
        }
        None
    }

    #[test]
    fn each_line_proves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.jsonl");
        for command in ["plan", "apply", "drift"] {
            append_audit(&path, entry(command)).unwrap();
        }

        let log = std::fs::read_to_string(&path).unwrap();

        assert_eq!((log.lines().count(), broken_at(&log)), (3, None));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(broken_at(&log.replace("\"apply\"", "\"plan\"")), Some(1));
        let without: Vec<_> = log.lines().filter(|line| !line.contains("apply")).collect();
        assert_eq!(broken_at(&without.join("\n")), Some(1));
    }
}
