//! The users who can write a file, and those who can read it.

use std::{fs::Metadata, os::unix::fs::MetadataExt, path::Path};

use devops_core::owners::{Accounts, FileAccess};
use rustix::process::geteuid;

fn accounts() -> Accounts {
    Accounts::read(Path::new("/"))
}

/// Names those, beside its owner, who can read a file that holds a secret; `None` if no one can.
pub(crate) fn other_reader(file: &Metadata) -> Option<String> {
    // A pipe, or anything else that is not a file, is not kept.
    if file.is_file() { accounts().other_readers(file.into()) } else { None }
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
        let owner = self.file.uid();
        if owner != 0 && owner != geteuid().as_raw() {
            return Some(format!("it belongs to the user {owner}"));
        }
        accounts().other_writers(FileAccess::from(&self.file))
    }
}
