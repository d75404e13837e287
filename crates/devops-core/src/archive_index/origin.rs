//! The origin of an archive: the global pax comment at its start.
//!
//! `devops-backup/1 started=2026-11-22T08:49:39+01:00 host=web-1 source=/srv/data`, where every byte of
//! a value but visible ASCII, and `%` itself, is written as `%XX`. Fields may be added behind: `machine`
//! is the hash of the machine's id, unless the host was named by hand, and `resolved` the source without
//! symbolic links, where that is another path. Archives of older versions have neither, and their
//! source has its links resolved.

use std::{
    ffi::OsString,
    fmt::Write,
    os::unix::ffi::{OsStrExt, OsStringExt},
    path::PathBuf,
};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::MARK;

/// The host, source and time of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The name of the host, or the one it was given.
    pub host: String,
    /// The hash of the id of the machine, if the host goes by its own name.
    pub machine: Option<String>,
    /// The source as it was given, absolute, or what it was said to be.
    pub source: PathBuf,
    /// The source without symbolic links, where that is another path.
    pub resolved: Option<PathBuf>,
    /// The time the work began, at the host's local offset.
    pub started: OffsetDateTime,
}

impl Origin {
    pub(crate) fn to_comment(&self) -> String {
        let started = self.started.format(&Rfc3339);
        let mut comment = format!("{MARK} started={} host=", started.unwrap_or_default());
        push_escaped(&mut comment, self.host.as_bytes());
        comment.push_str(" source=");
        push_escaped(&mut comment, self.source.as_os_str().as_bytes());
        if let Some(machine) = &self.machine {
            comment.push_str(" machine=");
            push_escaped(&mut comment, machine.as_bytes());
        }
        if let Some(resolved) = &self.resolved {
            comment.push_str(" resolved=");
            push_escaped(&mut comment, resolved.as_os_str().as_bytes());
        }
        comment
    }

    /// Returns whether an archive of this origin continues the series of an `earlier` one.
    ///
    /// Machines count where both are known. One without a machine may be of an older version, which
    /// recorded the source with its links resolved.
    pub(crate) fn continues(&self, earlier: &Self) -> bool {
        let is_resolved =
            || earlier.machine.is_none() && self.resolved.as_ref() == Some(&earlier.source);
        self.host == earlier.host
            && !self.is_of_another_machine(earlier)
            && (self.source == earlier.source || is_resolved())
    }

    /// Returns whether both say on which machine they were made, and not the same.
    pub(crate) fn is_of_another_machine(&self, other: &Self) -> bool {
        self.machine.is_some() && other.machine.is_some() && self.machine != other.machine
    }

    /// Reads a comment; `None` when it is not ours.
    pub(crate) fn from_comment(comment: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(comment).ok()?.split(' ');
        if words.next() != Some(MARK) {
            return None;
        }
        let (mut host, mut source, mut started) = (None, None, None);
        let (mut machine, mut resolved) = (None, None);
        for word in words {
            match word.split_once('=')? {
                ("host", value) => host = String::from_utf8(unescaped(value)?).ok(),
                ("machine", value) => machine = String::from_utf8(unescaped(value)?).ok(),
                ("source", value) => source = Some(path(value)?),
                ("resolved", value) => resolved = Some(path(value)?),
                ("started", value) => started = OffsetDateTime::parse(value, &Rfc3339).ok(),
                // A later version may say more.
                _ => {}
            }
        }
        Some(Self { host: host?, machine, source: source?, resolved, started: started? })
    }
}

fn path(value: &str) -> Option<PathBuf> {
    Some(OsString::from_vec(unescaped(value)?).into())
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
            machine: None,
            resolved: None,
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
    fn the_machine_and_the_resolved_source_come_behind() {
        let machine = Some("3f2a".to_owned());
        let origin = Origin { machine, resolved: Some("/mnt/a b".into()), ..origin() };

        assert!(origin.to_comment().ends_with("/caf%E9 machine=3f2a resolved=/mnt/a%20b"));
        assert_eq!(Origin::from_comment(origin.to_comment().as_bytes()), Some(origin));
    }

    #[test]
    fn a_series_goes_on_while_host_machine_and_source_agree() {
        let made = |machine: Option<&str>, source: &str, resolved: Option<&str>| Origin {
            machine: machine.map(str::to_owned),
            source: source.into(),
            resolved: resolved.map(PathBuf::from),
            ..origin()
        };
        let ours = made(Some("a"), "/current", Some("/releases/2"));

        for (earlier, continues) in [
            (made(Some("a"), "/current", Some("/releases/1")), true),
            (made(None, "/current", None), true),
            (made(None, "/releases/2", None), true),
            (made(None, "/releases/1", None), false),
            (made(Some("a"), "/releases/2", None), false),
            (made(Some("b"), "/current", Some("/releases/2")), false),
            (Origin { host: "web-2".to_owned(), ..ours.clone() }, false),
        ] {
            assert_eq!(ours.continues(&earlier), continues, "{earlier:?}");
        }
        // A host that is named by hand is on any machine.
        assert!(Origin { machine: None, ..ours.clone() }.continues(&ours));
    }

    #[test]
    fn the_comments_of_others_are_no_origin() {
        for comment in ["", "deadbeef", "devops-backup/1", "devops-backup/1 host=x started=y"] {
            assert_eq!(Origin::from_comment(comment.as_bytes()), None, "{comment}");
        }
    }
}
