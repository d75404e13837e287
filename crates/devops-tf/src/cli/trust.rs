//! The trust in a project file, for each flag.

use devops_cli::trust::{
    Decision,
    Inside::{Path, PathOnly, Value},
    Stricter::{AtMost, On, Union},
    Trust::{Inside, Program, Project, Tighten, User},
};

/// The operands that are the subject of each command.
pub(super) const SUBJECTS: &[(&str, &[&str])] = &[
    ("apply", &["path"]),
    ("destroy", &["dir"]),
    ("drift", &["dir"]),
    ("init", &["dir"]),
    ("output", &["dir"]),
    ("plan", &["dir"]),
    ("recover", &["dir"]),
    ("run", &["dir"]),
    ("show", &["path"]),
    ("unlock", &["dir"]),
];

pub(super) const TRUST: &[Decision] = &[
    ("auto-approve", User),
    ("backend-config", Inside(PathOnly)),
    ("bin", Program),
    ("create-workspace", User),
    ("deny-destroy", Tighten(On)),
    ("detailed-exitcode", User),
    ("fail-on-changes", Tighten(On)),
    ("lock-timeout", Inside(Value)),
    ("max-changes", Tighten(AtMost(None))),
    ("name", Project),
    ("native", Project),
    ("out", User),
    ("protect", Tighten(Union)),
    ("seal-key", User),
    ("target", User),
    ("timeout", Inside(Value)),
    ("valid-for", User),
    ("var", User),
    ("var-file", Inside(Path)),
    ("workspace", Inside(Value)),
];
