//! Random schedules of faults over random sequences of puts, compared with what the store may hold.

use devops_core::s3::{Algorithm, OverwritePolicy};
use devops_fakes::s3::FAULTS;
use proptest::{prelude::*, test_runner::RngSeed};

use crate::s3::{
    fault_case::{FaultCase, InjectedError, KeyState, Run, UploadKind, with_enough_patience},
    test_store::PART,
};

const OPERATIONS: [&str; 9] = [
    "HeadObject",
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "UploadPartCopy",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListParts",
    "GetObject",
];

#[derive(Clone, Debug)]
struct Schedule {
    scene: UploadKind,
    size: u64,
    before: KeyState,
    checksum: Option<Algorithm>,
    runs: Vec<Run>,
}

fn wrong() -> impl Strategy<Value = InjectedError> {
    let part = prop_oneof![3 => Just(None), 1 => (1_u32..=3).prop_map(Some)];
    let times = prop_oneof![3 => (1_usize..=2).prop_map(Some), 1 => Just(None)];
    (
        prop::sample::select(&OPERATIONS[..]),
        prop::sample::select(&FAULTS[..]),
        part,
        0_usize..3,
        times,
    )
        .prop_map(|(operation, fault, part, after, times)| {
            let part = part.filter(|_| operation.starts_with("UploadPart"));
            InjectedError { operation, fault, part, after, times }
        })
}

fn run() -> impl Strategy<Value = Run> {
    let replace =
        prop_oneof![2 => Just(OverwritePolicy::Refuse), 1 => Just(OverwritePolicy::Overwrite)];
    (replace, prop::bool::weighted(0.7), prop::collection::vec(wrong(), 1..4))
        .prop_map(|(replace, journaled, wrongs)| Run { replace, journaled, ..Run::new(&wrongs) })
}

fn schedule() -> impl Strategy<Value = Schedule> {
    use UploadKind::{Composed, Parts, ShortStream, Single, Stream};
    let scene = prop_oneof![
        2 => prop::sample::select(&[0, 1, PART - 1, PART][..]).prop_map(|size| (Single, size)),
        4 => prop::sample::select(&[PART + 1, 2 * PART, 2 * PART + 1][..])
            .prop_map(|size| (Parts, size)),
        2 => Just((Composed, PART + 1)),
        1 => Just((ShortStream, 100)),
        1 => Just((Stream, PART + 1)),
    ];
    let before = prop::sample::select(
        &[KeyState::Nothing, KeyState::Nothing, KeyState::Other, KeyState::UploadItem][..],
    );
    let checksum = prop_oneof![
        3 => Just(Some(Algorithm::Crc64Nvme)),
        1 => Just(Some(Algorithm::Crc32c)),
        1 => Just(Some(Algorithm::Sha256)),
        1 => Just(None),
    ];
    (scene, before, checksum, prop::collection::vec(run(), 1..4)).prop_map(
        |((scene, size), before, checksum, runs)| Schedule { scene, size, before, checksum, runs },
    )
}

impl Schedule {
    fn judge(&self) -> Result<(), String> {
        let wrongs: Vec<InjectedError> =
            self.runs.iter().flat_map(|run| run.wrongs.clone()).collect();
        with_enough_patience(&wrongs, |retry_config| {
            let mut trial = FaultCase::new(self.scene, self.size, retry_config).hold(self.before);
            (self.judge_in(&mut trial), trial.has_missed())
        })
    }

    fn judge_in(&self, trial: &mut FaultCase) -> Result<(), String> {
        let runs = self.runs.iter().map(|run| Run { checksum: self.checksum, ..run.clone() });
        let runs: Vec<Run> = runs.collect();
        for (n, run) in (1..).zip(&runs) {
            trial.run(run).map_err(|wrong| format!("run {n}: {wrong}"))?;
        }
        let last = Run { journaled: true, ..runs.last().unwrap().clone() };
        trial.settle(&last)
    }
}

/// A few, always the same ones, for every test run; `PROPTEST_CASES` asks for so many new ones.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => config,
        None => ProptestConfig { cases: 12, rng_seed: RngSeed::Fixed(4), ..config },
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_store_holds_what_it_may_whatever_goes_wrong(schedule in schedule()) {
        let result = schedule.judge();
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
