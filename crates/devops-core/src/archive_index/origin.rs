//! Where an archive came from: the global pax comment every archive of ours begins with.
//!
//! `devops-backup/1 started=2026-11-22T08:49:39+01:00 host=web-1 source=/srv/data`, where every byte of
//! a value but visible ASCII, and `%` itself, is written as `%XX`. Fields may be added behind.

use std::{
    ffi::OsString,
    fmt::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::MARK;

/// Where and when an archive was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the host.
    pub host: String,
    /// The source, absolute and without symbolic links.
    pub source: PathBuf,
    /// When the work began, at the host's local offset.
    pub started: OffsetDateTime,
}

impl Origin {
    pub(crate) fn to_comment(&self) -> String {
        let started = self.started.format(&Rfc3339);
        let mut comment = format!("{MARK} started={} host=", started.unwrap_or_default());
        push_escaped(&mut comment, self.host.as_bytes());
        comment.push_str(" source=");
        push_escaped(&mut comment, self.source.as_os_str().as_bytes());
        comment
    }

    /// Reads a comment; `None` when it is not ours.
    pub(crate) fn from_comment(comment: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(comment).ok()?.split(' ');
        if words.next() != Some(MARK) {
            return None;
        }
        let (mut host, mut source, mut started) = (None, None, None);
        for word in words {
            match word.split_once('=')? {
                ("host", value) => host = String::from_utf8(unescaped(value)?).ok(),
                ("source", value) => source = Some(OsString::from_vec(unescaped(value)?)),
                ("started", value) => started = OffsetDateTime::parse(value, &Rfc3339).ok(),
                // A later version may say more.
                _ => {}
            }
        }
        Some(Self { host: host?, source: source?.into(), started: started? })
    }
}

fn push_escaped(out: &mut String, bytes: &[u8]) {
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(&part.as_bytes()[2..]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, path::Path};

    use time::macros::datetime;

    use super::*;

    fn origin() -> Origin {
        Origin {
            host: "web 1".to_owned(),
            source: Path::new(OsStr::from_bytes(b"/srv/50%/caf\xe9")).to_owned(),
            started: datetime!(2026-11-22 08:49:39 +1),
        }
    }

    #[test]
    fn writes_a_comment_of_visible_ascii() {
        assert_eq!(
            origin().to_comment(),
            "devops-backup/1 started=2026-11-22T08:49:39+01:00 host=web%201 source=/srv/50%25/caf%E9"
        );
    }

    #[test]
    fn reads_its_own_comment_and_fields_of_later_versions() {
        let comment = origin().to_comment() + " level=5";

        assert_eq!(Origin::from_comment(comment.as_bytes()), Some(origin()));
    }

    #[test]
    fn the_comments_of_others_are_no_origin() {
        for comment in ["", "deadbeef", "devops-backup/1", "devops-backup/1 host=x started=y"] {
            assert_eq!(Origin::from_comment(comment.as_bytes()), None, "{comment}");
        }
    }
}
