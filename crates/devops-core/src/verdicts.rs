//! The verdicts of this host about the archives of one place, kept in its state folder.
//!
//! They save proving an archive again, and tell the archives that this host made from others'. A
//! file that is missing, corrupt or writable by others is ignored: everything is then proven anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FlockOperation, Mode, OFlags, flock, openat},
    io::retry_on_intr,
    process::geteuid,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use time::{Duration, OffsetDateTime};

use crate::{
    fs::{IoResultExt, PathError, create_private_folders, parent, replace},
    lock::is_unsupported,
};

/// The time for which a verdict is valid.
const HOLDS: Duration = Duration::days(30);
/// A larger file is none of ours.
const LIMIT: u64 = 16 << 20;
const OTHERS_WRITE: u32 = 0o022;
/// The number of hexadecimal digits that tell places apart.
const DIGITS: usize = 32;

/// The verdicts about the archives of one place.
#[derive(Debug, Default)]
pub struct Verdicts {
    file: Option<StateFile>,
    known: BTreeMap<String, Known>,
    /// The content of the file when it was read.
    read: BTreeMap<String, Known>,
}

/// The verdict about one archive, by its file name or key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// The result of a proof by its index and some segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    judged: Option<Judged>,
    /// The result of reading all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read: Option<Judged>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<Made>,
}

/// The result of proving an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Judged {
    mark: String,
    /// In seconds since 1970.
    time: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    flaw: Option<String>,
}

impl Judged {
    fn new(mark: &str, flaw: Option<&str>, now: OffsetDateTime) -> Self {
        let (mark, flaw) = (mark.to_owned(), flaw.map(str::to_owned));
        Self { mark, time: now.unix_timestamp(), flaw }
    }
}

/// An archive that this host made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Made {
    mark: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<String>,
}

/// The last result of proving an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// The time at which it was proven.
    pub time: OffsetDateTime,
    /// The flaw that was found, if there is one.
    pub flaw: Option<&'a str>,
    /// Is set if all of it was read.
    pub is_whole: bool,
}

impl Known {
    /// Returns what counts of the proofs that `counts` lets through, and whether all of the archive was
    /// read for it: nothing less takes that back, unless it found a flaw since.
    fn judged(&self, counts: impl Fn(&Judged) -> bool) -> Option<(&Judged, bool)> {
        let read = self.read.as_ref().filter(|read| counts(read));
        let part = self.judged.as_ref().filter(|part| counts(part));
        match (read, part) {
            (Some(read), Some(part)) if part.flaw.is_some() && part.time > read.time => {
                Some((part, false))
            }
            (Some(read), _) => Some((read, true)),
            (None, part) => part.map(|part| (part, false)),
        }
    }
}

impl Verdicts {
    /// Reads the verdicts about `place`, a text that names it; without a folder none is read or
    /// saved.
    pub fn open(folder: Option<&Path>, place: &str) -> Self {
        let Some(folder) = folder else { return Self::default() };
        let file = StateFile::of(folder, "archives", place);
        let known: BTreeMap<_, _> = file.read().unwrap_or_default();
        Self { file: Some(file), known: known.clone(), read: known }
    }

    /// Returns the result of proving an archive, if it is still valid: nothing wrong, or its flaw.
    ///
    /// `mark` tells the archive from another one of the same name.
    pub fn verdict(&self, name: &str, mark: &str, now: OffsetDateTime) -> Option<Result<(), &str>> {
        let holds = |judged: &Judged| {
            let age = now.unix_timestamp().checked_sub(judged.time);
            let is_young = age.is_some_and(|age| (0..HOLDS.whole_seconds()).contains(&age));
            is_young && judged.mark == mark
        };
        let (judged, _) = self.known.get(name)?.judged(holds)?;
        Some(judged.flaw.as_deref().map_or(Ok(()), Err))
    }

    /// Returns what was last found out about an archive, however long ago.
    pub fn last(&self, name: &str, mark: &str) -> Option<Verdict<'_>> {
        let of_file = |judged: &Judged| judged.mark == mark;
        let (judged, is_whole) = self.known.get(name)?.judged(of_file)?;
        let time = OffsetDateTime::from_unix_timestamp(judged.time).ok()?;
        Some(Verdict { time, flaw: judged.flaw.as_deref(), is_whole })
    }

    /// Remembers the result of proving an archive.
    pub fn judge(&mut self, name: &str, mark: &str, flaw: Option<&str>, now: OffsetDateTime) {
        self.entry(name).judged = Some(Judged::new(mark, flaw, now));
    }

    /// Remembers the result of reading an archive to its end.
    pub fn judge_whole(&mut self, name: &str, mark: &str, flaw: Option<&str>, now: OffsetDateTime) {
        self.entry(name).read = Some(Judged::new(mark, flaw, now));
    }

    fn entry(&mut self, name: &str) -> &mut Known {
        self.known.entry(name.to_owned()).or_default()
    }

    /// Remembers that this host made an archive; the hash of its index tells it too, if it can be read.
    pub fn made(&mut self, name: &str, mark: &str, index: Option<&[u8; 32]>) {
        let made = Made { mark: mark.to_owned(), index: index.map(hex) };
        self.known.insert(name.to_owned(), Known { made: Some(made), ..Known::default() });
    }

    /// Returns whether this host made the archive that has this mark.
    pub fn is_made(&self, name: &str, mark: &str) -> bool {
        self.maker(name).is_some_and(|made| made.mark == mark)
    }

    /// Returns whether this host made the archive with an index of this hash.
    pub fn is_made_with(&self, name: &str, index: &[u8; 32]) -> bool {
        self.maker(name).is_some_and(|made| made.index.as_deref() == Some(&hex(index)))
    }

    fn maker(&self, name: &str) -> Option<&Made> {
        self.known.get(name)?.made.as_ref()
    }

    /// Forgets the archives that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.known.retain(|name, _| is_there(name));
    }

    /// Writes the file if a verdict changed, with what other processes wrote since it was read.
    pub fn save(&self) -> Result<(), PathError> {
        let Some(file) = self.file.as_ref().filter(|_| self.known != self.read) else {
            return Ok(());
        };
        let _turn = file.turn()?;
        file.write(&self.merged(&file.read().unwrap_or_default()))
    }

    /// Returns what the file is to hold that holds `theirs` now.
    fn merged(&self, theirs: &BTreeMap<String, Known>) -> BTreeMap<String, Known> {
        let names: BTreeSet<_> = self.known.keys().chain(theirs.keys()).collect();
        let nothing = Known::default();
        let of = |known: &BTreeMap<String, Known>, name: &str| {
            known.get(name).unwrap_or(&nothing).clone()
        };
        let merge = |name: &String| {
            let (read, ours, theirs) =
                (of(&self.read, name), of(&self.known, name), of(theirs, name));
            let judged = newest(read.judged.as_ref(), ours.judged, theirs.judged);
            let whole = newest(read.read.as_ref(), ours.read, theirs.read);
            let made = newest(read.made.as_ref(), ours.made, theirs.made);
            (name.clone(), Known { judged, read: whole, made })
        };
        names.into_iter().map(merge).filter(|(_, known)| *known != nothing).collect()
    }
}

/// Chooses our value if it is not what was `read`; what others wrote since is not forgotten.
fn newest<T: PartialEq>(read: Option<&T>, ours: Option<T>, theirs: Option<T>) -> Option<T> {
    let is_ours = ours.as_ref() != read && (ours.is_some() || theirs.as_ref() == read);
    if is_ours { ours } else { theirs }
}

/// A file of JSON in the state folder about one place.
#[derive(Debug)]
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    /// Returns the file of that kind about `place`, a text that names it.
    pub(crate) fn of(folder: &Path, kind: &str, place: &str) -> Self {
        let hash = blake3::hash(place.as_bytes()).to_hex();
        Self(folder.join(format!("{kind}-{}.json", &hash[..DIGITS])))
    }

    /// Reads it; `None` if it is missing or corrupt, or others could have written it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&read(&self.0)?).ok()
    }

    /// Writes it as one step; its folder is made if missing.
    pub(crate) fn write(&self, content: &impl Serialize) -> Result<(), PathError> {
        create_private_folders(parent(&self.0))?;
        let text = serde_json::to_vec(content).expect("a map of texts is JSON");
        replace(&self.0, &text, 0o600)
    }

    /// Waits for the turn to write in its folder, which is made if missing.
    fn turn(&self) -> Result<File, PathError> {
        create_private_folders(parent(&self.0))?;
        turn(parent(&self.0))
    }
}

/// Waits for the turn to write in a folder; it lasts until the file is dropped.
///
/// A file system without locks gives it at once: what is lost there only costs time.
fn turn(folder: &Path) -> Result<File, PathError> {
    let folder_file = File::open(folder).at(folder, "open")?;
    let locked = retry_on_intr(|| flock(&folder_file, FlockOperation::LockExclusive));
    match locked {
        Err(error) if !is_unsupported(error) => Err(error).at(folder, "lock"),
        _ => Ok(folder_file),
    }
}

/// Reads a file that this user or root alone could have written.
fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(CWD, path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    let is_ours = [0, geteuid().as_raw()].contains(&metadata.uid());
    if !metadata.is_file() || !is_ours || metadata.mode() & OTHERS_WRITE != 0 {
        return None;
    }
    let mut text = Vec::new();
    file.take(LIMIT).read_to_end(&mut text).ok()?;
    Some(text)
}

fn hex(hash: &[u8; 32]) -> String {
    blake3::Hash::from_bytes(*hash).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn reopened(verdicts: &Verdicts, folder: &Path) -> Verdicts {
        verdicts.save().unwrap();
        Verdicts::open(Some(folder), "/backups/home")
    }

    fn written(folder: &Path) -> PathBuf {
        fs::read_dir(folder).unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn a_verdict_holds_for_thirty_days_and_for_the_same_file() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("state/backup");
        let mut verdicts = Verdicts::open(Some(&folder), "/backups/home");
        verdicts.judge("a", "1", None, NOW);
        verdicts.judge("b", "2", Some("it is cut off"), NOW);

        let known = reopened(&verdicts, &folder);

        let day = Duration::days(1);
        assert_eq!(known.verdict("a", "1", NOW), Some(Ok(())));
        assert_eq!(known.verdict("b", "2", NOW + day * 29), Some(Err("it is cut off")));
        assert_eq!(known.verdict("b", "2", NOW + day * 30), None);
        assert_eq!(known.verdict("a", "1", NOW - day), None, "the clock went back");
        assert_eq!(known.verdict("a", "2", NOW), None);
        assert_eq!(known.verdict("c", "1", NOW), None);
        assert_eq!(Verdicts::open(Some(&folder), "/backups").verdict("a", "1", NOW), None);
        assert_eq!(fs::metadata(written(&folder)).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn reading_all_of_an_archive_counts_for_more_than_a_part() {
        let dir = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::open(Some(dir.path()), "/backups/home");
        let month = Duration::days(40);
        verdicts.judge("part", "1", None, NOW);
        verdicts.judge_whole("rotten", "1", Some("a bad byte"), NOW - Duration::DAY);
        verdicts.judge("rotten", "1", None, NOW);
        verdicts.judge_whole("old", "1", None, NOW - month);
        verdicts.judge("old", "2", Some("another file"), NOW);
        verdicts.judge_whole("late", "1", None, NOW - Duration::DAY);
        verdicts.judge("late", "1", Some("it is cut off"), NOW);
        verdicts.judge_whole("again", "1", None, NOW - month);
        verdicts.judge("again", "1", None, NOW);

        let known = reopened(&verdicts, dir.path());

        let verdict = |time, flaw, is_whole| Some(Verdict { time, flaw, is_whole });
        assert_eq!(known.last("part", "1"), verdict(NOW, None, false));
        assert_eq!(
            known.last("rotten", "1"),
            verdict(NOW - Duration::DAY, Some("a bad byte"), true)
        );
        assert_eq!(known.verdict("rotten", "1", NOW), Some(Err("a bad byte")));
        assert_eq!(known.last("old", "1"), verdict(NOW - month, None, true));
        assert_eq!(known.verdict("old", "1", NOW), None, "too long ago");
        assert_eq!(known.last("old", "3"), None);
        assert_eq!(known.last("late", "1"), verdict(NOW, Some("it is cut off"), false));
        assert_eq!(known.verdict("late", "1", NOW), Some(Err("it is cut off")));
        assert_eq!(known.last("again", "1"), verdict(NOW - month, None, true));
        assert_eq!(known.verdict("again", "1", NOW), Some(Ok(())));
    }

    #[test]
    fn what_this_host_made_is_known_by_its_mark_or_its_index() {
        let dir = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::open(Some(dir.path()), "/backups/home");
        verdicts.made("a", "1", Some(&[7; 32]));
        verdicts.made("b", "1", None);
        verdicts.made("gone", "1", None);
        verdicts.retain(|name| name != "gone");

        let known = reopened(&verdicts, dir.path());

        assert!(known.is_made("a", "1") && known.is_made("b", "1"));
        assert!(!known.is_made("a", "2") && !known.is_made("gone", "1"));
        assert!(known.is_made_with("a", &[7; 32]));
        assert!(!known.is_made_with("a", &[8; 32]) && !known.is_made_with("b", &[7; 32]));
    }

    #[test]
    fn what_another_process_wrote_since_it_was_read_stays() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Verdicts::open(Some(dir.path()), "/backups/home");
        let mut first = open();
        for name in ["old", "again", "gone"] {
            first.made(name, "1", None);
        }
        first.save().unwrap();

        let (mut ours, mut theirs) = (open(), open());
        theirs.made("theirs", "1", None);
        theirs.made("again", "2", None);
        theirs.judge("old", "1", None, NOW);
        theirs.save().unwrap();
        ours.made("ours", "1", Some(&[7; 32]));
        ours.retain(|name| name == "ours" || name == "old");
        ours.judge("old", "2", Some("it is cut off"), NOW);
        ours.save().unwrap();

        let known = open();
        assert!(known.is_made("ours", "1") && known.is_made("theirs", "1"));
        assert!(known.is_made("old", "1") && known.is_made("again", "2"));
        assert!(!known.is_made("gone", "1"));
        assert_eq!(known.verdict("old", "2", NOW), Some(Err("it is cut off")));
    }

    #[test]
    fn many_that_write_at_once_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Verdicts::open(Some(dir.path()), "/backups/home");

        std::thread::scope(|scope| {
            for n in 0..8 {
                scope.spawn(move || {
                    let mut verdicts = open();
                    verdicts.made(&n.to_string(), "1", None);
                    verdicts.save().unwrap();
                });
            }
        });

        let known = open();
        assert!((0..8).all(|n: u8| known.is_made(&n.to_string(), "1")));
    }

    #[test]
    fn a_file_that_others_may_have_written_knows_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut verdicts = Verdicts::open(Some(dir.path()), "/backups/home");
        verdicts.made("a", "1", None);
        assert!(reopened(&verdicts, dir.path()).is_made("a", "1"));
        let file = written(dir.path());

        for mode in [0o602, 0o620] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert!(!reopened(&Verdicts::default(), dir.path()).is_made("a", "1"), "{mode:o}");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        if geteuid().is_root() {
            std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
            assert!(!reopened(&Verdicts::default(), dir.path()).is_made("a", "1"));
        }
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        assert!(!reopened(&Verdicts::default(), dir.path()).is_made("a", "1"));
    }

    #[test]
    fn without_a_folder_or_with_a_broken_file_nothing_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let mut without = Verdicts::open(None, "/backups/home");
        without.judge("a", "1", None, NOW);
        without.save().unwrap();
        assert_eq!(without.verdict("a", "1", NOW), Some(Ok(())));

        let mut verdicts = Verdicts::open(Some(dir.path()), "/backups/home");
        verdicts.judge("a", "1", None, NOW);
        verdicts.save().unwrap();
        File::options().write(true).open(written(dir.path())).unwrap().set_len(9).unwrap();
        assert_eq!(Verdicts::open(Some(dir.path()), "/backups/home").verdict("a", "1", NOW), None);
    }
}
