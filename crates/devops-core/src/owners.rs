//! The users who own a file and may write to it, by the lists of users and groups of the host.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use rustix::fs::Stat;

use crate::fs::read_text;

/// Lists of users and groups are not longer.
const LIST_LIMIT: u64 = 16 << 20;
const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
/// The distance of the bits of a group to the left of those of all others.
const GROUP: u32 = 3;

/// The owner, group and mode of an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileAccess {
    /// The number of its owner.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its permission bits.
    pub mode: u32,
}

impl From<&Stat> for FileAccess {
    fn from(stat: &Stat) -> Self {
        Self { uid: stat.st_uid, gid: stat.st_gid, mode: stat.st_mode & 0o7777 }
    }
}

impl From<&Metadata> for FileAccess {
    fn from(file: &Metadata) -> Self {
        Self { uid: file.uid(), gid: file.gid(), mode: file.mode() & 0o7777 }
    }
}

/// The users and groups of a host, as its files list them.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    users: String,
    groups: String,
}

impl Accounts {
    /// Reads the lists of the host whose root is `root`; what cannot be read is empty.
    pub fn read(root: &Path) -> Self {
        let list = |name| read_text(&root.join(name), LIST_LIMIT).unwrap_or_default();
        Self { users: list("etc/passwd"), groups: list("etc/group") }
    }

    /// Returns the number of a group, given as a name or as a number.
    pub fn group_id(&self, group: &str) -> Option<u32> {
        if let Ok(gid) = group.parse() {
            // The number that means "leave it alone" to chown.
            return Some(gid).filter(|&gid| gid != u32::MAX);
        }
        let mut entries = self.groups.lines().map(|line| line.split(':').collect::<Vec<_>>());
        entries.find(|entry| entry[0] == group)?.get(2)?.parse().ok()
    }

    /// Returns those, beside its owner and root, who may write to a file; `None` if no one may.
    pub fn other_writers(&self, file: FileAccess) -> Option<String> {
        self.others(file, WRITE).map(|who| format!("{who} may write to it"))
    }

    /// Returns those, beside its owner and root, who may read a file; `None` if no one may.
    pub fn other_readers(&self, file: FileAccess) -> Option<String> {
        self.others(file, READ)
    }

    /// Returns those, beside its owner, who have this permission on a file.
    fn others(&self, file: FileAccess, permission: u32) -> Option<String> {
        if file.mode & permission != 0 {
            return Some("everybody".to_owned());
        }
        let has_group = file.mode & permission << GROUP != 0;
        let is_shared = has_group && !self.is_private(file.gid, file.uid);
        is_shared.then(|| format!("group {}", file.gid))
    }

    /// Returns whether a group has one user alone: `uid`. Of a group that no list names, its number tells.
    fn is_private(&self, gid: u32, uid: u32) -> bool {
        let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let number = |fields: &[String], at: usize| fields.get(at)?.parse::<u32>().ok();
        let users: Vec<_> = self.users.lines().map(fields).collect();
        let group = self.groups.lines().map(fields).find(|fields| number(fields, 2) == Some(gid));
        let primary: Vec<_> =
            users.iter().filter(|fields| number(fields, 3) == Some(gid)).collect();
        if group.is_none() && primary.is_empty() {
            return gid == uid;
        }
        let members = group.as_ref().and_then(|fields| fields.get(3)).map_or("", String::as_str);
        let is_owner = |name: &str| {
            users.iter().any(|fields| fields[0] == name && number(fields, 2) == Some(uid))
        };
        primary.iter().all(|fields| number(fields, 2) == Some(uid))
            && members.split(',').map(str::trim).filter(|name| !name.is_empty()).all(is_owner)
    }
}

/// The owners whose files in a folder count as ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnOwners {
    /// The owner of the folder.
    pub folder: u32,
    /// The owner that a file gets which this process makes there: on a network file system it may be
    /// another than this process has.
    pub made: Option<u32>,
}

impl OwnOwners {
    /// Returns whether a file of `uid` counts as ours.
    pub fn count(&self, uid: u32) -> bool {
        uid == 0 || uid == self.folder || Some(uid) == self.made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        Accounts {
            users: "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
                    bob:x:1001:1001::/:/bin/sh\ncat:x:1002:1001::/:/bin/sh\nbroken\n"
                .to_owned(),
            groups: "root:x:0:\nann:x:1000:\nbob:x:1001:\nbackup:x:34:ann\nstaff:x:50:ann,bob\n\
                     alone:x:60:ann\nbroken\n"
                .to_owned(),
        }
    }

    #[test]
    fn a_group_is_private_whose_only_member_is_the_owner() {
        for (gid, uid, is_private) in [
            (0, 0, true),
            (1000, 1000, true),
            (34, 1000, true),
            (60, 1000, true),
            // Named by its owner, but another has it as the first group.
            (1001, 1001, false),
            (50, 1000, false),
            (1000, 1001, false),
            // Nothing is known.
            (2000, 2000, true),
            (2000, 1000, false),
        ] {
            assert_eq!(accounts().is_private(gid, uid), is_private, "{gid} {uid}");
        }
        assert!(Accounts::default().is_private(7, 7));
        assert!(!Accounts::default().is_private(7, 8));
    }

    #[test]
    fn the_mode_tells_who_else_may_write() {
        for (mode, gid, others) in [
            (0o600, 50, false),
            (0o640, 50, false),
            (0o660, 50, true),
            (0o660, 1000, false),
            (0o602, 1000, true),
            (0o644, 1000, false),
        ] {
            let file = FileAccess { uid: 1000, gid, mode };

            assert_eq!(accounts().other_writers(file).is_some(), others, "{mode:o} {gid}");
        }
    }

    #[test]
    fn a_group_is_found_by_name_or_number() {
        for (group, gid) in [
            ("backup", Some(34)),
            ("12345", Some(12345)),
            ("none", None),
            ("broken", None),
            ("4294967295", None),
            ("", None),
        ] {
            assert_eq!(accounts().group_id(group), gid, "{group}");
        }
    }

    #[test]
    fn files_of_root_of_the_folders_owner_and_of_our_making_count() {
        let owners = OwnOwners { folder: 1000, made: Some(65_534) };

        let counted = [0, 1000, 65_534, 1001].map(|uid| owners.count(uid));

        assert_eq!(counted, [true, true, true, false]);
        assert!(!OwnOwners { folder: 1000, made: None }.count(65_534));
    }
}
