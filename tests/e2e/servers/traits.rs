//! What each server does of what S3 does. The tool is told none of it.

use std::{env, fs::OpenOptions, io::Write};

use crate::servers::rig::place;

/// What a server does.
#[allow(clippy::struct_excessive_bools, reason = "a column each of a table")]
pub(crate) struct Traits {
    name: &'static str,
    /// The best proof that it can give of an object in one piece, and of one in parts.
    pub(crate) proofs: [&'static str; 2],
    /// Is set if it refuses a wrong checksum.
    pub(crate) compares: bool,
    /// Is set if a key that is taken is refused where that is asked for.
    pub(crate) conditions: bool,
    /// Is set if pieces of objects are copied into uploads, as far as a small one shows.
    pub(crate) copies: Option<bool>,
    pub(crate) lists_parts: bool,
    pub(crate) lists_uploads: bool,
    pub(crate) lists_versions: bool,
    /// Is set if an upload can be removed.
    pub(crate) aborts: bool,
    /// Is set if a bucket has to be there before something is put into it.
    pub(crate) needs_buckets: bool,
    /// Is set if metadata of an object is kept.
    pub(crate) metadata: bool,
    /// Is set if a key that is also a prefix of others does them no harm.
    pub(crate) nests: bool,
    /// Is set if it encrypts with keys that it is given.
    pub(crate) customer_keys: bool,
    /// Is set if it keeps an object under just this key.
    pub(crate) keeps: fn(&str) -> bool,
}

impl Traits {
    /// Returns the best proof of an object in parts by a checksum of checksums.
    pub(crate) fn composite_proof(&self) -> &'static str {
        match (self.name, self.proofs[1]) {
            // Its SHA-256 is right.
            ("moto-bare", _) | (_, "full") => "parts",
            (_, best) => best,
        }
    }
}

const SERVERS: [Traits; 7] = [
    Traits {
        name: "garage",
        proofs: ["full", "full"],
        compares: true,
        conditions: false,
        copies: None,
        lists_parts: true,
        lists_uploads: true,
        lists_versions: false,
        aborts: true,
        needs_buckets: true,
        metadata: true,
        nests: true,
        customer_keys: true,
        keeps: |key| !key.starts_with('/'),
    },
    Traits {
        name: "moto",
        proofs: ["etag", "full"],
        compares: false,
        conditions: true,
        copies: Some(true),
        lists_parts: true,
        lists_uploads: true,
        lists_versions: true,
        aborts: true,
        needs_buckets: true,
        metadata: true,
        nests: true,
        customer_keys: false,
        keeps: |key| !key.contains(['\n', '\u{1}', '\u{7f}']),
    },
    Traits {
        name: "moto-bare",
        proofs: ["etag", "etag"],
        compares: false,
        conditions: true,
        copies: Some(true),
        lists_parts: true,
        lists_uploads: true,
        lists_versions: true,
        aborts: true,
        needs_buckets: true,
        metadata: true,
        nests: true,
        customer_keys: false,
        keeps: |key| !key.contains(['\n', '\u{1}', '\u{7f}']),
    },
    Traits {
        name: "seaweedfs",
        proofs: ["full", "full"],
        compares: true,
        conditions: true,
        copies: Some(true),
        lists_parts: true,
        lists_uploads: true,
        lists_versions: true,
        aborts: true,
        needs_buckets: false,
        metadata: true,
        nests: true,
        customer_keys: true,
        keeps: |key| !(has_empty_name(key) || key.contains('\\')),
    },
    Traits {
        name: "rclone",
        proofs: ["etag", "etag"],
        compares: false,
        conditions: false,
        copies: Some(false),
        lists_parts: true,
        lists_uploads: true,
        lists_versions: false,
        aborts: true,
        needs_buckets: true,
        metadata: false,
        nests: false,
        customer_keys: false,
        keeps: |key| !has_empty_name(key),
    },
    Traits {
        name: "s3rver",
        proofs: ["etag", "size"],
        compares: false,
        conditions: false,
        copies: Some(false),
        lists_parts: false,
        lists_uploads: false,
        lists_versions: false,
        aborts: false,
        needs_buckets: true,
        metadata: true,
        nests: true,
        customer_keys: false,
        keeps: |key| !(has_empty_name(key) || key.contains('\u{1}')),
    },
    Traits {
        name: "swift",
        proofs: ["etag", "etag"],
        compares: true,
        conditions: true,
        copies: Some(true),
        lists_parts: true,
        lists_uploads: true,
        lists_versions: true,
        aborts: true,
        needs_buckets: true,
        metadata: true,
        nests: true,
        customer_keys: false,
        keeps: |_| true,
    },
];

fn has_empty_name(key: &str) -> bool {
    key.starts_with('/') || key.contains("//")
}

/// Returns what the server does that is looked at.
pub(crate) fn traits() -> &'static Traits {
    let name = &place().name;
    SERVERS.iter().find(|known| known.name == name).expect("the server is in the table")
}

/// Says a word of a feature for the table that `cargo xtask test --servers` prints.
pub(crate) fn note(feature: &str, word: &str) {
    if let Some(path) = env::var_os("DEVOPS_SERVER_NOTES") {
        let mut notes = OpenOptions::new().append(true).open(path).expect("the notes are there");
        writeln!(notes, "{feature} {word}").expect("a note is written");
    }
}
