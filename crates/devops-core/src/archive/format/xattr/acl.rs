//! POSIX access control lists: the bytes of `linux/posix_acl_xattr.h`, and the text of `acl(5)`.
//!
//! The text names users and groups by number, as the archive does everywhere.

/// The version of the bytes.
const VERSION: u32 = 2;
/// The number in entries that name nobody.
const NOBODY: u32 = u32::MAX;
const GROUP: u16 = 0x04;
const MASK: u16 = 0x10;
/// The tags of the bytes and their words, in the order the system wants.
const TAGS: [(u16, &str, bool); 6] = [
    (0x01, "user", false),
    (0x02, "user", true),
    (GROUP, "group", false),
    (0x08, "group", true),
    (MASK, "mask", false),
    (0x20, "other", false),
];

/// Returns the text of a list; `None` when it is not in the one known form.
pub(super) fn to_text(bytes: &[u8]) -> Option<String> {
    let words: Option<Vec<_>> = entries(bytes)?.map(entry_to_text).collect();
    Some(words?.join(","))
}

/// Returns a list with its entries in the order of their text, as it comes back from an archive; `None` when
/// it is not in the one known form.
pub(super) fn sorted(bytes: &[u8]) -> Option<Vec<u8>> {
    from_text(&to_text(bytes)?)
}

/// Returns the rights that a list gives the file's own group, as the last digit of a mode.
pub(super) fn rights_of_group(bytes: &[u8]) -> Option<u32> {
    let rights = |wanted| {
        let (_, _, rights) = entries(bytes)?.find(|(tag, ..)| *tag == wanted)?;
        Some(rights)
    };
    Some(u32::from(rights(GROUP)? & rights(MASK).unwrap_or(7)))
}

/// Returns tag, number and rights of every entry.
fn entries(bytes: &[u8]) -> Option<impl Iterator<Item = (u16, u32, u16)>> {
    let (version, rest) = bytes.split_first_chunk()?;
    let (entries, []) = rest.as_chunks::<8>() else { return None };
    if u32::from_le_bytes(*version) != VERSION || entries.is_empty() {
        return None;
    }
    Some(entries.iter().map(|&[t0, t1, p0, p1, i0, i1, i2, i3]| {
        let id = u32::from_le_bytes([i0, i1, i2, i3]);
        (u16::from_le_bytes([t0, t1]), id, u16::from_le_bytes([p0, p1]))
    }))
}

fn entry_to_text((tag, id, rights): (u16, u32, u16)) -> Option<String> {
    let (_, word, has_id) = TAGS.iter().find(|(known, ..)| *known == tag)?;
    if rights > 7 {
        return None;
    }
    let right = |bit, letter| if rights & bit == 0 { '-' } else { letter };
    let id = if *has_id { id.to_string() } else { String::new() };
    Some(format!("{word}:{id}:{}{}{}", right(4, 'r'), right(2, 'w'), right(1, 'x')))
}

/// Returns the bytes of a list that GNU tar, bsdtar or star wrote; `None` when it is malformed, or
/// names somebody without a number.
pub(super) fn from_text(text: &str) -> Option<Vec<u8>> {
    let mut entries = Vec::new();
    for word in text.split([',', '\n']) {
        let word = word.split('#').next().unwrap_or_default().trim();
        if !word.is_empty() {
            entries.push(entry_from_text(word)?);
        }
    }
    entries.sort_unstable();
    let mut bytes = VERSION.to_le_bytes().to_vec();
    for (tag, id, rights) in &entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(rights.to_le_bytes());
        bytes.extend(id.to_le_bytes());
    }
    (!entries.is_empty()).then_some(bytes)
}

/// Reads `TAG:WHO:RIGHTS`, to which star and bsdtar add `:NUMBER`; returns tag, number and rights.
fn entry_from_text(word: &str) -> Option<(u16, u32, u16)> {
    let word = word.strip_prefix("default:").unwrap_or(word);
    let fields: Vec<&str> = word.split(':').map(str::trim).collect();
    let (tag, who, rights, number) = match fields[..] {
        // Solaris leaves the empty field of `mask` and `other` out.
        [tag, rights] => (tag, "", rights, None),
        [tag, who, rights] => (tag, who, rights, None),
        [tag, who, rights, number] => (tag, who, rights, Some(number)),
        _ => return None,
    };
    let (tag, _, has_id) = TAGS.iter().find(|(_, known, has_id)| {
        let is_short = tag.len() == 1 && known.starts_with(tag);
        (*known == tag || is_short) && *has_id != who.is_empty()
    })?;
    let id = if *has_id { number.unwrap_or(who).parse().ok()? } else { NOBODY };
    Some((*tag, id, rights_from_text(rights)?))
}

fn rights_from_text(text: &str) -> Option<u16> {
    text.chars().try_fold(0, |rights, letter| match letter {
        'r' => Some(rights | 4),
        'w' => Some(rights | 2),
        'x' => Some(rights | 1),
        '-' => Some(rights),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "user::rw-,user:1000:r--,user:4294967294:rwx,group::r-x,group:7:---,\
                        mask::rwx,other::r--";

    fn bytes(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0];
        for (tag, rights, id) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(rights.to_le_bytes());
            bytes.extend(id.to_le_bytes());
        }
        bytes
    }

    fn list() -> Vec<u8> {
        bytes(&[
            (1, 6, NOBODY),
            (2, 4, 1000),
            (2, 7, 4_294_967_294),
            (4, 5, NOBODY),
            (8, 0, 7),
            (16, 7, NOBODY),
            (32, 4, NOBODY),
        ])
    }

    #[test]
    fn a_list_survives_its_text() {
        assert_eq!(to_text(&list()).as_deref(), Some(TEXT));
        assert_eq!(from_text(TEXT), Some(list()));
        let moved = bytes(&[(1, 6, NOBODY), (2, 7, 9), (2, 4, 8), (4, 5, NOBODY), (16, 7, NOBODY)]);
        let sorted_list =
            bytes(&[(1, 6, NOBODY), (2, 4, 8), (2, 7, 9), (4, 5, NOBODY), (16, 7, NOBODY)]);
        assert_eq!(sorted(&moved), Some(sorted_list));
    }

    #[test]
    fn reads_what_other_programs_write() {
        let expected = bytes(&[
            (1, 6, NOBODY),
            (2, 4, 1000),
            (4, 4, NOBODY),
            (16, 4, NOBODY),
            (32, 0, NOBODY),
        ]);
        for text in [
            "user::rw-\nuser:1000:r--\t#effective:r--\ngroup::r--\nmask::r--\nother::---\n",
            "user::rw-,group::r--,other::---,user:alice:r--:1000,mask::r--",
            "u::rw,u:1000:r,g::r,m::r,o::-",
            "default:user::rw-,default:user:1000:r--,default:group::r--,mask:r--,other:---",
        ] {
            assert_eq!(from_text(text).as_deref(), Some(&expected[..]), "{text}");
        }
    }

    #[test]
    fn the_mask_limits_the_group() {
        let masked = bytes(&[(1, 6, NOBODY), (4, 6, NOBODY), (16, 5, NOBODY), (32, 0, NOBODY)]);
        let minimal = bytes(&[(1, 6, NOBODY), (4, 6, NOBODY), (32, 0, NOBODY)]);

        assert_eq!(rights_of_group(&list()), Some(5));
        assert_eq!(rights_of_group(&masked), Some(4));
        assert_eq!(rights_of_group(&minimal), Some(6));
        assert_eq!(rights_of_group(b"\x03\0\0\0"), None);
    }

    #[test]
    fn refuses_what_is_no_list() {
        for text in ["", "user", "user:alice:r--", "user::r--:1:2", "friend::r--", "user::rq-"] {
            assert_eq!(from_text(text), None, "{text}");
        }
        let unknown_tag = bytes(&[(64, 1, 0)]);
        let unknown_right = bytes(&[(1, 8, NOBODY)]);
        for bytes in [&b""[..], b"\x02\0\0", b"\x02\0\0\0", b"\x02\0\0\0\x01", b"\x01\0\0\0"]
            .into_iter()
            .chain([&unknown_tag[..], &unknown_right[..]])
        {
            assert_eq!(to_text(bytes), None, "{}", bytes.escape_ascii());
        }
    }
}
