//! The series that the archives of one name belong to: those of one host, machine and source.
//!
//! Pure, and the same for archives here and off-site.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::Origin;

/// The things that all archives of a series have in common, beside their name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// The name of the host.
    pub host: String,
    /// The source.
    pub source: PathBuf,
    /// The hash of the id of the machine; `None` where no archive of the series has one, or those of
    /// several machines have the host and the source.
    pub machine: Option<String>,
}

/// The series among archives of one name.
///
/// An archive without the id of a machine belongs to the series of its host and source that has one.
/// One that was made by an older version is of the source that it was made from, links resolved: it
/// belongs to the series that has it so, if there is none that was given it. Where this leaves a
/// choice, such an archive is of a series of its own: no archive then goes for another.
#[derive(Debug, Default)]
pub(crate) struct SeriesMap<'a> {
    /// The machines of each host and source.
    machines: BTreeMap<(&'a str, &'a Path), BTreeSet<&'a str>>,
    /// The sources of each host that are each path with its links resolved.
    resolved: BTreeMap<(&'a str, &'a Path), BTreeSet<&'a Path>>,
}

impl<'a> SeriesMap<'a> {
    /// Reads the origins of all archives of the name.
    pub(crate) fn new(origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        let mut map = Self::default();
        for Origin { host, machine, source, resolved, .. } in origins {
            if let Some(machine) = machine {
                map.machines.entry((host, source)).or_default().insert(machine);
            }
            if let Some(resolved) = resolved {
                map.resolved.entry((host, resolved)).or_default().insert(source);
            }
        }
        map
    }

    /// Returns the series of one of the archives.
    pub(crate) fn series(&self, origin: &Origin) -> Series {
        let Origin { host, machine, source, .. } = origin;
        let mut place = (host.as_str(), source.as_path());
        if machine.is_none()
            && !self.machines.contains_key(&place)
            && let Some(given) = self.resolved.get(&place).and_then(only)
        {
            place.1 = given;
        }
        let machines = self.machines.get(&place);
        let machine = machine.as_deref().or_else(|| machines.and_then(only).copied());
        let (host, source) = place;
        Series {
            host: host.to_owned(),
            source: source.to_owned(),
            machine: machine.map(str::to_owned),
        }
    }
}

/// Returns the one member of a set.
fn only<T: Ord>(set: &BTreeSet<T>) -> Option<&T> {
    set.first().filter(|_| set.len() == 1)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    /// Reads `HOST MACHINE SOURCE RESOLVED`, with `-` for what is not recorded.
    fn origin(text: &str) -> Origin {
        let words: Vec<_> = text.split(' ').collect();
        let word = |n: usize| Some(words[n]).filter(|word| *word != "-");
        Origin {
            host: words[0].to_owned(),
            machine: word(1).map(str::to_owned),
            source: words[2].into(),
            resolved: word(3).map(PathBuf::from),
            started: datetime!(2026-11-22 08:49:39 +1),
        }
    }

    /// Returns the number of the first archive of each one's series.
    fn grouped(origins: &[&str]) -> Vec<usize> {
        let origins: Vec<_> = origins.iter().map(|text| origin(text)).collect();
        let map = SeriesMap::new(&origins);
        let series: Vec<_> = origins.iter().map(|origin| map.series(origin)).collect();
        series.iter().map(|one| series.iter().position(|other| other == one).unwrap()).collect()
    }

    #[test]
    fn a_series_is_of_one_host_machine_and_source() {
        let origins =
            ["web a /srv -", "web a /srv -", "db a /srv -", "web b /srv -", "web a /home -"];

        assert_eq!(grouped(&origins), [0, 0, 2, 3, 4]);
    }

    #[test]
    fn an_archive_without_a_machine_is_of_the_one_there_is() {
        assert_eq!(grouped(&["web - /srv -", "web a /srv -", "web - /srv -"]), [0, 0, 0]);
        assert_eq!(grouped(&["web - /srv -", "db a /srv -"]), [0, 1]);
        assert_eq!(grouped(&["web - /srv -", "web a /srv -", "web b /srv -"]), [0, 1, 2]);
    }

    #[test]
    fn an_older_archive_is_of_the_source_that_resolves_to_its_own() {
        let moved =
            ["web - /releases/1 -", "web a /current /releases/1", "web a /current /releases/2"];
        let two_links = ["web - /data -", "web a /one /data", "web a /two /data"];
        let by_itself = ["web - /data -", "web a /link /data", "web a /data -"];

        assert_eq!(grouped(&moved), [0, 0, 0]);
        assert_eq!(grouped(&two_links), [0, 1, 2]);
        assert_eq!(grouped(&by_itself), [0, 1, 0]);
        assert_eq!(grouped(&["web a /data -", "web a /link /data"]), [0, 1]);
    }
}
