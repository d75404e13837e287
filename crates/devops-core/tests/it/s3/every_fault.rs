//! Every fault of the server at every request, alone and in pairs: the right object, or no claim.

use devops_fakes::s3::FAULTS;

use crate::s3::{
    fault_case::{
        CaseOutcome, FaultCase, InjectedError, KeyState, Run, UploadKind, is_transient,
        uses_short_timeouts, with_enough_patience,
    },
    fault_matrix::{Case, check},
    test_store::PART,
};

/// Returns the faults that end well when they happen once; to happen for ever changes nothing for the others.
fn passing() -> impl Iterator<Item = &'static str> {
    // A conflict ends well too: not by the same request, but by an upload that begins anew.
    FAULTS.into_iter().filter(|fault| is_transient(fault) || *fault == "conflict")
}

/// A put, perhaps with another one before it.
#[derive(Clone)]
pub(crate) struct OnePut {
    scene: UploadKind,
    size: u64,
    before: KeyState,
    /// What goes wrong in a run before.
    earlier: Vec<InjectedError>,
    run: Run,
}

impl OnePut {
    pub(crate) fn new(scene: UploadKind, run: Run) -> Self {
        let size = if scene.is_single() { 100 } else { PART + 1 };
        Self { scene, size, before: KeyState::Nothing, earlier: Vec::new(), run }
    }

    fn holding(self, before: KeyState) -> Self {
        Self { before, ..self }
    }

    pub(crate) fn of(self, size: u64) -> Self {
        Self { size, ..self }
    }

    pub(crate) fn after(self, earlier: InjectedError) -> Self {
        Self { earlier: vec![earlier], ..self }
    }

    fn judge_in(&self, trial: &mut FaultCase) -> Result<CaseOutcome, String> {
        if !self.earlier.is_empty() {
            trial.run(&Run { wrongs: self.earlier.clone(), ..self.run.clone() })?;
        }
        let ended = trial.run(&self.run)?;
        trial.settle(&self.run)?;
        Ok(ended)
    }
}

impl Case for OnePut {
    fn judge(&self) -> Result<CaseOutcome, String> {
        with_enough_patience(&self.run.wrongs, |retry_config| {
            let mut trial = FaultCase::new(self.scene, self.size, retry_config).hold(self.before);
            (self.judge_in(&mut trial), trial.has_missed())
        })
    }

    fn name(&self) -> String {
        let wrongs: Vec<String> = self.run.wrongs.iter().map(ToString::to_string).collect();
        let Self { scene, before, run, .. } = self;
        let journal = if run.journaled { ", with a journal" } else { "" };
        let earlier = if self.earlier.is_empty() { "" } else { ", taken up" };
        let wrongs = wrongs.join(" + ");
        format!("{scene:?}{journal}{earlier}, {:?} over {before:?}, {wrongs}", run.replace)
    }

    fn waits(&self) -> bool {
        uses_short_timeouts(&self.run.wrongs)
    }
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for operation in ["HeadObject", "PutObject"] {
            let once = Run::new(&[InjectedError::once(operation, fault)]);
            cases.push(OnePut::new(UploadKind::Single, once.clone()));
            cases.push(OnePut::new(UploadKind::Single, once.clone()).holding(KeyState::UploadItem));
            cases.push(OnePut::new(UploadKind::ShortStream, once));
            let always = Run::new(&[InjectedError::always(operation, fault)]);
            cases.push(OnePut::new(UploadKind::Single, always.clone()));
            cases.push(OnePut::new(UploadKind::Single, always.clone()).holding(KeyState::Other));
            let over = OnePut::new(UploadKind::Single, always.overwriting());
            cases.push(over.holding(KeyState::Other));
        }
    }
    check(cases);
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong_twice() {
    let mut cases = Vec::new();
    for second in FAULTS {
        for first in ["drop-before", "drop-after", "bad-digest", "conflict", "refuse-conditions"] {
            let pair = [
                InjectedError::once("PutObject", first),
                InjectedError::second("PutObject", second),
            ];
            cases.push(OnePut::new(UploadKind::Single, Run::new(&pair)));
        }
        for first in ["drop-after", "conflict", "refuse-checksums"] {
            let head = InjectedError { after: 1, ..InjectedError::always("HeadObject", second) };
            let pair = [InjectedError::once("PutObject", first), head];
            cases.push(OnePut::new(UploadKind::Single, Run::new(&pair)));
        }
        // Who may not look relies on the condition.
        let blind = [
            InjectedError::always("HeadObject", "denied"),
            InjectedError::always("PutObject", second),
        ];
        let blind = Run::new(&blind);
        cases.push(OnePut::new(UploadKind::Single, blind.clone()).holding(KeyState::Other));
        cases.push(OnePut::new(UploadKind::ShortStream, blind).holding(KeyState::Other));
    }
    check(cases);
}

#[test]
fn an_upload_in_parts_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        // Two parts that are cut alike, and a rest.
        for part in 1..=3 {
            let run = Run::new(&[InjectedError::once("UploadPart", fault).at(part)]);
            cases.push(OnePut::new(UploadKind::Parts, run.journaled()).of(2 * PART + 1));
        }
        let begun = Run::new(&[InjectedError::once("CreateMultipartUpload", fault)]);
        cases.push(OnePut::new(UploadKind::Parts, begun));
        let completed = Run::new(&[InjectedError::once("CompleteMultipartUpload", fault)]);
        cases.push(OnePut::new(UploadKind::Stream, completed));
    }
    for fault in passing() {
        for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
            let run = Run::new(&[InjectedError::always(operation, fault)]).journaled();
            cases.push(OnePut::new(UploadKind::Parts, run));
        }
    }
    check(cases);
}

#[test]
fn what_is_taken_up_or_removed_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    let removed = InjectedError::once("UploadPart", "invalid-part").at(1);
    for fault in FAULTS {
        for operation in ["HeadObject", "ListParts"] {
            let run = Run::new(&[InjectedError::once(operation, fault)]).journaled();
            let earlier = InjectedError::once("UploadPart", "denied").at(2);
            cases.push(OnePut::new(UploadKind::Parts, run).after(earlier));
        }
        let run = Run::new(&[removed, InjectedError::once("AbortMultipartUpload", fault)]);
        cases.push(OnePut::new(UploadKind::Parts, run));
    }
    for fault in passing() {
        let run = Run::new(&[removed, InjectedError::always("AbortMultipartUpload", fault)]);
        cases.push(OnePut::new(UploadKind::Parts, run));
    }
    check(cases);
}

#[test]
fn what_is_composed_ends_right_whatever_goes_wrong_once_or_twice() {
    const COMPLETE: &str = "CompleteMultipartUpload";
    let mut cases = Vec::new();
    for fault in FAULTS {
        let head = InjectedError { after: 1, ..InjectedError::always("HeadObject", fault) };
        let runs = [
            vec![InjectedError::once("UploadPartCopy", fault)],
            vec![InjectedError::once(COMPLETE, fault)],
            vec![InjectedError::once(COMPLETE, "drop-after"), head],
            vec![
                InjectedError::once(COMPLETE, "drop-after"),
                InjectedError::second(COMPLETE, fault),
            ],
            vec![
                InjectedError::once(COMPLETE, "drop-before"),
                InjectedError::second(COMPLETE, fault),
            ],
        ];
        cases.extend(runs.map(|run| OnePut::new(UploadKind::Composed, Run::new(&run).journaled())));
    }
    for fault in passing() {
        let run = Run::new(&[InjectedError::always("UploadPartCopy", fault)]).journaled();
        cases.push(OnePut::new(UploadKind::Composed, run));
    }
    check(cases);
}
