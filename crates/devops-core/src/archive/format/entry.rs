//! One entry of an archive, as both sides see it.

use std::{ops::Range, path::PathBuf, sync::Arc};

use time::OffsetDateTime;

/// The name of a user or a group, as bytes; empty where none is known.
pub type OwnerName = Arc<[u8]>;

/// One entry of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path inside the archive, as bytes; `.` for the source folder itself.
    pub path: PathBuf,
    /// What sort of thing it is.
    pub kind: EntryKind,
    /// The permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u64,
    /// The number of the group.
    pub gid: u64,
    /// The name of the owner where the archive was made.
    pub uname: OwnerName,
    /// The name of the group there.
    pub gname: OwnerName,
    /// The bytes of the file; 0 for all but files.
    pub size: u64,
    /// The modification time of the content.
    pub mtime: Timestamp,
    /// Its extended attributes, sorted by name, access control lists and capabilities among them.
    pub xattrs: Vec<Xattr>,
    /// Where the stored bytes belong when an archive leaves holes out: in order, apart, within `size`.
    /// `None` when all bytes are stored.
    pub extents: Option<Vec<Range<u64>>>,
    /// Which parts of the content were holes, where an index says so; they are stored as zeros.
    pub holes: Vec<Range<u64>>,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Xattr {
    /// The name with its namespace, such as `user.comment`; any bytes but NUL.
    pub name: Vec<u8>,
    /// The value, as the system gives and takes it.
    pub value: Vec<u8>,
}

/// What sort of thing an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link to `target`.
    Symlink {
        /// The target, as stored.
        target: PathBuf,
    },
    /// Another name of the entry `target`.
    HardLink {
        /// The path of the first name in the archive.
        target: PathBuf,
    },
    /// A named pipe.
    Fifo,
    /// A character device.
    CharDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// Something this version cannot restore, such as the label of a volume.
    Unsupported {
        /// The type flag of the header.
        flag: u8,
    },
}

impl EntryKind {
    /// Returns the word for it, as it stands in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Symlink { .. } => "symlink",
            Self::HardLink { .. } => "hardlink",
            Self::Fifo => "fifo",
            Self::CharDevice { .. } => "char_device",
            Self::BlockDevice { .. } => "block_device",
            Self::Unsupported { .. } => "unsupported",
        }
    }

    /// Returns whether what is stored with it is the content of a file.
    ///
    /// Of a sort that POSIX does not know that is so as well: it is extracted as a regular file.
    pub(in crate::archive) fn has_content(&self) -> bool {
        match self {
            Self::File => true,
            Self::Unsupported { flag } => !matches!(flag, b'V' | b'M' | b'N' | b'S'),
            _ => false,
        }
    }

    /// Returns the first letter of an `ls -l` line.
    pub fn letter(&self) -> char {
        match self {
            Self::File => '-',
            Self::Folder => 'd',
            Self::Symlink { .. } => 'l',
            Self::HardLink { .. } => 'h',
            Self::Fifo => 'p',
            Self::CharDevice { .. } => 'c',
            Self::BlockDevice { .. } => 'b',
            Self::Unsupported { .. } => '?',
        }
    }
}

/// A time since 1970 in UTC; before it, `seconds` is negative and `nanoseconds` counts forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds on top, below 1,000,000,000.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// Returns the time as a date in UTC, if the calendar reaches that far.
    pub fn to_utc(self) -> Option<OffsetDateTime> {
        let whole = OffsetDateTime::from_unix_timestamp(self.seconds).ok()?;
        whole.replace_nanosecond(self.nanoseconds).ok()
    }

    /// Reads the decimal seconds of a pax record.
    pub(in crate::archive) fn from_decimal(text: &str) -> Option<Self> {
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        let seconds: i64 = whole.parse().ok()?;
        let fraction: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        let nanoseconds: u32 = fraction.parse().ok()?;
        if sign > 0 {
            return Some(Self { seconds, nanoseconds });
        }
        Some(match nanoseconds {
            0 => Self { seconds: -seconds, nanoseconds },
            _ => Self { seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds },
        })
    }

    /// Writes the decimal seconds of a pax record.
    pub(in crate::archive) fn to_decimal(self) -> String {
        let (sign, seconds, nanoseconds) = match (self.seconds, self.nanoseconds) {
            (seconds, 0) if seconds < 0 => ("-", seconds.unsigned_abs(), 0),
            (seconds, n) if seconds < 0 => ("-", (seconds + 1).unsigned_abs(), 1_000_000_000 - n),
            (seconds, n) => ("", seconds.unsigned_abs(), n),
        };
        if nanoseconds == 0 {
            return format!("{sign}{seconds}");
        }
        let fraction = format!("{nanoseconds:09}");
        format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_seconds_survive_a_round_trip() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "0"),
            (1_700_000_000, 123_456_789, "1700000000.123456789"),
            (5, 500_000_000, "5.5"),
            (-2, 500_000_000, "-1.5"),
            (-1, 999_999_999, "-0.000000001"),
            (-7, 0, "-7"),
        ] {
            let time = Timestamp { seconds, nanoseconds };

            assert_eq!(time.to_decimal(), text);
            assert_eq!(Timestamp::from_decimal(text), Some(time), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_number_of_seconds() {
        for text in ["", "-", ".5", "1e9", "1.2.3", "99999999999999999999", "0x1", "+1"] {
            assert_eq!(Timestamp::from_decimal(text), None, "{text}");
        }
    }
}
