//! Who can write a file, and who can read it.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use devops_core::fs::read_text;
use rustix::process::geteuid;

/// More than a list of accounts ever has.
const LIMIT: u64 = 64 << 20;
const GROUP_READABLE: u32 = 0o040;
const GROUP_WRITABLE: u32 = 0o020;
const WORLD_READABLE: u32 = 0o004;
const WORLD_WRITABLE: u32 = 0o002;

/// Says who beside its owner can read a file that holds a secret, if anybody.
pub(crate) fn other_reader(file: &Metadata) -> Option<String> {
    let (owner, group, mode) = (file.uid(), file.gid(), file.mode());
    // What is no file, such as a pipe, is not kept.
    if !file.is_file() {
        return None;
    }
    if mode & WORLD_READABLE != 0 {
        return Some("everybody on this machine".to_owned());
    }
    let is_shared = mode & GROUP_READABLE != 0 && !Accounts::read().is_private(group, owner);
    is_shared.then(|| format!("the group {group}"))
}

/// The owners of a config file, of the link that led to it and of the folder it stands in.
#[derive(Clone, Debug)]
pub(crate) struct Owners {
    pub(crate) file: Metadata,
    /// The owner of the link, if the name is one.
    pub(crate) link: Option<u32>,
    pub(crate) folder: u32,
}

impl Owners {
    /// Returns the owner of the file or link that is neither we, root, nor the owner of its folder.
    pub(crate) fn stranger(&self) -> Option<u32> {
        let us = geteuid().as_raw();
        let is_strange = |owner: &u32| ![us, 0, self.folder].contains(owner);
        [Some(self.file.uid()), self.link].into_iter().flatten().find(is_strange)
    }

    /// Says why the file may hold what another wrote; `None` where only we or root can write it.
    pub(crate) fn other_writer(&self) -> Option<String> {
        let (owner, group, mode) = (self.file.uid(), self.file.gid(), self.file.mode());
        if owner != 0 && owner != geteuid().as_raw() {
            return Some(format!("it belongs to the user {owner}"));
        }
        if mode & WORLD_WRITABLE != 0 {
            return Some("everybody can write it".to_owned());
        }
        if mode & GROUP_WRITABLE != 0 && !Accounts::read().is_private(group, owner) {
            return Some(format!("the group {group} can write it"));
        }
        None
    }
}

/// The accounts of this host, as `passwd(5)` and `group(5)` have them.
struct Accounts {
    users: String,
    groups: String,
}

impl Accounts {
    fn read() -> Self {
        let text = |path: &str| read_text(Path::new(path), LIMIT).unwrap_or_default();
        Self { users: text("/etc/passwd"), groups: text("/etc/group") }
    }

    /// Returns whether a group is the private one of a user: the primary one, with no other member.
    ///
    /// Many hosts give each user such a group, and a umask of 002. Of a user without an account the group
    /// of the same number is taken for it.
    fn is_private(&self, group: u32, user: u32) -> bool {
        let mut has_account = false;
        for (name, uid, gid) in self.users.lines().filter_map(account) {
            has_account |= uid == user;
            let is_member = gid == group || self.members(group).any(|member| member == name);
            if (uid == user && gid != group) || (uid != user && is_member) {
                return false;
            }
        }
        has_account || (group == user && self.members(group).next().is_none())
    }

    fn members(&self, group: u32) -> impl Iterator<Item = &str> {
        let of_group = move |line: &&str| {
            line.split(':').nth(2).and_then(|gid| gid.parse().ok()) == Some(group)
        };
        let members =
            self.groups.lines().filter(of_group).filter_map(|line| line.split(':').nth(3));
        members.flat_map(|list| list.split(',')).filter(|member| !member.is_empty())
    }
}

/// Returns the name, the number and the primary group of an account.
fn account(line: &str) -> Option<(&str, u32, u32)> {
    let mut fields = line.split(':');
    let (name, _password) = (fields.next()?, fields.next()?);
    Some((name, fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n\
                         ben:x:1001:100::/home/ben:/bin/sh\neve:x:1002:1003::/home/eve:/bin/sh\n";
    const GROUPS: &str =
        "root:x:0:\nusers:x:100:\nann:x:1000:\nwith:x:1003:ann\nfree:x:1005:ann,ben\n";

    fn is_private(group: u32, user: u32) -> bool {
        let accounts = Accounts { users: USERS.to_owned(), groups: GROUPS.to_owned() };
        accounts.is_private(group, user)
    }

    #[test]
    fn a_private_group_is_the_primary_one_without_other_members() {
        assert!(is_private(1000, 1000));
        assert!(is_private(0, 0));
        assert!(!is_private(100, 1000));
        // Another account has it as its primary group, or is a member.
        assert!(!is_private(1000, 1001));
        assert!(!is_private(1003, 1002));
    }

    #[test]
    fn a_user_without_an_account_has_the_group_of_the_same_number() {
        assert!(is_private(5000, 5000));
        assert!(!is_private(5001, 5000));
        assert!(!is_private(1005, 1005));
        assert!(!is_private(100, 5000));
    }
}
