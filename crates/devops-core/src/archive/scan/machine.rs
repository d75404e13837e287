//! Tells machines of one name apart: images and factories give many hosts the same.

use std::path::Path;

use crate::fs::read_text;

/// Makes the hash one of ours: the id itself is confidential (machine-id(5)).
const CONTEXT: &str = "devops-backup 2026-11-30 the machine of an archive";
/// The number of hexadecimal digits of an id, and of its hash as it is recorded.
const DIGITS: usize = 32;

/// Returns the hash of the id of the machine whose files are below `root`; `None` where it has none.
pub fn machine_id(root: &Path) -> Option<String> {
    let text = read_text(&root.join("etc/machine-id"), 64).ok()?;
    let id = text.trim().to_ascii_lowercase();
    let is_id = id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hash = blake3::Hash::from(blake3::derive_key(CONTEXT, id.as_bytes()));
    is_id.then(|| hash.to_hex()[..DIGITS].to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn an_id_is_hashed_and_what_is_none_is_not() {
        let root = tempfile::tempdir().unwrap();
        let id = |text: &str| {
            fs::create_dir_all(root.path().join("etc")).unwrap();
            crate::fs::replace(&root.path().join("etc/machine-id"), text.as_bytes(), 0o644)
                .unwrap();
            machine_id(root.path())
        };
        let (first, second) =
            ("0123456789abcdef0123456789abcdef", "f123456789abcdef0123456789abcdef");

        let hashes = [first, &format!("{first}\n"), second].map(|text| id(text).unwrap());

        assert_eq!(hashes[0], hashes[1]);
        assert_ne!(hashes[0], hashes[2]);
        assert!(!hashes[0].contains("01234567"), "{}", hashes[0]);
        for text in ["", "\n", "uninitialized\n", "0123", &"x".repeat(32), &"a".repeat(33)] {
            assert_eq!(id(text), None, "{text:?}");
        }
        assert_eq!(machine_id(Path::new("/nonexistent")), None);
    }
}
