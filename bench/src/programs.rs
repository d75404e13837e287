//! The programs to compare with: which are installed, and how those that are not would be.

use serde_json::{Map, Value};

use crate::place::Place;

/// A program that may be installed.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    /// What tells its version, and so that it is there.
    pub(crate) version: &'static [&'static str],
    /// What a person would type.
    pub(crate) install: (&'static str, &'static str),
}

impl Program {
    pub(crate) const fn of_debian(name: &'static str, package: &'static str) -> Self {
        Self { name, version: &[], install: ("apt-get install", package) }
    }

    pub(crate) const fn of_python(name: &'static str, package: &'static str) -> Self {
        Self { name, version: &[], install: ("pip install", package) }
    }

    /// Returns what it says of its version, if it is installed.
    fn installed(&self, place: &Place) -> Option<String> {
        let usual = [self.name, "--version"];
        let words = if self.version.is_empty() { &usual } else { self.version };
        let output = place.command(words).output().ok()?;
        let said = [output.stdout, output.stderr].concat();
        let line = String::from_utf8_lossy(&said).lines().next()?.trim().to_owned();
        output.status.success().then_some(line)
    }
}

/// The version of each program that takes part, or none.
pub(crate) struct Installed(Vec<(Program, Option<String>)>);

impl Installed {
    /// Finds all but those not wanted: the slow ones take most of the time.
    pub(crate) fn find(place: &Place, programs: &[Program], without: &[String]) -> Self {
        let wanted = programs.iter().filter(|program| !without.iter().any(|no| no == program.name));
        Self(wanted.map(|program| (*program, program.installed(place))).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(program, version)| program.name == name && version.is_some())
    }

    pub(crate) fn print(&self) {
        for (Program { name, install: (how, package), .. }, version) in &self.0 {
            match version {
                Some(version) if version.contains(name) => println!("  {version}"),
                Some(version) => println!("  {name} {version}"),
                None => println!("  {name} is left out: not installed ({how} {package})"),
            }
        }
    }

    pub(crate) fn versions(&self) -> Map<String, Value> {
        let versions = self.0.iter();
        versions
            .map(|(program, version)| (program.name.to_owned(), version.clone().into()))
            .collect()
    }
}
