//! Errors of lessons, with what was probably meant.

use devops_cli::Failure;
use devops_core::lessons::LessonError;

/// Turns a lesson's error into a failure, with the word that was probably meant as a hint.
pub(super) fn refused(error: LessonError) -> Failure {
    let hint = match &error {
        LessonError::UnknownWord { .. } => {
            error.meant().map(|meant| format!("did you mean '{meant}'?"))
        }
        LessonError::NotWhole(_) => Some("whole numbers look like 8, -7 or 1_000".to_owned()),
        LessonError::NotNumber(_) => Some("numbers look like 8, -0.5 or 1e3".to_owned()),
        _ => None,
    };
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
