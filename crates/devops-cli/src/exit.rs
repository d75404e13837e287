//! The one place that turns an outcome or a failure into an exit code.

use std::sync::atomic::{AtomicBool, Ordering};

use devops_core::kind::Kind;

use crate::failure::{Failure, Outcome};

/// Every failure of this process ends with 1.
static FAILS_WITH_1: AtomicBool = AtomicBool::new(false);

/// Makes every failure of this process end with 1 from now on, or does not.
pub(crate) fn fail_with_1(is_wanted: bool) {
    FAILS_WITH_1.store(is_wanted, Ordering::Relaxed);
}

/// Returns the exit code of `result`; `signal` is the first signal that came.
pub fn code(result: &Result<Outcome, Failure>, signal: Option<i32>) -> u8 {
    match result {
        Ok(Outcome::Done) => 0,
        Ok(Outcome::Partial(_)) => 3,
        Ok(Outcome::No) => 10,
        Ok(Outcome::Code(code)) => *code,
        Err(failure) => of_kind(failure.kind, signal),
    }
}

/// Returns the exit code of a kind of failure; `signal` is the first signal that came.
pub fn of_kind(kind: Kind, signal: Option<i32>) -> u8 {
    match kind {
        _ if FAILS_WITH_1.load(Ordering::Relaxed) => 1,
        Kind::Failed | Kind::Exists => 1,
        Kind::Usage => 2,
        Kind::NotFound => 5,
        Kind::Mismatch => 10,
        Kind::Denied | Kind::Seal | Kind::Differs | Kind::Unsaved | Kind::Declined => 11,
        Kind::Bug => 70,
        Kind::Temporary | Kind::Uncertain => 75,
        Kind::Permission => 77,
        Kind::Configuration => 78,
        Kind::TimedOut => 124,
        Kind::NotSupervised => 125,
        Kind::NotExecutable => 126,
        Kind::CommandNotFound => 127,
        Kind::Interrupted => {
            let signal = signal.unwrap_or(signal_hook::consts::SIGINT);
            u8::try_from(128 + signal).unwrap_or(u8::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_codes_of_the_contract() {
        assert_eq!(code(&Ok(Outcome::Done), None), 0);
        assert_eq!(code(&Ok(Outcome::Partial(String::new())), None), 3);
        assert_eq!(code(&Ok(Outcome::No), None), 10);
        assert_eq!(code(&Ok(Outcome::Code(42)), None), 42);
    }

    #[test]
    fn kinds_have_the_codes_of_the_contract() {
        let table = [
            (Kind::Failed, 1),
            (Kind::Exists, 1),
            (Kind::Usage, 2),
            (Kind::NotFound, 5),
            (Kind::Mismatch, 10),
            (Kind::Denied, 11),
            (Kind::Seal, 11),
            (Kind::Differs, 11),
            (Kind::Unsaved, 11),
            (Kind::Declined, 11),
            (Kind::Bug, 70),
            (Kind::Temporary, 75),
            (Kind::Uncertain, 75),
            (Kind::Permission, 77),
            (Kind::Configuration, 78),
            (Kind::TimedOut, 124),
            (Kind::NotSupervised, 125),
            (Kind::NotExecutable, 126),
            (Kind::CommandNotFound, 127),
        ];
        for (kind, expected) in table {
            assert_eq!(of_kind(kind, None), expected, "{kind:?}");
        }
    }

    #[test]
    fn an_interruption_ends_with_the_number_of_its_signal() {
        assert_eq!(of_kind(Kind::Interrupted, Some(1)), 129);
        assert_eq!(of_kind(Kind::Interrupted, Some(2)), 130);
        assert_eq!(of_kind(Kind::Interrupted, Some(15)), 143);
    }
}
