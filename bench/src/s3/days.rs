//! The archives of two days: what of the second is sent, when the store has the first.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::{
    lab::Lab,
    requests::Sent,
    works::{OURS, agreed, measure as side_by_side, of_type, proven, read},
};
use crate::{
    archives,
    change::{self, Changed},
    rounds::{Candidate, Results, Row},
    tree,
};

pub(super) const PLAIN: &str = "devops-s3push --no-base";
pub(super) const FOLDER: &str = "folder";
pub(super) const RANDOM: &str = "random";

type Change<'a> = dyn Fn(&Path) -> Result<Changed> + 'a;

/// Measures both kinds of a second day.
pub(super) fn measure(lab: &Lab, results: &mut Results) -> Result<()> {
    let title = "Second day, 1 % of the bytes changed in one folder";
    second_day(lab, results, (FOLDER, title), &change::bytes_in_one_folder)?;
    let title = "Second day, 1 % of the files changed at random";
    let change: &Change<'_> = &|tree| change::files_at_random(tree, lab.tree.seed);
    second_day(lab, results, (RANDOM, title), change)
}

/// Backs a tree up, changes it, and backs it up again; every run puts the second archive beside the first.
fn second_day(
    lab: &Lab,
    results: &mut Results,
    title: (&'static str, &str),
    change: &Change<'_>,
) -> Result<()> {
    let (home, _) = tree::generated(&lab.place, lab.tree)?;
    let (copy, tool) = (lab.place.path("changed"), lab.tool("devops-backup"));
    lab.place.copy(&home, "changed")?;
    lab.place.settle()?;
    lab.place.remove("days")?;
    let first = archives::create(&lab.place, &tool, (&copy, "days"))?;
    let Changed { n_files, n_bytes, folder } = change(&copy)?;
    println!("\nChanged {n_bytes} bytes in {n_files} files below {}", folder.display());
    let second = archives::create(&lab.place, &tool, (&copy, "days"))?;
    put_second(lab, results, title, (&first, &second))?;
    lab.place.remove("changed")?;
    lab.place.remove("days")
}

fn put_second(
    lab: &Lab,
    results: &mut Results,
    title: (&'static str, &str),
    (first, second): (&Path, &Path),
) -> Result<()> {
    let before = || {
        lab.fresh()?;
        lab.must(&lab.ours("put", first, &key(first)?))
    };
    let (events, key) = (lab.place.path("events.jsonl"), key(second)?);
    let mut whole = lab.ours("put", second, &key);
    whole.push("--no-base".into());
    let candidates = [(OURS, lab.ours("put", second, &key)), (PLAIN, whole)].map(|(who, argv)| {
        let candidate = Candidate::new(who, argv).env(&lab.env()).after(before);
        candidate.writes(&events).counts(|| arrived(lab, second, &key, &events))
    });
    side_by_side(lab, results, title, &candidates)?;
    let (size, plain) = (second.metadata()?.len(), results.row(title.0, PLAIN));
    let plain = plain.and_then(Row::size).unwrap_or_default();
    ensure!(plain >= size, "a plain put of {size} bytes sent {plain}");
    Ok(())
}

fn key(archive: &Path) -> Result<String> {
    let name = archive.file_name().and_then(|name| name.to_str());
    Ok(format!("days/{}", name.context("an archive has a UTF-8 name")?))
}

/// Checks that the second archive is there, sent or copied, and says how much of it was sent.
fn arrived(lab: &Lab, archive: &Path, key: &str, events: &Path) -> Result<u64> {
    let objects = of_type("object", &read(events)?);
    let [object] = objects.as_slice() else { anyhow::bail!("{} objects were put", objects.len()) };
    let count = |name: &str| object[name].as_u64().unwrap_or_default();
    let all = count("bytes_sent") + count("bytes_copied");
    ensure!(all >= archive.metadata()?.len(), "neither sent nor copied is a part of {object}");
    let requests = lab.server.requests()?;
    let sent = Sent::to(key, &requests);
    proven(lab, &objects, &sent)?;
    agreed(&objects, &sent)?;
    lab.verify(archive, key)?;
    Ok(sent.n_bytes())
}
