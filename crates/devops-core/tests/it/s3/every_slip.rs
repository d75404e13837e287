//! Stores that ignore a part of a request while another fault occurs, and copies, moves and undeletions in each
//! fault: no success is claimed that is not one.

use std::time::Duration;

use devops_fakes::s3::FAULTS;

use crate::s3::{
    fault_case::is_impatient_of,
    fault_matrix::check_some,
    polite::{SCENES, Scene, Slipped},
};

/// Of so many pairs a usual run takes one: a prime, so that all scenes and faults have their turn.
const STRIDE: usize = 1999;
/// The same for single faults.
const STRIDE_OF_ONE: usize = 3;

/// The scenes that put something.
const N_PUTS: usize = 7;

/// The timeouts for an answer that never comes, and for one that does.
const STALLS: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(20)];

fn slipped(scene: Scene, rules: Vec<String>, fault: &str) -> Slipped {
    Slipped { scene, rules, stall: STALLS[usize::from(!is_impatient_of(fault))] }
}

/// Tries these scenes with a slip and a fault each.
fn check_all(name: &str, scenes: impl Iterator<Item = Scene>) {
    let mut pairs = Vec::new();
    for scene in scenes {
        let (slips, operations) = Slipped::all(scene);
        for slip in &slips {
            for operation in &operations {
                let fault = |fault| (scene, slip.clone(), format!("{operation}:{fault}"), fault);
                pairs.extend(FAULTS.map(fault));
            }
        }
    }
    let case = |(scene, slip, rule, fault): (Scene, String, String, &str)| {
        slipped(scene, vec![slip, rule], fault)
    };
    check_some(name, STRIDE, pairs.into_iter().map(|pair| move || case(pair)));
}

#[test]
fn what_is_claimed_of_a_put_is_true_when_something_else_goes_wrong() {
    check_all("puts", SCENES.into_iter().take(N_PUTS));
}

#[test]
fn what_else_is_claimed_is_true_when_something_else_goes_wrong() {
    check_all("others", SCENES.into_iter().skip(N_PUTS));
}

#[test]
fn copies_moves_and_undeletions_claim_what_is_true_whatever_goes_wrong() {
    let mut cases = Vec::new();
    let scenes = [Scene::Copy, Scene::CopyParts, Scene::CopyBeside, Scene::Move, Scene::Undelete];
    for scene in scenes {
        for operation in Slipped::all(scene).1 {
            for fault in FAULTS {
                for often in ["times=1", "always"] {
                    let rule = format!("{operation}:{fault}:{often}");
                    cases.push((scene, rule, fault));
                }
            }
        }
    }
    let case = |(scene, rule, fault): (Scene, String, &str)| slipped(scene, vec![rule], fault);
    check_some("transfers", STRIDE_OF_ONE, cases.into_iter().map(|it| move || case(it)));
}
