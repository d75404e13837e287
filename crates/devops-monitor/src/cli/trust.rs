//! The trust in a project file, for each flag.

use devops_cli::trust::{
    Decision,
    Trust::{Project, User},
};

pub(super) const TRUST: &[Decision] = &[
    ("allow-anonymous", User),
    ("allow-host", User),
    ("auth-file", User),
    ("base-path", User),
    ("bind", User),
    ("count", Project),
    ("cpu", User),
    ("disk", User),
    ("interval", Project),
    ("memory", User),
    ("nagios", User),
    ("root-path", User),
];
