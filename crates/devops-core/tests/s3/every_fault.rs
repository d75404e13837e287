//! Every fault of the server at every request, alone and in pairs: the right object, or no claim.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use devops_fakes::s3::FAULTS;

use crate::{
    rig::PART,
    trial::{Held, Run, Scene, Trial, Wrong, is_impatient, patience},
};

/// Most cases wait most of the time.
const WORKERS: usize = 24;

/// These end well when they happen once; to happen for ever changes nothing for the others.
const PASSING: [&str; 11] = [
    "error-in-200",
    "drop-before",
    "drop-after",
    "error-after",
    "stall",
    "stall-body",
    "truncate",
    "slow-down",
    "internal-error",
    "bad-digest",
    "conflict",
];

struct Case {
    scene: Scene,
    size: u64,
    before: Held,
    /// What goes wrong in a run before.
    earlier: Vec<Wrong>,
    run: Run,
}

impl Case {
    fn new(scene: Scene, run: Run) -> Self {
        let size = if scene.is_single() { 100 } else { PART + 1 };
        Self { scene, size, before: Held::Nothing, earlier: Vec::new(), run }
    }

    fn holding(self, before: Held) -> Self {
        Self { before, ..self }
    }

    fn of(self, size: u64) -> Self {
        Self { size, ..self }
    }

    fn after(self, earlier: Wrong) -> Self {
        Self { earlier: vec![earlier], ..self }
    }

    fn judge(&self) -> Result<(), String> {
        let patience = patience(&self.run.wrongs);
        let mut trial = Trial::new(self.scene, self.size, patience).hold(self.before);
        if !self.earlier.is_empty() {
            trial.run(&Run { wrongs: self.earlier.clone(), ..self.run.clone() })?;
        }
        trial.run(&self.run)?;
        trial.settle(&self.run)
    }

    fn name(&self) -> String {
        let wrongs: Vec<String> = self.run.wrongs.iter().map(ToString::to_string).collect();
        let Self { scene, before, run, .. } = self;
        let journal = if run.journaled { ", with a journal" } else { "" };
        let earlier = if self.earlier.is_empty() { "" } else { ", taken up" };
        let wrongs = wrongs.join(" + ");
        format!("{scene:?}{journal}{earlier}, {:?} over {before:?}, {wrongs}", run.replace)
    }
}

/// Tries all cases side by side and tells of all that are not as they have to be.
#[track_caller]
fn check(mut cases: Vec<Case>) {
    // What waits longest begins first.
    cases.sort_by_key(|case| !is_impatient(&case.run.wrongs));
    let (next, bad) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(wrong) = case.judge() {
                        bad.lock().unwrap().push(format!("{}: {wrong}", case.name()));
                    }
                }
            });
        }
    });
    let bad = bad.into_inner().unwrap();
    assert!(bad.is_empty(), "{} of {} cases:\n{}", bad.len(), cases.len(), bad.join("\n"));
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for operation in ["HeadObject", "PutObject"] {
            let once = Run::new(&[Wrong::once(operation, fault)]);
            cases.push(Case::new(Scene::Single, once.clone()));
            cases.push(Case::new(Scene::Single, once.clone()).holding(Held::Source));
            cases.push(Case::new(Scene::ShortStream, once));
            let always = Run::new(&[Wrong::always(operation, fault)]);
            cases.push(Case::new(Scene::Single, always.clone()));
            cases.push(Case::new(Scene::Single, always.clone()).holding(Held::Other));
            let over = Case::new(Scene::Single, always.overwriting());
            cases.push(over.holding(Held::Other));
        }
    }
    check(cases);
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong_twice() {
    let mut cases = Vec::new();
    for second in FAULTS {
        for first in ["drop-before", "drop-after", "bad-digest", "conflict", "refuse-conditions"] {
            let pair = [Wrong::once("PutObject", first), Wrong::second("PutObject", second)];
            cases.push(Case::new(Scene::Single, Run::new(&pair)));
        }
        for first in ["drop-after", "conflict", "refuse-checksums"] {
            let head = Wrong { after: 1, ..Wrong::always("HeadObject", second) };
            let pair = [Wrong::once("PutObject", first), head];
            cases.push(Case::new(Scene::Single, Run::new(&pair)));
        }
        // Who may not look relies on the condition.
        let blind = [Wrong::always("HeadObject", "denied"), Wrong::always("PutObject", second)];
        let blind = Run::new(&blind);
        cases.push(Case::new(Scene::Single, blind.clone()).holding(Held::Other));
        cases.push(Case::new(Scene::ShortStream, blind).holding(Held::Other));
    }
    check(cases);
}

#[test]
fn an_upload_in_parts_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for part in 1..=2 {
            let run = Run::new(&[Wrong::once("UploadPart", fault).at(part)]);
            cases.push(Case::new(Scene::Parts, run.journaled()));
        }
        let begun = Run::new(&[Wrong::once("CreateMultipartUpload", fault)]);
        cases.push(Case::new(Scene::Parts, begun));
        let completed = Run::new(&[Wrong::once("CompleteMultipartUpload", fault)]);
        cases.push(Case::new(Scene::Stream, completed));
    }
    for fault in PASSING {
        for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
            let run = Run::new(&[Wrong::always(operation, fault)]).journaled();
            cases.push(Case::new(Scene::Parts, run));
        }
    }
    // Two parts that are cut alike, and a rest.
    for fault in ["drop-after", "truncate", "denied", "wrong-checksum"] {
        for part in 1..=3 {
            let run = Run::new(&[Wrong::once("UploadPart", fault).at(part)]);
            cases.push(Case::new(Scene::Parts, run).of(2 * PART + 1));
        }
    }
    check(cases);
}

#[test]
fn what_is_taken_up_or_removed_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    let removed = Wrong::once("UploadPart", "invalid-part").at(1);
    for fault in FAULTS {
        for operation in ["HeadObject", "ListParts"] {
            let run = Run::new(&[Wrong::once(operation, fault)]).journaled();
            let earlier = Wrong::once("UploadPart", "denied").at(2);
            cases.push(Case::new(Scene::Parts, run).after(earlier));
        }
        let run = Run::new(&[removed, Wrong::once("AbortMultipartUpload", fault)]);
        cases.push(Case::new(Scene::Parts, run));
    }
    for fault in PASSING {
        let run = Run::new(&[removed, Wrong::always("AbortMultipartUpload", fault)]);
        cases.push(Case::new(Scene::Parts, run));
    }
    check(cases);
}

#[test]
fn what_is_composed_ends_right_whatever_goes_wrong_once_or_twice() {
    const COMPLETE: &str = "CompleteMultipartUpload";
    let mut cases = Vec::new();
    for fault in FAULTS {
        let head = Wrong { after: 1, ..Wrong::always("HeadObject", fault) };
        let runs = [
            vec![Wrong::once("UploadPartCopy", fault)],
            vec![Wrong::once(COMPLETE, fault)],
            vec![Wrong::once(COMPLETE, "drop-after"), head],
            vec![Wrong::once(COMPLETE, "drop-after"), Wrong::second(COMPLETE, fault)],
            vec![Wrong::once(COMPLETE, "drop-before"), Wrong::second(COMPLETE, fault)],
        ];
        cases.extend(runs.map(|run| Case::new(Scene::Composed, Run::new(&run).journaled())));
    }
    for fault in PASSING {
        let run = Run::new(&[Wrong::always("UploadPartCopy", fault)]).journaled();
        cases.push(Case::new(Scene::Composed, run));
    }
    check(cases);
}
