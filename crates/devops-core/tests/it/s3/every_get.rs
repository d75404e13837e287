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
    rig::{PART, Rig, in_one_line, time_enough, uri},
    table::{Case, check, check_pairs, kinds_of, pairs, passes},
    trial::{Ended, Wrong, content, is_impatient, with_enough_patience},
};

const NAME: &str = "back.bin";

struct OneGet {
    size: u64,
    wrongs: Vec<Wrong>,
}

impl OneGet {
    fn check_claim(&self, summary: &GetSummary, met: &[Wrong]) -> Result<(), String> {
        if summary.size != self.size {
            return Err(format!("{} bytes are claimed", summary.size));
        }
        let hides = |wrong: &Wrong| wrong.operation == "HeadObject" && wrong.fault == "no-checksum";
        let is_proven = summary.proof == Proof::Full;
        if is_proven && met.iter().any(|wrong| hides(wrong) && wrong.times.is_none()) {
            return Err("a full proof, but the store told no checksum".to_owned());
        }
        Ok(())
    }

    fn judge_in(&self, rig: &mut Rig, failures: &mut Vec<String>) -> Result<Ended, String> {
        rig.server.put("backups", "a.bin", &content(self.size));
        fs::create_dir(rig.path("to")).unwrap();
        rig.let_go_wrong(&self.wrongs);
        let result = fetch(rig);
        failures.extend(result.as_ref().err().map(in_one_line));
        let met = rig.let_go_well(&self.wrongs)?;
        let found = self.found(&rig.path("to"));
        let is_there = |right: bool| found.iter().any(|(name, is)| name == NAME && *is == right);
        if is_there(false) || is_there(true) != result.is_ok() {
            let word = result.map_or("a failure", |_| "a claim");
            return Err(format!("{word}, and there are {found:?}"));
        }
        match &result {
            Ok(summary) => self.check_claim(summary, &met)?,
            Err(error) => check_failure(error, &met)?,
        }
        self.settle(rig)?;
        Ok(if result.is_ok() { Ended::Right } else { Ended::Honest })
    }

    /// Fetches with nothing going wrong; goes on with what is there.
    fn settle(&self, rig: &mut Rig) -> Result<(), String> {
        rig.connect_again(time_enough());
        fetch(rig).map_err(|error| format!("at the end: {error}"))?;
        match self.found(&rig.path("to")).as_slice() {
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

fn check_failure(error: &S3Error, met: &[Wrong]) -> Result<(), String> {
    let kind = error.kind();
    if met.iter().all(passes) {
        return Err(format!("nothing that went wrong is worth a failure: {error}"));
    }
    if !met.iter().any(|wrong| kinds_of(wrong).contains(&kind)) {
        return Err(format!("the kind of failure does not fit: {} ({error})", kind.name()));
    }
    Ok(())
}

fn fetch(rig: &Rig) -> Result<GetSummary, S3Error> {
    let part_size = PartSize::Exactly(ByteSize(PART));
    let options =
        GetOptions { replace: IfExists::Fail, mode: None, preserve: false, group: None, part_size };
    let path = rig.path("to").join(NAME);
    rig.run(async |context| get(context, &uri("a.bin"), &Destination::open(&path)?, options).await)
}

impl Case for OneGet {
    fn name(&self) -> String {
        let wrongs: Vec<String> = self.wrongs.iter().map(ToString::to_string).collect();
        format!("{} bytes, {}", self.size, wrongs.join(" + "))
    }

    fn judge(&self) -> Result<Ended, String> {
        with_enough_patience(&self.wrongs, |retry_config| {
            let (mut rig, mut failures) = (Rig::with(retry_config), Vec::new());
            let ended = self.judge_in(&mut rig, &mut failures);
            (ended, rig.has_missed(&failures))
        })
    }

    fn waits(&self) -> bool {
        is_impatient(&self.wrongs)
    }
}

#[test]
fn a_get_ends_right_whatever_goes_wrong_with_any_of_its_requests() {
    let mut cases = Vec::new();
    for fault in FAULTS {
        let mut add = |size, wrong| cases.push(OneGet { size, wrongs: vec![wrong] });
        for operation in ["HeadObject", "GetObject"] {
            add(100, Wrong::once(operation, fault));
            add(100, Wrong::always(operation, fault));
        }
        for after in 0..3 {
            add(2 * PART + 1, Wrong { after, ..Wrong::once("GetObject", fault) });
        }
        add(2 * PART + 1, Wrong { after: 1, ..Wrong::always("GetObject", fault) });
        // There are no ranges of nothing.
        add(0, Wrong::once("HeadObject", fault));
    }
    check(cases);
}

#[test]
fn a_get_ends_right_whatever_goes_wrong_twice() {
    let pairs = pairs(&[("HeadObject", None), ("GetObject", None)]);
    let get = |pair: &[Wrong]| OneGet { size: PART + 1, wrongs: pair.to_vec() };
    check_pairs("get", 83, &pairs, get);
}
