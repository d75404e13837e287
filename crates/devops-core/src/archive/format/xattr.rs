//! How extended attributes stand in the pax records of an entry.
//!
//! `SCHILY.xattr.NAME` holds the raw value; star made it, and GNU tar, bsdtar and Python know it. A
//! keyword ends at its first `=`, so GNU tar writes one in a name as `%3D`, and `%` as `%25`. bsdtar
//! takes keywords as they are, so a `%` that cannot be misunderstood stays.
//!
//! Access control lists stand as text in `SCHILY.acl.access` and `SCHILY.acl.default`, which both
//! `tar --acls` and `bsdtar -p` restore. As `SCHILY.xattr.system.posix_acl_access` neither does, as
//! tried with GNU tar 1.34 and bsdtar 3.6.2; only `tar --xattrs` without `--acls` restored that.

use std::{borrow::Cow, ffi::CStr};

use super::entry::Xattr;

mod acl;

const XATTR: &[u8] = b"SCHILY.xattr.";
/// The name of each list, and the keyword its text has.
const LISTS: [(&[u8], &[u8]); 2] = [
    (b"system.posix_acl_access", b"SCHILY.acl.access"),
    (b"system.posix_acl_default", b"SCHILY.acl.default"),
];

/// The name of the list that decides who may open a file.
pub(in crate::archive) const ACCESS_LIST: &CStr = c"system.posix_acl_access";

/// Returns `mode` as it is without the access list `list`.
///
/// With a list, the digit of the group is that list's mask: alone it would give the group the rights
/// of everybody named there.
pub(in crate::archive) fn mode_without(list: &[u8], mode: u32) -> u32 {
    acl::rights_of_group(list).map_or(mode, |rights| mode & !0o070 | rights << 3)
}

/// Returns whether `name` is that of an access control list.
pub(in crate::archive) fn is_list(name: &[u8]) -> bool {
    LISTS.iter().any(|(list, _)| *list == name)
}

/// Returns whether any user may set an attribute of this name on what is his.
pub(in crate::archive) fn needs_no_privilege(name: &[u8]) -> bool {
    is_list(name) || name.starts_with(b"user.")
}

/// The digest that tells the attributes of one entry from those of another: the first half of a BLAKE3.
pub(in crate::archive) type Digest = [u8; 16];

/// The digest of no attributes.
pub(in crate::archive) const NO_ATTRIBUTES: Digest = [0; 16];

/// Returns the digest of the attributes of an entry, which are sorted by name; `None` where a list names
/// users without their numbers.
///
/// Not in it are the labels of `security.*` beside capabilities: each host gives its own.
pub(in crate::archive) fn digest(xattrs: &[Xattr]) -> Option<Digest> {
    let mut hasher = None;
    for Xattr { name, value } in xattrs {
        if LISTS.iter().any(|(_, key)| key == name) {
            return None;
        }
        if name.starts_with(b"security.") && name != b"security.capability" {
            continue;
        }
        let sorted = if is_list(name) { acl::sorted(value) } else { None };
        let value = sorted.as_ref().unwrap_or(value);
        let hasher = hasher.get_or_insert_with(blake3::Hasher::new);
        for field in [name, value] {
            hasher.update(&(field.len() as u64).to_le_bytes()).update(field);
        }
    }
    let hash = hasher.map(|hasher| *hasher.finalize().as_bytes());
    Some(hash.map_or(NO_ATTRIBUTES, |hash| *hash.first_chunk().expect("a hash has 32 bytes")))
}

/// Returns the keyword and value of the record for `xattr`.
pub(in crate::archive) fn to_record(xattr: &Xattr) -> (Vec<u8>, Cow<'_, [u8]>) {
    if let Some((_, key)) = LISTS.iter().find(|(name, _)| *name == xattr.name)
        && let Some(text) = acl::to_text(&xattr.value)
    {
        return (key.to_vec(), Cow::Owned(text.into_bytes()));
    }
    ([XATTR, &escaped(&xattr.name)].concat(), Cow::Borrowed(&xattr.value))
}

/// Returns the attribute in a record; `None` for other records, and for a list that names somebody
/// without a number.
pub(in crate::archive) fn from_record(key: &[u8], value: &[u8]) -> Option<Xattr> {
    if let Some((name, _)) = LISTS.iter().find(|(_, list)| *list == key) {
        let value = acl::from_text(std::str::from_utf8(value).ok()?)?;
        return Some(Xattr { name: name.to_vec(), value });
    }
    let name = unescaped(key.strip_prefix(XATTR)?);
    if name.is_empty() || name.contains(&0) {
        return None;
    }
    Some(Xattr { name, value: value.to_vec() })
}

fn escaped(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    for (i, &byte) in name.iter().enumerate() {
        match byte {
            b'=' => key.extend(b"%3D"),
            b'%' if name[i..].starts_with(b"%3D") || name[i..].starts_with(b"%25") => {
                key.extend(b"%25");
            }
            _ => key.push(byte),
        }
    }
    key
}

fn unescaped(mut key: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(key.len());
    while let Some((&byte, rest)) = key.split_first() {
        let (byte, rest) = match (byte, rest) {
            (b'%', [b'3', b'D', rest @ ..]) => (b'=', rest),
            (b'%', [b'2', b'5', rest @ ..]) => (b'%', rest),
            (byte, rest) => (byte, rest),
        };
        name.push(byte);
        key = rest;
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(name: &[u8], value: &[u8]) -> Xattr {
        Xattr { name: name.to_vec(), value: value.to_vec() }
    }

    #[test]
    fn any_name_and_value_survive_a_record() {
        for name in [
            &b"user.a"[..],
            b"user.a=b=",
            b"user.50%",
            b"user.%41",
            b"user.%3D%25",
            b"user.%253D",
            b"user.%%3D=",
            b"user.\xff\n ",
        ] {
            let xattr = xattr(name, b"\0=\n\xff");
            let (key, value) = to_record(&xattr);

            assert!(!key.contains(&b'='), "{}", key.escape_ascii());
            assert_eq!(from_record(&key, &value), Some(xattr));
        }
    }

    #[test]
    fn what_nobody_can_misunderstand_is_not_escaped() {
        assert_eq!(to_record(&xattr(b"user.%41", b"")).0, b"SCHILY.xattr.user.%41");
        assert_eq!(to_record(&xattr(b"user.a=b", b"")).0, b"SCHILY.xattr.user.a%3Db");
    }

    #[test]
    fn a_list_of_an_unknown_version_stays_as_it_is() {
        let list = xattr(b"system.posix_acl_access", b"\x03\0\0\0");
        let (key, value) = to_record(&list);

        assert_eq!(key, b"SCHILY.xattr.system.posix_acl_access");
        assert_eq!(from_record(&key, &value), Some(list));
    }

    #[test]
    fn a_digest_is_of_what_a_restore_gives_back() {
        let of = |xattrs: &[Xattr]| digest(xattrs);
        let one = [xattr(b"user.a", b"1")];
        let label = xattr(b"security.selinux", b"x");

        assert_eq!(of(&[]), Some(NO_ATTRIBUTES));
        assert_eq!(of(std::slice::from_ref(&label)), Some(NO_ATTRIBUTES));
        assert_eq!(of(&[label, one[0].clone()]), of(&one));
        assert_eq!(of(&[xattr(b"SCHILY.acl.access", b"user:joe:rwx")]), None);
        let others = [
            vec![],
            vec![xattr(b"user.a", b"")],
            vec![xattr(b"user.b", b"1")],
            vec![xattr(b"user.", b"a1")],
            vec![xattr(b"security.capability", b"1")],
            vec![xattr(b"user.a", b"1"), xattr(b"user.b", b"")],
        ];
        for other in others {
            assert_ne!(of(&other), of(&one), "{other:?}");
        }
    }

    #[test]
    fn other_records_are_no_attributes() {
        for key in [&b"path"[..], b"SCHILY.xattr.", b"SCHILY.xattr.a\0b", b"SCHILY.acl.ace"] {
            assert_eq!(from_record(key, b""), None);
        }
    }
}
