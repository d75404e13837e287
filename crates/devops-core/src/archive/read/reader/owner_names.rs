//! The names of owners in headers and records.

use tar::Header;

use super::pax::Records;
use crate::archive::format::entry::OwnerName;

/// The names of the entry before: most entries share them.
#[derive(Default)]
pub(super) struct OwnerNames {
    uname: OwnerName,
    gname: OwnerName,
}

impl OwnerNames {
    /// Returns the names of owner and group; empty ones where the format has none.
    pub(super) fn of(
        &mut self,
        header: &Header,
        local: &Records,
        global: &Records,
    ) -> (OwnerName, OwnerName) {
        let bytes = header.as_bytes();
        let has_names = bytes[257..262] == *b"ustar";
        let stored = |field| if has_names { text(field) } else { &[] };
        let uname = local.uname.as_deref().or(global.uname.as_deref());
        let gname = local.gname.as_deref().or(global.gname.as_deref());
        let uname = uname.unwrap_or_else(|| stored(&bytes[265..297]));
        let gname = gname.unwrap_or_else(|| stored(&bytes[297..329]));
        if (&*self.uname, &*self.gname) != (uname, gname) {
            (self.uname, self.gname) = (uname.into(), gname.into());
        }
        (self.uname.clone(), self.gname.clone())
    }
}

/// Returns a field up to its first NUL.
pub(super) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
    &field[..end]
}
