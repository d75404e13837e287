//! One large object, and many small ones: ours beside every peer.

use std::{cell::RefCell, collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{lab::Lab, peers::Peer, requests::Sent};
use crate::{
    rounds::{Candidate, Results},
    table,
};

pub(super) const OURS: &str = "devops-s3push";

/// Ours without asking first what is there, as the peers do.
pub(super) const OVERWRITE: &str = "devops-s3push --overwrite";

/// What ours states of every body, in a header.
const CHECKSUM: &str = "x-amz-checksum-crc64nvme";

/// One large object.
pub(super) fn large(lab: &Lab, results: &mut Results) -> Result<()> {
    let title = format!("Put one object of {} bytes", lab.size);
    let put = Put { what: &lab.object()?, key: "object", n_objects: 1 };
    side_by_side(lab, results, ("large", &title), &put)
}

/// Many small objects.
pub(super) fn many(lab: &Lab, results: &mut Results) -> Result<()> {
    let title = format!("Put {} files of 16 KiB", lab.n_files);
    let put = Put { what: &lab.files()?, key: "many/", n_objects: lab.n_files };
    side_by_side(lab, results, ("many", &title), &put)
}

/// What is put where.
struct Put<'a> {
    what: &'a Path,
    /// The key of a file, or the prefix of a folder.
    key: &'a str,
    n_objects: usize,
}

fn side_by_side(
    lab: &Lab,
    results: &mut Results,
    (work, title): (&'static str, &str),
    put: &Put<'_>,
) -> Result<()> {
    let (events, signed) = (lab.place.path("events.jsonl"), RefCell::new(BTreeMap::new()));
    let mut candidates = Vec::new();
    // For one object the question is nothing beside its bytes.
    let blind = put.what.is_dir().then_some((OVERWRITE, Some("--overwrite")));
    for (who, flag) in std::iter::once((OURS, None)).chain(blind) {
        let mut argv = lab.ours("put", put.what, put.key);
        argv.extend(flag.map(Into::into));
        let candidate = Candidate::new(who, argv).env(&lab.env()).after(|| lab.fresh());
        candidates.push(candidate.writes(&events).counts(|| {
            let sent = if lab.server.has_log() {
                confirmed(lab, put, &events)?
            } else {
                stated(put, &events)?
            };
            lab.verify(put.what, put.key)?;
            Ok(sent)
        }));
    }
    for peer in Peer::installed(lab) {
        let signed = &signed;
        let candidate = Candidate::new(peer.name(), peer.put(lab, put.what, put.key));
        candidates.push(candidate.env(&lab.env()).after(|| lab.fresh()).counts(move || {
            if !lab.server.has_log() {
                lab.verify(put.what, put.key)?;
                return Ok(put.what.metadata()?.len());
            }
            let requests = lab.server.requests()?;
            let sent = Sent::to(put.key, &requests);
            signed.borrow_mut().insert(peer.name(), sent.are_signed());
            lab.verify(put.what, put.key)?;
            Ok(sent.n_bytes())
        }));
    }
    measure(lab, results, (work, title), &candidates)?;
    drop(candidates);
    for (who, signed) in signed.take() {
        println!("  {who} {} what it sends", if signed { "signs" } else { "does NOT sign" });
    }
    Ok(())
}

/// Measures the candidates in turn, and prints what they took and sent.
pub(super) fn measure(
    lab: &Lab,
    results: &mut Results,
    (work, title): (&'static str, &str),
    candidates: &[Candidate<'_>],
) -> Result<()> {
    println!("\n... {title}: {} candidates, {} rounds", candidates.len(), lab.n_rounds);
    let rows = results.measure(work, &lab.place, candidates, lab.n_rounds)?;
    lab.server.stop();
    table::print(&format!("{title} (bytes: those sent)"), rows);
    table::print_against(rows);
    Ok(())
}

/// Checks that every object was proven, in signed requests that state a checksum, and says what was sent.
fn confirmed(lab: &Lab, put: &Put<'_>, events: &Path) -> Result<u64> {
    let objects = of_type("object", &read(events)?);
    ensure!(objects.len() == put.n_objects, "{} objects were put", objects.len());
    let requests = lab.server.requests()?;
    let sent = Sent::to(put.key, &requests);
    if put.what.is_dir() {
        ensure!(sent.n_taken() == put.n_objects, "{} were answered with 200", sent.n_taken());
    }
    proven(lab, &objects, &sent)?;
    agreed(&objects, &sent)?;
    Ok(sent.n_bytes())
}

/// Checks that every object was proven by its `ETag`, and says what was sent.
fn stated(put: &Put<'_>, events: &Path) -> Result<u64> {
    let objects = of_type("object", &read(events)?);
    ensure!(objects.len() == put.n_objects, "{} objects were put", objects.len());
    let is_proven = objects.iter().all(|object| object["proof"] == "etag");
    ensure!(is_proven, "an object is not proven by its ETag: {objects:?}");
    Ok(objects.iter().filter_map(|object| object["bytes_sent"].as_u64()).sum())
}

/// Checks the proof of ours, and what it rests on.
pub(super) fn proven(lab: &Lab, objects: &[Value], sent: &Sent<'_>) -> Result<()> {
    for object in objects {
        let proof = object["proof"].as_str().unwrap_or_default();
        ensure!(["full", "parts"].contains(&proof), "the proof of {object} is `{proof}`");
    }
    // What TLS protects need not be signed.
    let is_protected = lab.server.certificate().is_some() || sent.are_signed();
    ensure!(is_protected, "ours sent what it did not sign");
    ensure!(sent.are_proven_by(CHECKSUM), "ours sent something without `{CHECKSUM}`");
    Ok(())
}

/// Checks that what ours says it sent is what arrived, but for the framing of bodies.
pub(super) fn agreed(objects: &[Value], sent: &Sent<'_>) -> Result<()> {
    let stated: u64 = objects.iter().filter_map(|object| object["bytes_sent"].as_u64()).sum();
    let came = sent.n_bytes();
    let framing = stated / 100 + 1024 * objects.len() as u64;
    let agrees = (stated..=stated + framing).contains(&came);
    ensure!(agrees, "ours says that it sent {stated} bytes, and {came} came");
    Ok(())
}

/// Reads the events that a run of ours wrote.
pub(super) fn read(events: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(events).with_context(|| events.display().to_string())?;
    text.lines().map(|line| serde_json::from_str(line).context("an event")).collect()
}

/// Returns the events of one type.
pub(super) fn of_type(name: &str, events: &[Value]) -> Vec<Value> {
    events.iter().filter(|event| event["type"] == name).cloned().collect()
}
