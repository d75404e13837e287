//! Every fault of the server at every request of a get: the right file, or none and the truth.

use std::{fs, path::Path};

use devops_core::{
    fs::{Destination, IfExists},
    kind::HasKind,
    s3::{GetOptions, GetSummary, PartSize, Proof, S3Error, get},
    units::ByteSize,
};
use devops_fakes::s3::FAULTS;

use crate::s3::{
    fault_case::{CaseOutcome, InjectedError, content, uses_short_timeouts, with_enough_patience},
    fault_matrix::{Case, check, check_pairs, kinds_of, pairs, passes},
    test_store::{PART, TestStore, in_one_line, time_enough, uri},
};

const NAME: &str = "back.bin";

struct OneGet {
    size: u64,
    wrongs: Vec<InjectedError>,
}

impl OneGet {
    fn check_claim(&self, summary: &GetSummary, met: &[InjectedError]) -> Result<(), String> {
        if summary.size != self.size {
            return Err(format!("{} bytes are claimed", summary.size));
        }
        let hides =
            |wrong: &InjectedError| wrong.operation == "HeadObject" && wrong.fault == "no-checksum";
        let is_proven = summary.proof == Proof::Full;
        if is_proven && met.iter().any(|wrong| hides(wrong) && wrong.times.is_none()) {
            return Err("a full proof, but the store told no checksum".to_owned());
        }
        Ok(())
    }

    fn judge_in(
        &self,
        test_store: &mut TestStore,
        failures: &mut Vec<String>,
    ) -> Result<CaseOutcome, String> {
        test_store.server.put("backups", "a.bin", &content(self.size));
        fs::create_dir(test_store.path("to")).unwrap();
        test_store.let_go_wrong(&self.wrongs);
        let result = fetch(test_store);
        failures.extend(result.as_ref().err().map(in_one_line));
        let met = test_store.let_go_well(&self.wrongs)?;
        let found = self.found(&test_store.path("to"));
        let is_there = |right: bool| found.iter().any(|(name, is)| name == NAME && *is == right);
        if is_there(false) || is_there(true) != result.is_ok() {
            let word = result.map_or("a failure", |_| "a claim");
            return Err(format!("{word}, and there are {found:?}"));
        }
        match &result {
            Ok(summary) => self.check_claim(summary, &met)?,
            Err(error) => check_failure(error, &met)?,
        }
        self.settle(test_store)?;
        Ok(if result.is_ok() { CaseOutcome::Stored } else { CaseOutcome::ReportedFailure })
    }

    /// Fetches with nothing going wrong; goes on with what is there.
    fn settle(&self, test_store: &mut TestStore) -> Result<(), String> {
        test_store.connect_again(time_enough());
        fetch(test_store).map_err(|error| format!("at the end: {error}"))?;
        match self.found(&test_store.path("to")).as_slice() {
            [(name, true)] if name == NAME => Ok(()),
            found => Err(format!("at the end there are {found:?}")),
        }
    }

    /// Returns the files in a folder, and whether they are what the object is.
    fn found(&self, folder: &Path) -> Vec<(String, bool)> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let found = entries.map(|entry| {
            let is_right = fs::read(entry.path()).unwrap() == *content(self.size);
            (entry.file_name().into_string().unwrap(), is_right)
        });
        found.collect()
    }
}

fn check_failure(error: &S3Error, met: &[InjectedError]) -> Result<(), String> {
    let kind = error.kind();
    if met.iter().all(passes) {
        return Err(format!("nothing that went wrong is worth a failure: {error}"));
    }
    if !met.iter().any(|wrong| kinds_of(wrong).contains(&kind)) {
        return Err(format!("the kind of failure does not fit: {} ({error})", kind.name()));
    }
    Ok(())
}

fn fetch(test_store: &TestStore) -> Result<GetSummary, S3Error> {
    let part_size = PartSize::Exactly(ByteSize(PART));
    let options =
        GetOptions { replace: IfExists::Fail, mode: None, preserve: false, group: None, part_size };
    let path = test_store.path("to").join(NAME);
    test_store
        .run(async |context| get(context, &uri("a.bin"), &Destination::open(&path)?, options).await)
}

impl Case for OneGet {
    fn name(&self) -> String {
        let wrongs: Vec<String> = self.wrongs.iter().map(ToString::to_string).collect();
        format!("{} bytes, {}", self.size, wrongs.join(" + "))
    }

    fn judge(&self) -> Result<CaseOutcome, String> {
        with_enough_patience(&self.wrongs, |retry_config| {
            let (mut test_store, mut failures) = (TestStore::with(retry_config), Vec::new());
            let ended = self.judge_in(&mut test_store, &mut failures);
            (ended, test_store.has_missed(&failures))
        })
    }

    fn waits(&self) -> bool {
        uses_short_timeouts(&self.wrongs)
    }
}

#[test]
fn a_get_ends_right_whatever_goes_wrong_with_any_of_its_requests() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        let mut add = |size, wrong| cases.push(OneGet { size, wrongs: vec![wrong] });
        for operation in ["HeadObject", "GetObject"] {
            add(100, InjectedError::once(operation, fault));
            add(100, InjectedError::always(operation, fault));
        }
        for after in 0..3 {
            add(2 * PART + 1, InjectedError { after, ..InjectedError::once("GetObject", fault) });
        }
        add(2 * PART + 1, InjectedError { after: 1, ..InjectedError::always("GetObject", fault) });
        // There are no ranges of nothing.
        add(0, InjectedError::once("HeadObject", fault));
    }
    check(cases);
}

#[test]
fn a_get_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[("HeadObject", None), ("GetObject", None)]);
    let get = |pair: &[InjectedError]| OneGet { size: PART + 1, wrongs: pair.to_vec() };
    check_pairs("get", 83, &pairs, get);
}
