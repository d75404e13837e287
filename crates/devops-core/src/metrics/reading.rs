//! One reading of every source, as raw counters.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use serde::Serialize;
use time::OffsetDateTime;

use super::{
    MetricsError,
    cpu::Stat,
    memory::MemInfo,
    mounts::{self, Mount},
    network::{self, InterfaceCounters},
};
use crate::{
    clock::Clock,
    fs::{IoResultExt, PathError, read_text},
};

/// The interrupt line of a large machine is long; nothing else comes near.
const FILE_LIMIT: u64 = 16 << 20;

/// Where a host's figures are read.
#[derive(Clone, Debug)]
pub struct HostCounters {
    root: PathBuf,
    started: Instant,
}

/// Raw counters of one moment; a source that could not be read is absent and named in `problems`.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The wall clock.
    pub time: OffsetDateTime,
    /// A clock that never jumps; only differences mean anything.
    pub monotonic: Duration,
    /// `/proc/stat`.
    pub stat: Option<Stat>,
    /// `/proc/meminfo`.
    pub meminfo: Option<MemInfo>,
    /// `/proc/loadavg`.
    pub load: Option<Load>,
    /// Seconds since boot.
    pub uptime_seconds: Option<f64>,
    /// `/proc/net/dev`.
    pub interfaces: Option<BTreeMap<String, InterfaceCounters>>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// A source that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `cpu`, `memory`, `load`, `uptime` or `network`.
    pub source: &'static str,
    /// The system's message.
    pub message: String,
}

/// The load averages.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Load {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

impl Load {
    /// Reads the text of `/proc/loadavg`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_ascii_whitespace().map(amount);
        Some(Self { one: numbers.next()??, five: numbers.next()??, fifteen: numbers.next()?? })
    }
}

/// Reads a number that counts something: `-1`, `nan` and `inf` are none.
fn amount(word: &str) -> Option<f64> {
    word.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)
}

impl HostCounters {
    /// Returns the sources of the host whose file system is at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), started: Instant::now() }
    }

    /// Returns the root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Fails when there is no host under the root at all.
    pub fn probe(&self) -> Result<(), MetricsError> {
        let readable = |name| self.text(name).is_ok();
        if readable("proc/stat") || readable("proc/meminfo") {
            return Ok(());
        }
        Err(MetricsError::NoHost { root: self.root.clone() })
    }

    /// Reads every source once.
    pub fn read(&self, clock: &dyn Clock) -> Reading {
        let mut problems = Vec::new();
        // First, so that the time belongs to the counters that are divided by it.
        let (time, monotonic) = (clock.now(), self.started.elapsed());
        let mut note = |source, result: Result<String, PathError>| {
            result
                .map_err(|error| {
                    let message = format!("{error}: {}", error.source);
                    problems.push(Problem { source, message });
                })
                .ok()
        };
        let stat = note("cpu", self.text("proc/stat")).map(|text| Stat::parse(&text));
        let meminfo = note("memory", self.text("proc/meminfo")).map(|text| MemInfo::parse(&text));
        let load = note("load", self.text("proc/loadavg")).and_then(|text| Load::parse(&text));
        let uptime = note("uptime", self.text("proc/uptime"));
        let interfaces =
            note("network", self.of_the_host("net/dev")).map(|text| network::parse(&text));
        Reading {
            time,
            monotonic,
            stat,
            meminfo,
            load,
            uptime_seconds: uptime.and_then(|text| amount(text.split_ascii_whitespace().next()?)),
            interfaces,
            problems,
        }
    }

    /// Returns the file systems that hold files.
    pub fn mounts(&self) -> Result<Vec<Mount>, PathError> {
        let read = |path: PathBuf| {
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .and_then(|file| file.take(FILE_LIMIT).read_to_end(&mut bytes))
                .at(&path, "read")?;
            Ok::<_, PathError>(bytes)
        };
        let own = || read(self.root.join("proc/self/mountinfo"));
        let bytes = if self.is_running_host() {
            own()?
        } else {
            read(self.root.join("proc/1/mountinfo")).or_else(|_| own())?
        };
        Ok(mounts::parse(&bytes))
    }

    fn is_running_host(&self) -> bool {
        self.root == Path::new("/")
    }

    /// In a container that is shown the host's root, process 1 belongs to the host and `self` does not.
    fn of_the_host(&self, name: &str) -> Result<String, PathError> {
        let own = self.root.join("proc").join(name);
        if self.is_running_host() {
            return read_text(&own, FILE_LIMIT);
        }
        read_text(&self.root.join("proc/1").join(name), FILE_LIMIT)
            .or_else(|_| read_text(&own, FILE_LIMIT))
    }

    fn text(&self, name: &str) -> Result<String, PathError> {
        read_text(&self.root.join(name), FILE_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_averages_that_make_no_sense_are_not_known() {
        assert_eq!(
            Load::parse("0.50 0.25 0.10 1/2 3\n"),
            Some(Load { one: 0.5, five: 0.25, fifteen: 0.1 })
        );
        for text in ["-1.00 0.2 0.1", "0.5 nan 0.1", "0.5 0.2 inf", "x 0.2 0.1", "0.5 0.2", ""] {
            assert_eq!(Load::parse(text), None, "{text}");
        }
    }
}
