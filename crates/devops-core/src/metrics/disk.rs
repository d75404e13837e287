//! Disk space: `statvfs(3)` in a thread of its own, because a dead network mount never answers.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel},
    },
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    mounts::{self, Mount},
    round_percent,
};
use crate::{
    fs::{IoResultExt, PathError},
    kind::{HasKind, Kind},
    units::format_duration,
};

/// Space and file nodes of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// The size in bytes.
    pub total_bytes: u64,
    /// Bytes nobody uses, those reserved for root included.
    pub free_bytes: u64,
    /// Bytes that programs other than root's can take.
    pub available_bytes: u64,
    /// All file nodes.
    pub files: u64,
    /// Unused file nodes.
    pub files_free: u64,
}

impl Space {
    /// Returns the bytes in use.
    pub fn used_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.free_bytes)
    }

    /// Returns used / (used + available) as `df` does, 0 to 100, to a tenth; none of an empty size.
    pub fn percent(&self) -> Option<f64> {
        let used = self.used_bytes();
        round_percent(used, used.saturating_add(self.available_bytes))
    }
}

/// The reason the space of a file system is not known.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The file system does not answer; it is not asked again before it has.
    #[error("`{}` gave no answer within {}", .path.display(), format_duration(*.timeout))]
    NoAnswer {
        /// Where it is mounted.
        path: PathBuf,
        /// How long was waited.
        timeout: Duration,
    },
    /// The system refused.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl HasKind for DiskError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoAnswer { .. } => Kind::Temporary,
            Self::Path(error) => error.kind(),
        }
    }
}

/// A mounted file system and its space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is mounted where.
    pub mount: Mount,
    /// Its space, or why that is not known.
    pub space: Result<Space, String>,
}

impl Serialize for Disk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let space = self.space.as_ref().ok();
        let path = &self.mount.mount_point;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("mount_point", &path.to_string_lossy())?;
        if path.to_str().is_none() {
            let bytes = path.as_os_str().as_encoded_bytes();
            map.serialize_entry("mount_point_b64", &BASE64_STANDARD.encode(bytes))?;
        }
        map.serialize_entry("device", &self.mount.device)?;
        map.serialize_entry("filesystem", &self.mount.filesystem)?;
        map.serialize_entry("read_only", &self.mount.read_only)?;
        map.serialize_entry("percent", &space.and_then(Space::percent))?;
        map.serialize_entry("total_bytes", &space.map(|space| space.total_bytes))?;
        map.serialize_entry("used_bytes", &space.map(Space::used_bytes))?;
        map.serialize_entry("available_bytes", &space.map(|space| space.available_bytes))?;
        map.serialize_entry("error", &self.space.as_ref().err())?;
        map.end()
    }
}

type Ask = Arc<dyn Fn(&Path) -> io::Result<Space> + Send + Sync>;

/// Asks file systems for their space, never waiting longer than the timeout for one.
///
/// A thread that hangs on a mount is left to it and that mount is not asked again before it has answered,
/// so there is never more than one thread for each hung mount, and one more.
pub struct DiskProbe {
    ask: Ask,
    timeout: Duration,
    worker: Option<Worker>,
    hung: BTreeMap<PathBuf, Worker>,
}

struct Worker {
    questions: Sender<PathBuf>,
    answers: Receiver<io::Result<Space>>,
}

impl DiskProbe {
    /// Returns a probe that waits `timeout` for each answer.
    pub fn new(timeout: Duration) -> Self {
        Self::asking(timeout, statvfs)
    }

    fn asking(
        timeout: Duration,
        ask: impl Fn(&Path) -> io::Result<Space> + Send + Sync + 'static,
    ) -> Self {
        Self { ask: Arc::new(ask), timeout, worker: None, hung: BTreeMap::new() }
    }

    /// Returns the space of every mount that has any; the paths are looked up under `root`.
    pub fn disks(&mut self, root: &Path, mounts: Vec<Mount>) -> Vec<Disk> {
        mounts
            .into_iter()
            .map(|mount| {
                let space = self.space(&mounts::under(root, &mount.mount_point));
                Disk { mount, space: space.map_err(|error| describe(&error)) }
            })
            .filter(|disk| {
                disk.space.as_ref().is_ok_and(|space| space.total_bytes > 0) || disk.space.is_err()
            })
            .collect()
    }

    /// Returns the space of the file system that holds `path`.
    pub fn space(&mut self, path: &Path) -> Result<Space, DiskError> {
        let no_answer = || DiskError::NoAnswer { path: path.to_owned(), timeout: self.timeout };
        if let Some(worker) = self.hung.remove(path) {
            match worker.answers.try_recv() {
                Err(TryRecvError::Empty) => {
                    self.hung.insert(path.to_owned(), worker);
                    return Err(no_answer());
                }
                // It answered at last: ask again. Its thread ends with the channel.
                Ok(_) | Err(TryRecvError::Disconnected) => drop(worker),
            }
        }
        let worker = match self.worker.take() {
            Some(worker) => worker,
            None => Worker::start(self.ask.clone()).at(path, "start a thread to ask for")?,
        };
        if worker.questions.send(path.to_owned()).is_err() {
            return Err(no_answer());
        }
        match worker.answers.recv_timeout(self.timeout) {
            Ok(answer) => {
                self.worker = Some(worker);
                Ok(answer.at(path, "read the space of")?)
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hung.insert(path.to_owned(), worker);
                Err(no_answer())
            }
            Err(RecvTimeoutError::Disconnected) => Err(no_answer()),
        }
    }
}

fn describe(error: &DiskError) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

impl Worker {
    fn start(ask: Ask) -> io::Result<Self> {
        let (questions, received) = channel::<PathBuf>();
        let (answer, answers) = channel();
        thread::Builder::new().name("statvfs".to_owned()).spawn(move || {
            for path in received {
                if answer.send(ask(&path)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, answers })
    }
}

fn statvfs(path: &Path) -> io::Result<Space> {
    let stat = rustix::fs::statvfs(path)?;
    let bytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize);
    Ok(Space {
        total_bytes: bytes(stat.f_blocks),
        free_bytes: bytes(stat.f_bfree),
        available_bytes: bytes(stat.f_bavail),
        files: stat.f_files,
        files_free: stat.f_ffree,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn percent_is_what_df_shows() {
        let space =
            Space { total_bytes: 1000, free_bytes: 300, available_bytes: 100, ..Space::default() };

        assert_eq!(space.percent(), Some(87.5));
        assert_eq!(Space::default().percent(), None);
    }

    #[test]
    fn a_mount_that_hangs_costs_one_thread_and_delays_nobody_twice() {
        let (release, gate) = channel::<()>();
        let gate = Mutex::new(gate);
        let (starts, started) = channel();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let mut probe = DiskProbe::asking(Duration::from_millis(20), move |path| {
            if path == Path::new("/hung") {
                counter.fetch_add(1, Ordering::SeqCst);
                starts.send(()).unwrap();
                let _released = gate.lock().unwrap().recv();
            }
            Ok(Space { total_bytes: 1, ..Space::default() })
        });

        assert!(matches!(probe.space(Path::new("/hung")), Err(DiskError::NoAnswer { .. })));
        started.recv().unwrap();
        // A busy machine may take long to answer; what hangs is not waited for again.
        probe.timeout = LONG;
        for _ in 0..5 {
            assert!(probe.space(Path::new("/fine")).is_ok());
            assert!(matches!(probe.space(Path::new("/hung")), Err(DiskError::NoAnswer { .. })));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        drop(release);
        while probe.space(Path::new("/hung")).is_err() {
            thread::yield_now();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_missing_path_is_named() {
        let mut probe = DiskProbe::new(LONG);
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("x");

        let error = probe.space(&missing).unwrap_err();

        let message = format!("failed to read the space of `{}`", missing.display());
        assert_eq!(error.to_string(), message);
        assert_eq!(error.kind(), Kind::NotFound);
    }

    #[test]
    fn an_unanswered_disk_stands_in_the_json_with_its_error() {
        let mount = mounts::parse(b"1 0 8:1 / /x\xff rw - nfs server:/x rw\n").remove(0);
        let disk = Disk { mount, space: Err("no answer".to_owned()) };

        let json = serde_json::to_value(&disk).unwrap();

        assert_eq!(json["error"], "no answer");
        assert!(json["percent"].is_null());
        assert_eq!(json["mount_point_b64"], "L3j/");
    }
}
