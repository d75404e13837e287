//! The programs to compare with: which are installed, and how those with a repository are called.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::Lab;
use crate::{measure::Place, rounds::Candidate};

/// Each program with its Debian package.
const PROGRAMS: [(&str, &str); 7] = [
    ("tar", "tar"),
    ("gzip", "gzip"),
    ("pigz", "pigz"),
    ("bsdtar", "libarchive-tools"),
    ("python3", "python3"),
    ("restic", "restic"),
    ("borg", "borgbackup"),
];

/// The version of each program that takes part, or none.
pub(super) struct Installed(Vec<(&'static str, Option<String>)>);

impl Installed {
    /// Returns the names of those a bench can do without; with tar everything is compared.
    pub(super) fn optional() -> Vec<&'static str> {
        PROGRAMS.iter().map(|(name, _)| *name).filter(|name| *name != "tar").collect()
    }

    /// Finds all but those not wanted: the slow ones take most of the time.
    pub(super) fn find(place: &Place, without: &[String]) -> Self {
        let wanted = PROGRAMS.into_iter().filter(|(name, _)| !without.iter().any(|no| no == name));
        Self(wanted.map(|(name, _)| (name, version(place, name))).collect())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(installed, version)| *installed == name && version.is_some())
    }

    pub(super) fn print(&self) {
        for (name, version) in &self.0 {
            if let Some(version) = version {
                println!("  {version}");
            } else {
                let package = PROGRAMS.iter().find(|(program, _)| program == name);
                let package = package.map_or(*name, |(_, package)| package);
                println!("  {name} is left out: not installed (apt-get install {package})");
            }
        }
    }

    pub(super) fn versions(&self) -> serde_json::Map<String, serde_json::Value> {
        self.0.iter().map(|(name, version)| ((*name).to_owned(), version.clone().into())).collect()
    }
}

fn version(place: &Place, name: &str) -> Option<String> {
    let argument = if name == "restic" { "version" } else { "--version" };
    let output = place.command(&[name, argument]).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let line = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
    output.status.success().then_some(line)
}

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
        lab.empty(&self.state())?;
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
        lab.copy(&lab.place.path(self.state()), &kept)?;
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
