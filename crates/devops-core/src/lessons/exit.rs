//! Exit codes: what a number means, in the shell and in these tools.

use bigdecimal::{ToPrimitive, num_bigint::BigInt};
use serde::Serialize;

use super::{LessonError, number};
use crate::cancel::signal_name;

/// What an exit code says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The code as a shell shows it in `$?`.
    pub code: u8,
    /// The number of the signal that ended the program, when the code says so.
    pub signal: Option<u8>,
    /// What it means in general.
    pub meaning: String,
    /// What it means when one of these tools gives it.
    pub in_these_tools: Option<&'static str>,
}

/// The usual cause of each signal that ends a program.
const CAUSES: [(u8, &str); 23] = [
    (1, "the terminal or session was closed"),
    (2, "Ctrl-C"),
    (3, "Ctrl-\\, with a core dump"),
    (4, "an instruction this CPU does not know"),
    (5, "a breakpoint without a debugger, or a check that the compiler put there"),
    (6, "the program gave up by itself: a failed assertion or a panic that aborts"),
    (7, "memory that is mapped but not there: often a file that was truncated"),
    (8, "arithmetic the CPU refuses, such as a division by zero"),
    (9, "often the OOM killer; in Kubernetes see OOMKilled"),
    (10, "for the program's own use"),
    (11, "memory that is not the program's"),
    (12, "for the program's own use"),
    (13, "the reader of its output has exited, as in `… | head`"),
    (14, "a timer of its own"),
    (15, "asked to stop: systemd, docker stop, Kubernetes, kill"),
    (16, "nothing in Linux sends it"),
    (24, "more CPU time than `ulimit -t` or LimitCPU allows"),
    (25, "a file larger than `ulimit -f` or LimitFSIZE allows"),
    (26, "a timer of its own that counts CPU time"),
    (27, "a timer of a profiler"),
    (29, "a file or socket is ready, and the program did not expect to be told"),
    (30, "the power supply fails"),
    (31, "a system call that is not allowed: seccomp, as in a container or a sandbox"),
];

/// Codes of `sysexits.h`.
const SYSEXITS: [(u8, &str); 15] = [
    (64, "the command was used wrongly (EX_USAGE)"),
    (65, "the input data was wrong (EX_DATAERR)"),
    (66, "an input could not be opened (EX_NOINPUT)"),
    (67, "a user is unknown (EX_NOUSER)"),
    (68, "a host is unknown (EX_NOHOST)"),
    (69, "a service is unavailable (EX_UNAVAILABLE)"),
    (70, "an internal error of the program (EX_SOFTWARE)"),
    (71, "the system failed, for instance to fork (EX_OSERR)"),
    (72, "a system file is missing or broken (EX_OSFILE)"),
    (73, "an output file could not be created (EX_CANTCREAT)"),
    (74, "reading or writing failed (EX_IOERR)"),
    (75, "a temporary failure: try again (EX_TEMPFAIL)"),
    (76, "the other side answered wrongly (EX_PROTOCOL)"),
    (77, "permission denied (EX_NOPERM)"),
    (78, "the configuration is wrong (EX_CONFIG)"),
];

/// Reads a code from 0 to 255, or `-n` as Python shows the end by signal n, and explains it.
pub fn explain(text: &str) -> Result<Explanation, LessonError> {
    let number = number::whole(text)?;
    if let Some(signal) = (-&number).to_u8().filter(|signal| (1..=64).contains(signal)) {
        let mut explanation = of_code(128 + signal);
        explanation.meaning.push_str("; Python's subprocess shows it as ");
        explanation.meaning.push_str(&number.to_string());
        return Ok(explanation);
    }
    code(text).map(of_code)
}

/// Reads an exit code; more than a byte would wrap.
pub fn code(text: &str) -> Result<u8, LessonError> {
    let number: BigInt = number::whole(text)?;
    number.to_u8().ok_or_else(|| LessonError::NotA {
        given: number.to_string(),
        wanted: if (&number % 256) == BigInt::ZERO { WRAPS_TO_ZERO } else { WRAPS },
    })
}

const WRAPS: &str = "an exit code (0 to 255): the system keeps its lowest 8 bits";
/// The one that would hide a failure.
const WRAPS_TO_ZERO: &str = "an exit code (0 to 255): it would wrap to 0";

fn of_code(code: u8) -> Explanation {
    let signal = code.checked_sub(128).filter(|signal| (1..=64).contains(signal));
    let meaning = match (code, signal) {
        (_, Some(signal)) => of_signal(signal),
        (0, _) => "done; the answer is yes".to_owned(),
        (1, _) => "failed; for grep and diff: nothing found, or different".to_owned(),
        (2, _) => "wrong usage, for most tools and for the shell's own commands".to_owned(),
        (124, _) => "a command took too long (timeout)".to_owned(),
        (125, _) => "the wrapper itself failed (timeout, env, docker run)".to_owned(),
        (126, _) => "the command was found but is not executable".to_owned(),
        (127, _) => "the command was not found".to_owned(),
        (128, _) => "an invalid argument of the shell's `exit`".to_owned(),
        (255, _) => "out of range or -1; ssh uses it for its own errors".to_owned(),
        _ => of_sysexits(code),
    };
    Explanation { code, signal, meaning, in_these_tools: of_ours(code) }
}

fn of_signal(signal: u8) -> String {
    let name = signal_name(signal.into());
    let cause = CAUSES.iter().find(|(number, _)| *number == signal);
    let end = match (signal, cause) {
        (_, Some((_, cause))) => format!("killed by {name} ({cause})"),
        (19..=22, None) => format!("stopped by {name}, as `jobs` of a shell shows it"),
        (17 | 18 | 23 | 28, None) => format!("{name}, which ends no program: it chose this code"),
        (_, None) => format!("killed by {name} (for the program's own use)"),
    };
    format!("128+{signal}: {end}")
}

fn of_sysexits(code: u8) -> String {
    let found = SYSEXITS.iter().find(|(known, _)| *known == code);
    found.map_or("no general meaning: see the program's manual", |(_, meaning)| meaning).to_owned()
}

fn of_ours(code: u8) -> Option<&'static str> {
    let meaning = match code {
        0 => "done; the answer is yes",
        1 => "failed at run time",
        2 => "wrong usage or input",
        3 => "partial: the result exists, but something was left out",
        5 => "a named thing was not found",
        10 => "the answer is no: drift, mismatch, damage, gate closed, service down",
        11 => "refused: a guard, a policy, a broken seal, or the person said no",
        70 => "a bug in the tool",
        75 => "temporary: locked, throttled, timed out, unreachable; try again",
        77 => "authentication or permission",
        78 => "configuration invalid",
        124 => "a command we ran timed out",
        125 => "a command could not be supervised",
        126 => "a command is not executable",
        127 => "a command was not found",
        _ => return None,
    };
    Some(meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn explains_signals_as_the_shell_and_python_show_them() {
        let killed = explain("137").unwrap();
        let python = explain("-9").unwrap();

        assert_eq!(
            killed.meaning,
            "128+9: killed by SIGKILL (often the OOM killer; in Kubernetes see OOMKilled)"
        );
        assert_eq!(killed.signal, Some(9));
        assert_eq!(python.code, 137);
        assert!(python.meaning.ends_with("Python's subprocess shows it as -9"));
    }

    #[test]
    fn every_signal_has_its_name() {
        for signal in 1..=64 {
            let meaning = of_code(128 + signal).meaning;
            assert!(meaning.contains("SIG") || matches!(signal, 32 | 33), "{meaning}");
        }
        for (code, start) in [
            ("133", "128+5: killed by SIGTRAP ("),
            ("148", "128+20: stopped by SIGTSTP"),
            ("145", "128+17: SIGCHLD, which ends no program"),
            ("152", "128+24: killed by SIGXCPU ("),
            ("159", "128+31: killed by SIGSYS (a system call that is not allowed"),
            ("162", "128+34: killed by SIGRTMIN ("),
        ] {
            let meaning = explain(code).unwrap().meaning;
            assert!(meaning.starts_with(start), "{meaning}");
        }
    }

    #[test]
    fn every_code_has_a_meaning() {
        for code in 0..=255_u8 {
            assert!(!of_code(code).meaning.is_empty());
        }
        assert_eq!(of_code(75).in_these_tools.map(|text| &text[..9]), Some("temporary"));
        assert_eq!(of_code(42).in_these_tools, None);
    }

    #[test]
    fn refuses_codes_that_would_wrap() {
        let refuse = |text| code(text).unwrap_err().to_string();

        assert_eq!(refuse("256"), "'256' is not an exit code (0 to 255): it would wrap to 0");
        assert!(refuse("257").starts_with("'257' is not an exit code (0 to 255): the system"));
        assert!(refuse("-1").starts_with("'-1' is not an exit code"));
        assert_eq!(refuse("abc"), "'abc' is not a whole number");
        assert_eq!(code("3").unwrap(), 3);
    }
}
