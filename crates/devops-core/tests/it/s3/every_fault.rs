//! Every fault of the server at every request, alone and in pairs: the right object, or no claim.

use devops_fakes::s3::FAULTS;

use crate::s3::{
    rig::PART,
    table::{Case, check},
    trial::{
        Ended, Held, Run, Scene, Trial, Wrong, is_impatient, is_transient, with_enough_patience,
    },
};

/// Returns the faults that end well when they happen once; to happen for ever changes nothing for the others.
fn passing() -> impl Iterator<Item = &'static str> {
    // A conflict ends well too: not by the same request, but by an upload that begins anew.
    FAULTS.into_iter().filter(|fault| is_transient(fault) || *fault == "conflict")
}

/// A put, perhaps with another one before it.
#[derive(Clone)]
pub(crate) struct OnePut {
    scene: Scene,
    size: u64,
    before: Held,
    /// What goes wrong in a run before.
    earlier: Vec<Wrong>,
    run: Run,
}

impl OnePut {
    pub(crate) fn new(scene: Scene, run: Run) -> Self {
        let size = if scene.is_single() { 100 } else { PART + 1 };
        Self { scene, size, before: Held::Nothing, earlier: Vec::new(), run }
    }

    fn holding(self, before: Held) -> Self {
        Self { before, ..self }
    }

    pub(crate) fn of(self, size: u64) -> Self {
        Self { size, ..self }
    }

    pub(crate) fn after(self, earlier: Wrong) -> Self {
        Self { earlier: vec![earlier], ..self }
    }

    fn judge_in(&self, trial: &mut Trial) -> Result<Ended, String> {
        if !self.earlier.is_empty() {
            trial.run(&Run { wrongs: self.earlier.clone(), ..self.run.clone() })?;
        }
        let ended = trial.run(&self.run)?;
        trial.settle(&self.run)?;
        Ok(ended)
    }
}

impl Case for OnePut {
    fn judge(&self) -> Result<Ended, String> {
        with_enough_patience(&self.run.wrongs, |retry_config| {
            let mut trial = Trial::new(self.scene, self.size, retry_config).hold(self.before);
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
        is_impatient(&self.run.wrongs)
    }
}

#[test]
fn a_single_request_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        for operation in ["HeadObject", "PutObject"] {
            let once = Run::new(&[Wrong::once(operation, fault)]);
            cases.push(OnePut::new(Scene::Single, once.clone()));
            cases.push(OnePut::new(Scene::Single, once.clone()).holding(Held::UploadItem));
            cases.push(OnePut::new(Scene::ShortStream, once));
            let always = Run::new(&[Wrong::always(operation, fault)]);
            cases.push(OnePut::new(Scene::Single, always.clone()));
            cases.push(OnePut::new(Scene::Single, always.clone()).holding(Held::Other));
            let over = OnePut::new(Scene::Single, always.overwriting());
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
            cases.push(OnePut::new(Scene::Single, Run::new(&pair)));
        }
        for first in ["drop-after", "conflict", "refuse-checksums"] {
            let head = Wrong { after: 1, ..Wrong::always("HeadObject", second) };
            let pair = [Wrong::once("PutObject", first), head];
            cases.push(OnePut::new(Scene::Single, Run::new(&pair)));
        }
        // Who may not look relies on the condition.
        let blind = [Wrong::always("HeadObject", "denied"), Wrong::always("PutObject", second)];
        let blind = Run::new(&blind);
        cases.push(OnePut::new(Scene::Single, blind.clone()).holding(Held::Other));
        cases.push(OnePut::new(Scene::ShortStream, blind).holding(Held::Other));
    }
    check(cases);
}

#[test]
fn an_upload_in_parts_ends_right_whatever_goes_wrong() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        // Two parts that are cut alike, and a rest.
        for part in 1..=3 {
            let run = Run::new(&[Wrong::once("UploadPart", fault).at(part)]);
            cases.push(OnePut::new(Scene::Parts, run.journaled()).of(2 * PART + 1));
        }
        let begun = Run::new(&[Wrong::once("CreateMultipartUpload", fault)]);
        cases.push(OnePut::new(Scene::Parts, begun));
        let completed = Run::new(&[Wrong::once("CompleteMultipartUpload", fault)]);
        cases.push(OnePut::new(Scene::Stream, completed));
    }
    for fault in passing() {
        for operation in ["CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"] {
            let run = Run::new(&[Wrong::always(operation, fault)]).journaled();
            cases.push(OnePut::new(Scene::Parts, run));
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
            cases.push(OnePut::new(Scene::Parts, run).after(earlier));
        }
        let run = Run::new(&[removed, Wrong::once("AbortMultipartUpload", fault)]);
        cases.push(OnePut::new(Scene::Parts, run));
    }
    for fault in passing() {
        let run = Run::new(&[removed, Wrong::always("AbortMultipartUpload", fault)]);
        cases.push(OnePut::new(Scene::Parts, run));
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
        cases.extend(runs.map(|run| OnePut::new(Scene::Composed, Run::new(&run).journaled())));
    }
    for fault in passing() {
        let run = Run::new(&[Wrong::always("UploadPartCopy", fault)]).journaled();
        cases.push(OnePut::new(Scene::Composed, run));
    }
    check(cases);
}
