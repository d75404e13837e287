//! The kinds of trust in a project file.

/// A row of a table: a long flag, or one of a subcommand as `check.interval`; and what a project may do.
pub type Decision = (&'static str, Trust);

/// The trust in a project file for a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It sets the flag as any file does: looks and speed.
    Project,
    /// It only makes the rule stricter.
    Tighten(Stricter),
    /// It sets the flag for what lies inside the project.
    Inside(Inside),
    /// It may not set the flag.
    User,
    /// It may not set the flag, which starts a program or changes what a program does; nor may a file that
    /// others can write.
    Program,
}

/// The order of the values of a rule, from loose to strict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stricter {
    /// All items of all lists, of things that are denied or protected.
    Union,
    /// The least number. Where nothing is set, a rule of the tool holds that allows this many at least;
    /// `None` where nothing is limited then.
    AtMost(Option<u64>),
    /// `true`.
    On,
    /// The word that comes first.
    First(&'static [&'static str]),
}

/// The kind of values of a flag that counts only inside the project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Anything but a path.
    Value,
    /// Paths, which lie inside the project too.
    Path,
    /// Paths inside the project; `KEY=VALUE`, which the flag takes as well, is the user's.
    PathOnly,
    /// Patterns of excluded files: they add to those of other config files.
    Excludes,
    /// Files of such patterns, inside the project.
    ExcludeFiles,
    /// Patterns of included files: only those count that other config files have too.
    Includes,
}

impl Inside {
    /// Returns whether the values are paths.
    pub(crate) fn is_path(self) -> bool {
        matches!(self, Self::Path | Self::PathOnly | Self::ExcludeFiles)
    }
}

impl Trust {
    /// Returns whether a project file may set the flag at all.
    pub(crate) fn is_for_projects(self) -> bool {
        !matches!(self, Self::User | Self::Program)
    }

    /// Returns the word for it in `config show --trust`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Tighten(_) => "tighten",
            Self::Inside(_) => "inside",
            Self::User | Self::Program => "user",
        }
    }
}
