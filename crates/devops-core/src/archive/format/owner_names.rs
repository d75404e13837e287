//! The names of owners: from the lists of a host when an archive is made, and back to numbers when it is
//! restored, where a user may have another number.
//!
//! Read are `etc/passwd` and `etc/group` alone: what a directory service knows stays a number.

use std::{collections::HashMap, io::Read, path::Path};

use super::entry::OwnerName;
use crate::fs::open_file;

/// The most that is read of a list.
const LIST_LIMIT: u64 = 16 << 20;

/// The users and groups of a host: names and numbers of both.
#[derive(Debug, Default)]
pub(in crate::archive) struct OwnerNames {
    users: List,
    groups: List,
}

/// One list; of several lines with one name or one number the first counts, as for the system.
#[derive(Debug, Default)]
struct List {
    names: HashMap<u32, OwnerName>,
    ids: HashMap<OwnerName, u32>,
}

impl OwnerNames {
    /// Reads the lists of the host whose root is `root`; one that cannot be read is empty.
    pub(in crate::archive) fn read(root: &Path) -> Self {
        Self {
            users: List::read(&root.join("etc/passwd")),
            groups: List::read(&root.join("etc/group")),
        }
    }

    /// Returns the name of a user; an empty one where there is none.
    pub(in crate::archive) fn user(&self, uid: u64) -> OwnerName {
        self.users.name(uid)
    }

    /// Returns the name of a group; an empty one where there is none.
    pub(in crate::archive) fn group(&self, gid: u64) -> OwnerName {
        self.groups.name(gid)
    }

    /// Returns the number of a user.
    pub(in crate::archive) fn uid(&self, name: &OwnerName) -> Option<u32> {
        self.users.ids.get(name).copied()
    }

    /// Returns the number of a group.
    pub(in crate::archive) fn gid(&self, name: &OwnerName) -> Option<u32> {
        self.groups.ids.get(name).copied()
    }
}

impl List {
    fn read(path: &Path) -> Self {
        let mut bytes = Vec::new();
        let file = open_file(path).ok();
        // What came before a failure is as good as the rest.
        let _read = file.map(|file| file.take(LIST_LIMIT).read_to_end(&mut bytes));
        Self::parse(&bytes)
    }

    /// Reads lines of `NAME:PASSWORD:NUMBER:...`.
    fn parse(bytes: &[u8]) -> Self {
        let mut list = Self::default();
        for line in bytes.split(|&byte| byte == b'\n') {
            let mut fields = line.split(|&byte| byte == b':');
            let (Some(name), Some(number)) = (fields.next(), fields.nth(1)) else { continue };
            let number = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok());
            let Some(number) = number.filter(|_| !name.is_empty()) else { continue };
            let name = OwnerName::from(name);
            list.names.entry(number).or_insert_with(|| name.clone());
            list.ids.entry(name).or_insert(number);
        }
        list
    }

    fn name(&self, id: u64) -> OwnerName {
        let name = u32::try_from(id).ok().and_then(|id| self.names.get(&id));
        name.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_of_a_name_and_of_a_number_counts() {
        let list = List::parse(
            b"root:x:0:0::/:/bin/sh\nann:x:7:7\ntoor:x:0:0\nann:x:8:8\n+::\n:x:9\nbad:x:-1\n\
              m\xfcller:x:10:10",
        );

        let names = [0, 7, 8, 9, 10, 1 << 40].map(|id| list.name(id));
        assert_eq!(
            names.each_ref().map(|name| &name[..]),
            [&b"root"[..], b"ann", b"ann", b"", b"m\xfcller", b""]
        );
        let id = |name: &[u8]| list.ids.get(name).copied();
        assert_eq!([id(b"ann"), id(b"toor"), id(b"bad"), id(b"")], [Some(7), Some(0), None, None]);
    }

    #[test]
    fn a_host_without_lists_has_no_names() {
        let dir = tempfile::tempdir().unwrap();

        let names = OwnerNames::read(dir.path());

        assert_eq!(names.user(0), OwnerName::default());
        assert_eq!(names.gid(&OwnerName::from(&b"root"[..])), None);
    }
}
