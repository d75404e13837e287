//! The trust in a project file for each flag.

use devops_cli::trust::{
    Decision,
    Stricter::{On, Union},
    Trust::{Program, Project, Tighten, User},
};

pub(super) const TRUST: &[Decision] = &[
    ("at", User),
    ("backoff", Project),
    ("capture", User),
    ("choices", User),
    ("cwd", Program),
    ("default", User),
    ("env", Program),
    ("fail-fast", User),
    ("file", User),
    ("format", Project),
    ("from", User),
    ("gate", User),
    ("keep-order", Project),
    ("kill-after", User),
    ("lines", Project),
    // With it a command shows what the lesson's script does, and does nothing else.
    ("notes", User),
    ("null", User),
    ("output", Project),
    ("parallel", Project),
    ("require", Tighten(Union)),
    ("retries", User),
    ("secret", Tighten(On)),
    ("timeout", User),
    ("service.timeout", Project),
    ("tz", User),
];
