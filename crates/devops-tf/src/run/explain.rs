//! Errors of terraform, with what may help.

use std::time::Duration;

use devops_cli::Failure;
use devops_core::{
    clock::{Clock, SystemClock},
    kind::{HasKind, Kind},
    process::ChildStatus,
    terraform::{SealError, StateLock, TerraformError, UnsavedError},
    units::format_duration,
};

/// Adds what may help to a failure of terraform.
pub(super) fn explain(error: TerraformError) -> Failure {
    let hint = hint(&error);
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

pub(super) fn hint(error: &TerraformError) -> Option<String> {
    let hint = match error {
        TerraformError::Locked { lock } => return Some(lock_hint(lock)),
        TerraformError::Missing { what: "workspace", .. } => {
            "`run`, `plan` and `apply` create it with `--create-workspace`"
        }
        _ if error.kind() == Kind::CommandNotFound => {
            "install terraform or tofu, or name one with `--bin`"
        }
        TerraformError::ConflictingArgument { place, .. } if place.starts_with("environment") => {
            "unset it; devops-tf has its own flags and subcommands for this"
        }
        TerraformError::Unsaved(UnsavedError::Waiting { .. }) => {
            "save it with `devops-tf recover DIR` first: another run would go over it"
        }
        TerraformError::ConflictingArgument { .. } => {
            "devops-tf sets this flag itself, or it is a part of the plan"
        }
        TerraformError::Seal(SealError::Closed) => "give a file of secret keys with `--identity`",
        TerraformError::Seal(SealError::NoKey) => "give the file of the key with `--seal-key`",
        TerraformError::Seal(_) => "make a new plan with `devops-tf plan DIR --out PLAN`",
        TerraformError::Failed { end: ChildStatus::Signal(_), .. } => {
            "terraform had no time to clean up; the state may still be locked"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Says since when the lock is held, and how to break it.
pub(super) fn lock_hint(lock: &StateLock) -> String {
    let now = SystemClock::new(time::UtcOffset::UTC).now();
    let age = lock.created.and_then(|created| Duration::try_from(now - created).ok());
    let age = age.map(format_duration);
    let held = match (age, &lock.operation) {
        (Some(age), Some(operation)) => format!("it was taken {age} ago for {operation}; "),
        (Some(age), None) => format!("it was taken {age} ago; "),
        (None, _) => String::new(),
    };
    let Some(id) = &lock.id else {
        return "wait with `--lock-timeout`; terraform does not say who holds it".to_owned();
    };
    format!(
        "{held}wait with `--lock-timeout`, or, if the one who took it is gone, break it with \
         `devops-tf unlock DIR {id}` (`terraform force-unlock {id}`)"
    )
}
