//! The mode and the modification time of a file, in the metadata of its object.
//!
//! Both are written under the names of rclone (`mtime` as seconds since 1970 with a fraction, `mode` in octal with the
//! kind of the file: rclone documentation, "Amazon S3", "Modification times", and "Local Filesystem",
//! "Metadata") and under that of s3cmd (`s3cmd-attrs` as `mode:33188/mtime:1584097909`: s3cmd,
//! `S3.py`, `parse_attrs_header`), and read from either.

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
};

use rustix::fs::{Timespec, Timestamps, UTIME_OMIT, futimens};

const MTIME: &str = "mtime";
const MODE: &str = "mode";
const S3CMD: &str = "s3cmd-attrs";

/// The permission bits that an object may give to a file: none by which it gets the rights of its owner.
const PERMISSIONS: u32 = 0o777;

/// The attributes of a file that are kept in metadata.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Preserved {
    /// The permission bits, and the kind of the file where that is told.
    mode: Option<u32>,
    /// The time its content was changed: seconds since 1970 and nanoseconds.
    modified: Option<(i64, u32)>,
}

impl Preserved {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let nanoseconds = u32::try_from(metadata.mtime_nsec()).unwrap_or_default();
        Self { mode: Some(metadata.mode()), modified: Some((metadata.mtime(), nanoseconds)) }
    }

    /// Returns the metadata that keeps it.
    pub(crate) fn to_metadata(self) -> Vec<(String, String)> {
        let mut entries = Vec::new();
        let mut add = |name: &str, value: String| entries.push((name.to_owned(), value));
        let mut s3cmd = Vec::new();
        if let Some(mode) = self.mode {
            add(MODE, format!("{mode:o}"));
            s3cmd.push(format!("mode:{mode}"));
        }
        if let Some((seconds, nanoseconds)) = self.modified {
            let exact = format!("{seconds}.{nanoseconds:09}");
            add(MTIME, exact.trim_end_matches('0').trim_end_matches('.').to_owned());
            s3cmd.push(format!("mtime:{seconds}"));
        }
        add(S3CMD, s3cmd.join("/"));
        entries
    }

    /// Reads the metadata of an object; what is none of these is passed over.
    pub(crate) fn read(metadata: &HashMap<String, String>) -> Self {
        let of_s3cmd = |name: &str| {
            let fields = metadata.get(S3CMD)?.split('/');
            fields
                .filter_map(|field| field.split_once(':'))
                .find_map(|(n, v)| (n == name).then_some(v))
        };
        let mode = metadata.get(MODE).and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let modified = metadata.get(MTIME).and_then(|time| seconds(time));
        Self {
            mode: mode.or_else(|| of_s3cmd(MODE)?.parse().ok()),
            modified: modified.or_else(|| seconds(of_s3cmd(MTIME)?)),
        }
    }

    /// Returns the permission bits for a file, if they are known.
    pub(crate) fn permissions(self) -> Option<u32> {
        self.mode.map(|mode| mode & PERMISSIONS)
    }

    /// Gives a file its time, if it is known; nothing may be written to it afterwards.
    pub(crate) fn set_time(self, file: &File) -> io::Result<()> {
        let Some((seconds, nanoseconds)) = self.modified else { return Ok(()) };
        let time = |tv_sec, tv_nsec| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: time(0, UTIME_OMIT),
            last_modification: time(seconds, nanoseconds.into()),
        };
        Ok(futimens(file, &times)?)
    }
}

/// Reads seconds since 1970, with a fraction or without.
fn seconds(text: &str) -> Option<(i64, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let whole: i64 = whole.parse().ok()?;
    let digits = fraction.get(..9.min(fraction.len()))?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let nanoseconds = format!("{digits:0<9}").parse().ok()?;
    Some((whole, nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Preserved {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Preserved::read(&entries.iter().map(owned).collect())
    }

    #[test]
    fn what_is_written_is_named_as_rclone_and_s3cmd_name_it() {
        let file =
            Preserved { mode: Some(0o100_644), modified: Some((1_584_097_909, 120_000_000)) };

        let written = file.to_metadata();

        let pairs: Vec<_> = written.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("mode", "100644"),
                ("mtime", "1584097909.12"),
                ("s3cmd-attrs", "mode:33188/mtime:1584097909"),
            ]
        );
        assert_eq!(read(&pairs), file);
        let whole = Preserved { modified: Some((10, 0)), ..file }.to_metadata();
        assert!(whole.contains(&("mtime".to_owned(), "10".to_owned())), "{whole:?}");
    }

    #[test]
    fn metadata_of_either_tool_is_read_and_nonsense_passed_over() {
        let attrs = "atime:1584989483/ctime:1584097909/gid:1000/gname:me/md5:f7/mode:33261/mtime:1584097909/uid:1000";
        let s3cmd = read(&[("s3cmd-attrs", attrs)]);
        assert_eq!((s3cmd.permissions(), s3cmd.modified), (Some(0o755), Some((1_584_097_909, 0))));

        let rclone = read(&[("mtime", "1354040105.123456789"), ("mode", "106755")]);
        assert_eq!(rclone.modified, Some((1_354_040_105, 123_456_789)));
        assert_eq!(rclone.permissions(), Some(0o755));

        for (name, value) in [
            ("mtime", ""),
            ("mtime", "soon"),
            ("mtime", "1.5e3"),
            ("mtime", "2020-01-01T00:00:00Z"),
            ("mode", "rw-r--r--"),
            ("mode", "9"),
            ("s3cmd-attrs", "mode/mtime"),
            ("s3cmd-attrs", "mode:x/mtime:y"),
        ] {
            assert_eq!(read(&[(name, value)]), Preserved::default(), "{name} {value}");
        }
    }
}
