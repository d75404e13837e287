//! The access to the files that a tool makes: `--mode` and `--group`.

use std::path::Path;

use devops_core::owners::Accounts;

use crate::failure::Failure;

/// Reads permission bits that let only the owner and the group write.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    const OWNER: u32 = 0o600;
    const GROUP_AND_READERS: u32 = 0o064;
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode & OWNER == OWNER && mode & !(OWNER | GROUP_AND_READERS) == 0 => Ok(mode),
        _ => Err("a mode is 600, or more of 664: the owner reads and writes, others never write"
            .to_owned()),
    }
}

/// Returns the number of a group of this host, given as a name or as a number.
pub fn group_number(name: &str) -> Result<u32, Failure> {
    let group = Accounts::read(Path::new("/")).group_id(name);
    group.ok_or_else(|| Failure::usage(format!("there is no group `{name}`")))
}
