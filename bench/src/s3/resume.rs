//! What is sent in total when a put is killed half-way and run again.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{
    lab::Lab,
    requests::Sent,
    works::{OURS, measure as side_by_side, of_type, proven, read},
};
use crate::rounds::{Candidate, Results};

/// The name of this work.
pub(super) const RESUME: &str = "resume";
const KEY: &str = "object";

/// Kills a put when half of its parts are there, before each run; the run is the same command again.
pub(super) fn measure(lab: &Lab, results: &mut Results) -> Result<()> {
    let title = "Put again after kill -9 at half: time of the second run, bytes of both";
    let (object, events) = (lab.object()?, lab.place.path("events.jsonl"));
    let argv = lab.ours("put", &object, KEY);
    let again = Candidate::new(OURS, argv.clone()).env(&lab.env()).after(|| {
        lab.fresh()?;
        lab.forget()?;
        kill_at_half(lab, &argv)
    });
    let again = again.writes(&events).counts(|| gone_on(lab, &object, &events));
    side_by_side(lab, results, (RESUME, title), &[again])
}

/// Runs a put and kills it as soon as it says that half of its parts are there.
fn kill_at_half(lab: &Lab, argv: &[OsString]) -> Result<()> {
    let mut command = lab.place.command(argv);
    command.envs(lab.env()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().context("cannot start devops-s3push")?;
    let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
    let seen = until_half(stdout);
    child.kill()?;
    child.wait()?;
    let (n_there, n_parts) = seen?;
    println!("  killed when {n_there} of {n_parts} parts were there");
    Ok(())
}

/// Reads events until half of the parts are there; returns how many, and of how many.
fn until_half(events: impl BufRead) -> Result<(u64, u64)> {
    let (mut n_there, mut n_parts) = (0, None);
    for line in events.lines() {
        let event: Value = serde_json::from_str(&line?).context("an event")?;
        match event["type"].as_str() {
            Some("started") => n_parts = event["parts"].as_u64(),
            Some("part") => n_there += 1,
            _ => {}
        }
        match n_parts {
            Some(n_parts) if n_there > 0 && n_there * 2 >= n_parts => {
                return Ok((n_there, n_parts));
            }
            _ => {}
        }
    }
    bail!("the put ended before half of its parts were there");
}

/// Checks that the second run went on with the first, and says how much both sent.
fn gone_on(lab: &Lab, object: &Path, events: &Path) -> Result<u64> {
    let events = read(events)?;
    ensure!(of_type("resumed", &events).len() == 1, "the second run began anew");
    let requests = lab.server.requests()?;
    let sent = Sent::to(KEY, &requests);
    let objects = of_type("object", &events);
    ensure!(objects.len() == 1, "{} objects were put", objects.len());
    proven(lab, &objects, &sent)?;
    lab.verify(object, KEY)?;
    Ok(sent.n_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_is_reached_with_the_middle_part() {
        let started = r#"{"type":"started","parts":5}"#;
        let part = r#"{"type":"part","number":1}"#;
        let events = [started, part, part, part, part].join("\n");

        assert_eq!(until_half(events.as_bytes()).unwrap(), (3, 5));
        assert!(until_half([started, part, part].join("\n").as_bytes()).is_err());
    }
}
