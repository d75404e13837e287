//! Many cases side by side, and what came of all.

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, available_parallelism},
    time::Instant,
};

use devops_core::kind::Kind;
use devops_fakes::s3::FAULTS;

use crate::s3::fault_case::{CaseOutcome, InjectedError};

/// Most cases wait most of the time; more of them than a processor can serve would miss their answers.
const PER_PROCESSOR: usize = 8;
const MOST_WORKERS: usize = 24;

/// Something that is tried by itself, with a server of its own.
pub(crate) trait Case: Sync {
    fn name(&self) -> String;

    /// Tries it; says what is not as it has to be.
    fn judge(&self) -> Result<CaseOutcome, String>;

    /// Returns whether it takes much longer than others.
    fn waits(&self) -> bool;
}

/// Tries all cases and tells of all that are not as they have to be; returns how many ended with what
/// they were to make, and how many with an honest failure.
#[track_caller]
pub(crate) fn check<C: Case>(mut cases: Vec<C>) -> (usize, usize) {
    // What waits longest begins first.
    cases.sort_by_key(|case| !case.waits());
    let (next, n_right) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let bad = Mutex::new(Vec::new());
    let n_workers = (PER_PROCESSOR * available_parallelism().unwrap().get()).min(MOST_WORKERS);
    thread::scope(|scope| {
        for _ in 0..n_workers.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match case.judge() {
                        Ok(CaseOutcome::Stored) => drop(n_right.fetch_add(1, Ordering::Relaxed)),
                        Ok(CaseOutcome::ReportedFailure) => {}
                        Err(wrong) => {
                            bad.lock().unwrap().push(format!("{}: {wrong}", case.name()));
                        }
                    }
                }
            });
        }
    });
    let (bad, n_right) = (bad.into_inner().unwrap(), n_right.into_inner());
    assert!(bad.is_empty(), "{} of {} cases:\n{}", bad.len(), cases.len(), bad.join("\n"));
    (n_right, cases.len() - n_right)
}

/// Where something goes wrong: at the first request of an operation, or that of one part.
pub(crate) type Place = (&'static str, Option<u32>);

fn at((operation, part): Place, fault: &'static str) -> InjectedError {
    InjectedError { part, ..InjectedError::once(operation, fault) }
}

/// Returns every fault at one place with every fault at the other; at the same place the second one
/// meets the request after the first.
pub(crate) fn pairs(places: &[Place]) -> Vec<[InjectedError; 2]> {
    let mut pairs = Vec::new();
    for (n, &place) in places.iter().enumerate() {
        for &other in &places[n..] {
            let after = usize::from(place == other);
            for first in FAULTS {
                let second = |fault| InjectedError { after, ..at(other, fault) };
                pairs.extend(FAULTS.map(|fault| [at(place, first), second(fault)]));
            }
        }
    }
    pairs
}

/// Tries one of `stride` pairs, as [`check_some`] does.
#[track_caller]
pub(crate) fn check_pairs<C: Case>(
    name: &str,
    stride: usize,
    pairs: &[[InjectedError; 2]],
    case: impl Fn(&[InjectedError]) -> C,
) {
    check_some(name, stride, pairs.iter().map(|pair| || case(pair)));
}

/// Tries one of `stride` cases, always the same ones.
///
/// With `DEVOPS_EVERY_PAIR` set it tries all and says how many there were. That is best done with the test
/// program itself, because nextest ends what takes long:
/// `DEVOPS_EVERY_PAIR=1 s3-… twice --nocapture --test-threads 1`.
#[track_caller]
pub(crate) fn check_some<C: Case, F: FnOnce() -> C>(
    name: &str,
    stride: usize,
    cases: impl Iterator<Item = F>,
) {
    let all = env::var_os("DEVOPS_EVERY_PAIR").is_some();
    let begun = Instant::now();
    let some = cases.step_by(if all { 1 } else { stride });
    let (right, honest) = check(some.map(|case| case()).collect());
    if all {
        let seconds = begun.elapsed().as_secs();
        tell(&format!("{name}: {right} ended right, {honest} in an honest failure, {seconds} s"));
    }
}

#[expect(clippy::print_stderr, reason = "whoever asks for all wants to know how many there were")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// Returns which kinds of failure fit what goes wrong with a request that reads, deletes or puts a small object.
pub(crate) fn kinds_of(wrong: &InjectedError) -> &'static [Kind] {
    let is_head = wrong.operation == "HeadObject";
    match wrong.fault {
        // What a listing had is then another object, or none.
        "no-bucket" | "no-upload" if is_head => &[Kind::NotFound, Kind::Temporary],
        "no-bucket" | "no-upload" => &[Kind::NotFound],
        // A HEAD that fails has no code.
        "bad-digest" | "conflict" | "invalid-part" | "not-implemented" if is_head => {
            &[Kind::Failed]
        }
        "expired-token" if is_head => &[Kind::Failed, Kind::Permission],
        "expired-token" | "skewed" | "denied" => &[Kind::Permission],
        "bad-digest" | "wrong-checksum" => &[Kind::Mismatch],
        "invalid-part" | "not-implemented" => &[Kind::Failed],
        // What is asked for by its tag is then another object.
        "conflict" | "wrong-etag" => &[Kind::Temporary],
        // A write whose answer is lost may have been carried out.
        _ if wrong.is_transient() && wrong.operation == "PutObject" => {
            &[Kind::Temporary, Kind::Uncertain]
        }
        _ if wrong.is_transient() => &[Kind::Temporary],
        _ => &[],
    }
}

/// Returns whether such a request ends well in spite of this.
pub(crate) fn passes(wrong: &InjectedError) -> bool {
    let is_once = wrong.times == Some(1);
    match wrong.fault {
        "bad-digest" => is_once && wrong.operation != "HeadObject",
        _ => is_once && wrong.is_transient() || kinds_of(wrong).is_empty(),
    }
}
