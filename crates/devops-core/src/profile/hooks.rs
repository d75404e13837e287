//! Commands around a backup.

use std::{ffi::OsString, path::Path};

use super::{
    event::ProfileEvent,
    options::Hooks,
    report::{Problem, Report, chain},
};
use crate::{
    cancel::{Cancel, signal_name},
    kind::{HasKind, Kind},
    process::{self, ChildExit, ChildStatus, CommandSpec, ProcessEvent},
};

/// When hooks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookPhase {
    Before,
    After,
    OnFailure,
    Finally,
}

impl HookPhase {
    /// Returns the key of these hooks.
    fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::OnFailure => "on_failure",
            Self::Finally => "finally",
        }
    }

    pub(super) fn is_cleanup(self) -> bool {
        matches!(self, Self::OnFailure | Self::Finally)
    }
}

/// Returns the variables of a hook; those not known yet are removed, so that none is inherited.
pub(super) fn environment(
    report: &Report,
    exit_code: Option<u8>,
) -> Vec<(OsString, Option<OsString>)> {
    let archives: Vec<_> = report.archives().map(Path::as_os_str).collect();
    let archives = archives.join("\n".as_ref());
    let is_over = exit_code.is_some();
    let value = |value: OsString| Some(value).filter(|value| is_over && !value.is_empty());
    let error = report.error().unwrap_or_default();
    vec![
        // A holder of these addresses can send reports as us, and no hook needs to.
        ("DEVOPS_BACKUP_HEALTHCHECK".into(), None),
        ("DEVOPS_BACKUP_WEBHOOK".into(), None),
        ("DEVOPS_BACKUP_PROFILE".into(), Some(report.profile.clone().into())),
        ("DEVOPS_BACKUP_ARCHIVE".into(), value(archives)),
        ("DEVOPS_BACKUP_STATUS".into(), value(report.status.name().into())),
        ("DEVOPS_BACKUP_EXIT_CODE".into(), exit_code.map(|code| code.to_string().into())),
        ("DEVOPS_BACKUP_ERROR".into(), value(error.into())),
    ]
}

/// Runs the hooks of a moment, until one fails; the last ones all the same.
pub(super) fn run(
    hooks: &Hooks,
    moment: HookPhase,
    environment: &[(OsString, Option<OsString>)],
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Result<(), Problem> {
    let commands = match moment {
        HookPhase::Before => &hooks.before,
        HookPhase::After => &hooks.after,
        HookPhase::OnFailure => &hooks.on_failure,
        HookPhase::Finally => &hooks.finally,
    };
    let mut first = Ok(());
    for (index, command) in commands.iter().enumerate() {
        on_event(ProfileEvent::Hook(moment.name(), index + 1));
        let mut spec = CommandSpec::new("/bin/sh").arg("-c").arg(command);
        spec.env = environment.to_vec();
        spec.timeout = hooks.timeout;
        let place = format!("`{}` hook {}", moment.name(), index + 1);
        first = first.and(run_one(&spec, &place, cancel, on_event));
        if first.is_err() && moment != HookPhase::Finally {
            break;
        }
    }
    first
}

fn run_one(
    spec: &CommandSpec,
    place: &str,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(ProfileEvent<'_>),
) -> Result<(), Problem> {
    let ended = process::run(spec, cancel, &mut |event| {
        if let ProcessEvent::Line { bytes, .. } = event {
            on_event(ProfileEvent::HookLine(&bytes));
        }
    });
    let exit = ended.map_err(|error| {
        Problem::new(error.kind(), format!("{place} failed: {}", chain(&error)))
    })?;
    // A signal that came to us ended the hook too.
    cancel.check().map_err(|error| Problem::from(&error))?;
    verdict(&exit, place)
}

fn verdict(exit: &ChildExit, place: &str) -> Result<(), Problem> {
    let (kind, how) = match exit.status {
        _ if exit.timed_out => (Kind::TimedOut, "took too long".to_owned()),
        ChildStatus::Code(0) => return Ok(()),
        ChildStatus::Code(code) => (Kind::Failed, format!("failed with exit code {code}")),
        ChildStatus::Signal(signal) => {
            (Kind::Failed, format!("was ended by {}", signal_name(signal)))
        }
    };
    // The command itself is not shown: it may hold a password.
    Err(Problem::new(kind, format!("{place} {how}")))
}
