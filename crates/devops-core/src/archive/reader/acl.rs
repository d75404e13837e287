//! POSIX ACLs as text, the way GNU tar, star and bsdtar store them in `SCHILY.acl.*` records.
//!
//! The system takes them as attributes in the binary form of `linux/posix_acl_xattr.h`: a version, then
//! a tag, permissions and a number for each line, all little-endian and in the order of their tags.

const VERSION: u32 = 2;
const USER_OBJ: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP_OBJ: u16 = 0x04;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
/// The number of a line that names nobody.
const NOBODY: u32 = u32::MAX;

/// Turns the text into the value of a `system.posix_acl_*` attribute.
///
/// `None` when it is malformed, or names a user or group only by name: names differ between hosts.
pub(super) fn attribute(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut lines = Vec::new();
    for line in text.split(['\n', ',']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            lines.push(parsed(line)?);
        }
    }
    if lines.is_empty() {
        return None;
    }
    lines.sort_unstable();
    let mut value = VERSION.to_le_bytes().to_vec();
    for (tag, id, permissions) in lines {
        value.extend(tag.to_le_bytes());
        value.extend(permissions.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    Some(value)
}

/// Reads `user:NAME:rwx`, with the number in place of the name or behind the permissions.
fn parsed(line: &str) -> Option<(u16, u32, u16)> {
    let mut fields: Vec<&str> = line.split(':').map(str::trim).collect();
    let (one, many) = match fields[0] {
        "user" | "u" => (USER_OBJ, Some(USER)),
        "group" | "g" => (GROUP_OBJ, Some(GROUP)),
        "mask" | "m" => (MASK, None),
        "other" | "o" => (OTHER, None),
        _ => return None,
    };
    // Solaris leaves the empty name out.
    if fields.len() == 2 && many.is_none() {
        fields.insert(1, "");
    }
    let (name, permissions) = (*fields.get(1)?, bits(fields.get(2)?)?);
    if name.is_empty() {
        return Some((one, NOBODY, permissions));
    }
    let id = name.parse().ok().or_else(|| fields.get(3)?.parse().ok())?;
    Some((many?, id, permissions))
}

fn bits(text: &str) -> Option<u16> {
    text.chars().try_fold(0, |bits, letter| match letter {
        'r' => Some(bits | 4),
        'w' => Some(bits | 2),
        'x' => Some(bits | 1),
        '-' => Some(bits),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_the_attribute_the_system_knows() {
        let value = attribute(b"user::rw-\ngroup::r--\nuser:1000:rwx\nmask::rwx\nother::---\n");

        let expected = b"\x02\0\0\0\
            \x01\0\x06\0\xff\xff\xff\xff\
            \x02\0\x07\0\xe8\x03\0\0\
            \x04\0\x04\0\xff\xff\xff\xff\
            \x10\0\x07\0\xff\xff\xff\xff\
            \x20\0\0\0\xff\xff\xff\xff";
        assert_eq!(value.as_deref(), Some(&expected[..]));
        let star = attribute(b"user::rw-,user:joe:rwx:1000,group::r--,mask::rwx,other::---");
        assert_eq!(star, value);
        let remarks = attribute(b"u::rw-,u:1000:rwx #effective:rwx,g::r--,m:rwx,o:---");
        assert_eq!(remarks, value);
    }

    #[test]
    fn names_without_a_number_and_nonsense_are_refused() {
        for text in ["", "user:joe:rwx", "user::rwz", "owner::rwx", "mask:5:rwx", "user"] {
            assert_eq!(attribute(text.as_bytes()), None, "{text}");
        }
    }
}
