//! The properties that a folder's file system keeps, found by trying.

use std::{fs::File, io, os::fd::AsFd, path::Path};

use rustix::{
    fs::{XattrFlags, fremovexattr, fsetxattr},
    process::geteuid,
};

const ATTRIBUTE: &str = "user.devops";

/// The properties that can be compared after a restore into a folder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// Extended attributes.
    pub(super) attributes: bool,
    /// Further names of a file.
    pub(super) hard_links: bool,
    /// Owners: only root gives files away.
    pub(super) owners: bool,
}

impl Abilities {
    /// Tries in an empty folder, and leaves nothing in it; what it has inherited for others is taken off.
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let handle = File::open(folder)?;
        // Everything restored would get such a list.
        let _removed = fremovexattr(&handle, "system.posix_acl_default");
        let attributes = fsetxattr(&handle, ATTRIBUTE, b"1", XattrFlags::empty()).is_ok();
        let _removed = fremovexattr(handle.as_fd(), ATTRIBUTE);
        let (first, second) = (folder.join("first"), folder.join("second"));
        drop(File::create(&first)?);
        let hard_links = std::fs::hard_link(&first, &second).is_ok();
        for path in [first, second] {
            let _removed = std::fs::remove_file(path);
        }
        Ok(Self { attributes, hard_links, owners: geteuid().is_root() })
    }

    /// Returns the words for what is compared.
    pub(super) fn compared(self) -> Vec<&'static str> {
        let optional = [("owner", self.owners), ("attributes", self.attributes)];
        let optional = optional.into_iter().filter(|(_, is_compared)| *is_compared);
        let always = ["kind", "content", "target", "mode", "time"];
        always.into_iter().chain(optional.map(|(word, _)| word)).collect()
    }
}
