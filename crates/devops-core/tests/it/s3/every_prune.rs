//! Every fault of the server at every request of a prune: only what no rule keeps goes.

use devops_core::{
    kind::{HasKind, Kind},
    offsite::{ObjectDecision, PruneOutcome, PruneRequest, plan_prune, remove_pruned},
};

use crate::s3::{
    every_removal::{Claims, Objects, OneRemoval, Removal, check_every},
    fault_matrix::{check_pairs, pairs},
    prune::{key, last, ours},
    test_store::TestStore,
};

/// The last two of four days are kept.
#[derive(Clone)]
struct Prune {
    versions: bool,
}

impl Prune {
    fn request(&self) -> PruneRequest {
        PruneRequest { versions: self.versions, ..last(2) }
    }
}

impl Removal for Prune {
    fn name(&self) -> &'static str {
        if self.versions { "prune of versions" } else { "prune" }
    }

    fn prepare(&self, test_store: &TestStore) {
        if self.versions {
            test_store.server.keep_versions("backups");
        }
        for day in [20, 21, 21, 22, 23] {
            test_store.server.put("backups", &key(day), ours(day));
        }
        test_store.server.put("backups", "daily/other-2026-11-01.tar.gz", b"\x1f\x8b");
    }

    fn run(&self, test_store: &TestStore) -> Claims {
        let mut claims = Claims::default();
        let error = test_store.run(async |context| {
            let planned = plan_prune(context, &self.request()).await;
            let plan = planned.map_err(|error| error.kind())?;
            for archive in &plan.archives {
                if matches!(archive.decision, ObjectDecision::Uncounted(_)) {
                    // It stays and is named.
                    claims.failed.push((archive.uri.key.clone(), Kind::Temporary));
                }
            }
            let told = remove_pruned(context, &plan, &mut |archive, outcome| {
                let key = archive.uri.key.clone();
                match outcome {
                    PruneOutcome::Removed | PruneOutcome::Hidden => claims.gone.push(key),
                    PruneOutcome::Denied(failure) | PruneOutcome::Failed(failure) => {
                        claims.failed.push((key, failure.kind()));
                    }
                    // Its tag is another one than it was.
                    PruneOutcome::Replaced => claims.failed.push((key, Kind::Temporary)),
                    PruneOutcome::Locked(_) => panic!("nothing is locked"),
                }
            })
            .await;
            told.map_err(|error| error.kind())
        });
        claims.error = error.err();
        claims
    }

    fn wanted(&self, before: &Objects) -> Objects {
        let goes = |name: &str| name == key(20) || name == key(21);
        before.clone().into_iter().filter(|(name, _)| !goes(name)).collect()
    }
}

#[test]
fn only_what_no_rule_keeps_goes_whatever_goes_wrong() {
    let operations =
        ["ListObjectsV2", "GetBucketVersioning", "GetObject", "HeadObject", "DeleteObject"];
    check_every(&Prune { versions: false }, &operations);
    check_every(&Prune { versions: true }, &["ListObjectVersions", "DeleteObjects"]);
}

#[test]
fn only_what_no_rule_keeps_goes_whatever_goes_wrong_twice() {
    let places = ["ListObjectsV2", "GetObject", "HeadObject", "DeleteObject"];
    let pairs = pairs(&places.map(|operation| (operation, None)));
    check_pairs("prune", 131, &pairs, |pair| OneRemoval {
        removal: Prune { versions: false },
        wrongs: pair.to_vec(),
    });
}
