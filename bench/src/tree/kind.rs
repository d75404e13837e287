//! The kinds of files in a home folder, and how many of the files and bytes each makes up.
//!
//! The reasoning behind the table:
//!
//! - Counts and bytes go apart. Studies of file systems (Agrawal et al. 2007 over 60,000 machines,
//!   before them Douceur and Bolosky 1999) find a median of a few kibibytes and a mean some forty
//!   times that: log-normal bodies with a heavy tail. So each kind has a log-normal size with its own
//!   spread, and many small files share few bytes.
//! - In a developer's home most *files* are source code, most of it that of dependencies
//!   (`node_modules`, registries, virtual environments), beside small JSON, lock files and
//!   configuration.
//! - Most *bytes* are elsewhere: what builds leave (objects, libraries, debug information), pictures,
//!   downloads and archives, a few videos, databases of browsers and tools, logs.
//! - Compressed already are pictures, sound, video, archives, packs of git and office documents:
//!   39 % of the bytes here. A home with a photo library has more, a build server less;
//!   `--tree DIR` measures a folder of your own instead.
//!
//! What `gzip -6` leaves of each kind, measured on the default tree: source 0.21, prose 0.33,
//! records 0.24, logs 0.18, databases 0.39, objects 0.48, all that is compressed already 1.00;
//! of the tree as a whole 0.58. Real source and prose leave about as much, real logs a little less.

use fastrand::Rng;

use super::{
    code::Code,
    content::Content,
    media::{Deflated, Photo, Video},
    object::Object,
    pages::Pages,
    prose::Prose,
    records::{Log, Records},
    words::Words,
};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Source,
    Prose,
    Records,
    Log,
    Database,
    Object,
    Document,
    Photo,
    Video,
    Archive,
    Loose,
    Setting,
    Empty,
}

/// The part of one kind in the whole.
pub(super) struct Share {
    pub(super) kind: Kind,
    /// Of a thousand files.
    pub(super) of_files: usize,
    /// Of a thousand bytes.
    pub(super) of_bytes: u64,
    /// The standard deviation of the logarithm of the size.
    pub(super) spread: f64,
}

/// Both columns add up to a thousand.
pub(super) const SHARES: [Share; 13] = [
    share(Kind::Source, 560, 167, 1.3),
    share(Kind::Prose, 90, 45, 1.4),
    share(Kind::Records, 85, 90, 1.9),
    share(Kind::Log, 12, 60, 1.7),
    share(Kind::Database, 4, 60, 1.3),
    share(Kind::Object, 70, 190, 1.6),
    share(Kind::Document, 25, 55, 1.2),
    share(Kind::Photo, 45, 150, 1.6),
    share(Kind::Video, 2, 90, 1.2),
    share(Kind::Archive, 12, 89, 1.8),
    share(Kind::Loose, 60, 3, 1.0),
    share(Kind::Setting, 20, 1, 0.8),
    share(Kind::Empty, 15, 0, 0.0),
];

const fn share(kind: Kind, of_files: usize, of_bytes: u64, spread: f64) -> Share {
    Share { kind, of_files, of_bytes, spread }
}

impl Kind {
    /// Returns the maker of a file's bytes.
    pub(super) fn content<'a>(self, seed: u64, words: &'a Words) -> Box<dyn Content + 'a> {
        let rng = Rng::with_seed(seed);
        match self {
            Self::Source => Box::new(Code::new(rng, words)),
            Self::Prose => Box::new(Prose::new(rng, words)),
            Self::Records | Self::Setting => Box::new(Records::new(rng, words)),
            Self::Log => Box::new(Log::new(rng, words)),
            Self::Database => Box::new(Pages::new(rng, words)),
            Self::Object => Box::new(Object::new(rng, words)),
            Self::Document | Self::Archive => Box::new(Deflated::new(rng, words)),
            Self::Photo => Box::new(Photo::new(rng)),
            Self::Video => Box::new(Video::new(rng)),
            Self::Loose | Self::Empty => Box::new(Deflated::loose(rng, words)),
        }
    }

    /// Returns whether a home holds the same file twice now and then.
    pub(super) fn has_copies(self) -> bool {
        matches!(self, Self::Source | Self::Records | Self::Object | Self::Photo | Self::Document)
    }
}

#[cfg(test)]
mod tests {
    use super::SHARES;

    #[test]
    fn the_shares_make_up_the_whole() {
        assert_eq!(SHARES.iter().map(|share| share.of_files).sum::<usize>(), 1000);
        assert_eq!(SHARES.iter().map(|share| share.of_bytes).sum::<u64>(), 1000);
    }
}
