//! A profile with two sources, and how it is run.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::archive::fixture::create_options;
use devops_core::{
    archive::Keys,
    cancel::Cancel,
    clock::FixedClock,
    kind::Kind,
    lock::LockOwner,
    profile::{
        Hooks, Profile, ProfileEvent, ProfileSource, PruneLimits, Report, RunContext, ShrinkRule,
        run,
    },
    retention::KeepPolicy,
};
use tempfile::TempDir;
use time::{OffsetDateTime, macros::datetime};

pub(crate) const START: OffsetDateTime = datetime!(2026-11-22 08:49:39 +1);
pub(crate) static NO_KEYS: Keys = Keys::none();

/// A profile with two sources, `a` and `b`.
pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) dest: PathBuf,
    pub(crate) sources: Vec<ProfileSource>,
    pub(crate) clock: FixedClock,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        // In memory, where there is such a folder: hundreds of archives are written to it.
        let memory = Path::new("/dev/shm");
        let dir = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let source = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            File::create(path.join("file")).unwrap().write_all(b"content").unwrap();
            ProfileSource { path, name: format!("home-{name}").parse().unwrap() }
        };
        let sources = vec![source("a"), source("b")];
        let dest = dir.path().join("dest");
        Self { dir, dest, sources, clock: FixedClock(START) }
    }

    pub(crate) fn profile(&self) -> Profile<'_> {
        Profile {
            name: "home",
            sources: &self.sources,
            dest: &self.dest,
            create: create_options(Path::new(""), &self.clock),
            verify: true,
            keys: &NO_KEYS,
            keep: KeepPolicy::default(),
            limits: PruneLimits::default(),
            shrink: ShrinkRule::default(),
            keep_free: 0,
            rehearsal: None,
            hooks: Hooks::default(),
            healthcheck: None,
            webhooks: Vec::new(),
            metrics_dir: None,
        }
    }

    /// Goes to the next day.
    pub(crate) fn next_day(&mut self) {
        self.clock = FixedClock(self.clock.0 + time::Duration::days(1));
    }

    /// Returns a command that appends to a log what a shell makes of `words`.
    pub(crate) fn log(&self, words: &str) -> String {
        format!("echo \"{words}\" >> {}", self.dir.path().join("log").display())
    }

    pub(crate) fn logged(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    }

    /// Returns hooks of every moment that say so.
    pub(crate) fn hooks(&self) -> Hooks {
        let say = |moment: &str| vec![self.log(&format!("{moment} $DEVOPS_BACKUP_STATUS"))];
        Hooks {
            before: say("before"),
            after: say("after"),
            on_failure: say("on_failure"),
            finally: say("finally"),
            timeout: Some(Duration::from_mins(1)),
        }
    }

    pub(crate) fn archives(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.dest) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

pub(crate) fn write(path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
    File::create(path).unwrap().write_all(content.as_ref()).unwrap();
}

pub(crate) fn holder() -> LockOwner {
    LockOwner::this_process(Path::new("/"), "web-1", START)
}

pub(crate) fn run_with(
    profile: &Profile<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Report {
    run_on(&holder(), profile, cancel, on_event)
}

pub(crate) fn run_on(
    holder: &LockOwner,
    profile: &Profile<'_>,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Report {
    let context = RunContext { holder, lock_wait: Duration::ZERO, exit_code: &code_of };
    run(profile, &context, cancel, on_event)
}

pub(crate) fn run_quietly(profile: &Profile<'_>) -> Report {
    run_with(profile, &Cancel::new(), &mut |_| {})
}

pub(crate) fn code_of(kind: Kind) -> u8 {
    match kind {
        Kind::Failed => 1,
        Kind::Temporary => 75,
        Kind::TimedOut => 124,
        Kind::Interrupted => 143,
        _ => 99,
    }
}
