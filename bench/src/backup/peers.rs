//! The programs to compare with: which are installed, and how those with a repository are called.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::Lab;
use crate::{programs::Program, rounds::Candidate};

/// Each program, and how it is installed.
pub(super) const PROGRAMS: &[Program] = &[
    Program::of_debian("tar", "tar"),
    Program::of_debian("gzip", "gzip"),
    Program::of_debian("pigz", "pigz"),
    Program::of_debian("bsdtar", "libarchive-tools"),
    Program::of_debian("python3", "python3"),
    Program { version: &["restic", "version"], ..Program::of_debian("restic", "restic") },
    Program::of_debian("borg", "borgbackup"),
];

/// A tool that keeps backups in a repository of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repository {
    Restic,
    Borg,
}

impl Repository {
    /// Returns those that are installed.
    pub(super) fn installed(lab: &Lab) -> impl Iterator<Item = Self> {
        [Self::Restic, Self::Borg].into_iter().filter(|peer| lab.installed.has(peer.name()))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Restic => "restic",
            Self::Borg => "borg",
        }
    }

    /// Returns where its repository and caches are, in the place.
    pub(super) fn state(self) -> String {
        format!("{}-state", self.name())
    }

    fn env(self, lab: &Lab) -> Vec<(&'static str, OsString)> {
        let inside = |name: &str| lab.place.path(self.state()).join(name).into_os_string();
        match self {
            Self::Restic => vec![
                ("RESTIC_REPOSITORY", inside("repository")),
                ("RESTIC_CACHE_DIR", inside("cache")),
                ("RESTIC_PASSWORD", "bench".into()),
            ],
            Self::Borg => vec![
                ("BORG_REPO", inside("repository")),
                ("BORG_BASE_DIR", inside("base")),
                ("BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK", "yes".into()),
                ("BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes".into()),
            ],
        }
    }

    /// Makes an empty repository.
    pub(super) fn init(self, lab: &Lab) -> Result<()> {
        lab.place.empty(&self.state())?;
        let argv: &[&str] = match self {
            Self::Restic => &["restic", "init"],
            Self::Borg => &["borg", "init", "--encryption", "none"],
        };
        lab.place.prepare(argv, &self.env(lab))
    }

    /// Makes a repository with one backup of `tree`, and keeps a copy to go back to.
    pub(super) fn base(self, lab: &Lab, tree: &Path) -> Result<PathBuf> {
        self.init(lab)?;
        let argv: Vec<_> = ["env", "-C"].into_iter().map(OsString::from).collect();
        let argv = [argv, vec![tree.into()], self.words(&self.backup("base"))].concat();
        let argv: Vec<_> = argv.iter().map(|word| word.to_str().unwrap_or_default()).collect();
        lab.place.prepare(&argv, &self.env(lab))?;
        let kept = format!("{}-base", self.state());
        lab.place.copy(&lab.place.path(self.state()), &kept)?;
        Ok(lab.place.path(kept))
    }

    fn words(self, argv: &[String]) -> Vec<OsString> {
        std::iter::once(self.name().into()).chain(argv.iter().map(OsString::from)).collect()
    }

    fn backup(self, name: &str) -> Vec<String> {
        match self {
            Self::Restic => vec!["backup".to_owned(), ".".to_owned()],
            Self::Borg => vec!["create".to_owned(), format!("::{name}"), ".".to_owned()],
        }
    }

    fn candidate<'a>(self, lab: &Lab, argv: &[&str]) -> Candidate<'a> {
        let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
        Candidate::new(self.name(), self.words(&argv)).env(&self.env(lab))
    }

    /// Backs up `tree`.
    pub(super) fn create<'a>(self, lab: &Lab, tree: &Path) -> Candidate<'a> {
        let argv = self.words(&self.backup("run"));
        let state = lab.place.path(self.state()).join("repository");
        Candidate::new(self.name(), argv).env(&self.env(lab)).in_folder(tree).makes(&state)
    }

    pub(super) fn list<'a>(self, lab: &Lab) -> Candidate<'a> {
        self.candidate(
            lab,
            match self {
                Self::Restic => &["ls", "latest"],
                Self::Borg => &["list", "::base"],
            },
        )
    }

    /// Writes one file of the backup to `out`.
    pub(super) fn one<'a>(self, lab: &Lab, file: &str, out: &Path) -> Candidate<'a> {
        let rooted = format!("/{file}");
        let candidate = match self {
            Self::Restic => self.candidate(lab, &["dump", "latest", &rooted]),
            Self::Borg => self.candidate(lab, &["extract", "--stdout", "::base", file]),
        };
        candidate.writes(out)
    }

    /// Restores the whole backup into the folder `to`.
    pub(super) fn restore<'a>(self, lab: &Lab, to: &Path) -> Candidate<'a> {
        match self {
            Self::Restic => {
                let to = to.to_str().unwrap_or_default();
                self.candidate(lab, &["restore", "latest", "--target", to])
            }
            Self::Borg => self.candidate(lab, &["extract", "::base"]).in_folder(to),
        }
    }

    pub(super) fn verify<'a>(self, lab: &Lab) -> Candidate<'a> {
        self.candidate(
            lab,
            match self {
                Self::Restic => &["check", "--read-data"],
                Self::Borg => &["check", "--verify-data"],
            },
        )
    }
}
