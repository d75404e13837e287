//! What must hold, side by side in one run on two processors; told honestly, never a test.

use super::{
    Options,
    days::{FOLDER, PLAIN, RANDOM},
    peers::Peer,
    resume::RESUME,
    start::START,
    works::{OURS, OVERWRITE},
};
use crate::{
    bars::Bar,
    rounds::{Results, Row},
    shell::TOOLS,
};

/// The works whose peaks of memory count: all.
const ALL: [&str; 5] = ["large", "many", FOLDER, RANDOM, RESUME];

/// Holds the results against every bar of the store that was put into.
pub(super) fn judge(results: &Results, options: &Options) -> Vec<Bar> {
    let mut bars = if options.etags_only {
        of_etags(results, options.tls)
    } else {
        of_all(results, options.size)
    };
    bars.extend(TOOLS.map(|tool| {
        let seconds = results.row(START, tool).map(Row::wall);
        Bar::new(start_of(tool), seconds.map(|seconds| seconds * 1000.0), 5.0).in_unit("ms")
    }));
    bars
}

/// Returns the bars for a store that proves an object by its MD5 alone.
fn of_etags(results: &Results, tls: bool) -> Vec<Bar> {
    let ratio = |figure: fn(&Row) -> f64| {
        Some(figure(results.row("large", OURS)?) / figure(results.row("large", "s5cmd")?))
    };
    // Over plain HTTP each part is hashed for its signature, too.
    let limit = if tls { 1.0 } else { 1.1 };
    vec![
        Bar::new("one object, ETags only, CPU of s5cmd", ratio(Row::cpu), limit),
        Bar::new("one object, ETags only, time of s5cmd", ratio(Row::wall), 1.0),
    ]
}

fn start_of(tool: &str) -> &'static str {
    match tool {
        "devops-backup" => "start of devops-backup",
        "devops-basics" => "start of devops-basics",
        "devops-monitor" => "start of devops-monitor",
        "devops-s3push" => "start of devops-s3push",
        _ => "start of devops-tf",
    }
}

/// Returns the bars for our own server; `size` is that of the one object.
fn of_all(results: &Results, size: u64) -> Vec<Bar> {
    let ratio = |work: &str, ours: &str, who: &str, figure: fn(&Row) -> f64| {
        Some(figure(results.row(work, ours)?) / figure(results.row(work, who)?))
    };
    let of = |work: &str, who: &str, figure| ratio(work, OURS, who, figure);
    let blind = |figure| ratio("many", OVERWRITE, "s5cmd", figure);
    let (folder, random) = (sent(results, FOLDER), sent(results, RANDOM));
    let most = folder.zip(random).map(|(folder, random)| folder.max(random));
    vec![
        Bar::new("one object, CPU of s5cmd", of("large", "s5cmd", Row::cpu), 0.5),
        Bar::new("one object, CPU of aws-cli", of("large", "aws", Row::cpu), 0.6),
        Bar::new("one object, time of the best peer", best(results), 1.0),
        Bar::new("small files, time of s5cmd", of("many", "s5cmd", Row::wall), 1.0),
        Bar::new("small files, CPU of s5cmd", of("many", "s5cmd", Row::cpu), 0.8),
        Bar::new("small files --overwrite, time of s5cmd", blind(Row::wall), 1.0),
        Bar::new("small files --overwrite, CPU of s5cmd", blind(Row::cpu), 0.8),
        Bar::new("peak memory of any of these", peak(results), 128.0).in_unit("MiB"),
        percent("1 % of bytes in a folder, sent of the archive", folder, 5.0),
        percent("1 % of files at random, sent of the archive", random, 60.0),
        Bar::new("second day, sent of a plain put, the larger", most, 1.0),
        Bar::new("killed at half and put again, sent of the object", again(results, size), 1.05),
    ]
}

fn percent(what: &'static str, share: Option<f64>, limit: f64) -> Bar {
    Bar::new(what, share.map(|share| share * 100.0), limit).in_unit("%")
}

/// Our time as part of that of the fastest peer that is installed.
fn best(results: &Results) -> Option<f64> {
    let walls =
        Peer::ALL.iter().filter_map(|peer| results.row("large", peer.name()).map(Row::wall));
    Some(results.row("large", OURS)?.wall() / walls.reduce(f64::min)?)
}

/// What was sent of the second archive, at most, as part of what a plain put sent.
#[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn sent(results: &Results, work: &str) -> Option<f64> {
    let largest = |who: &str| results.row(work, who).and_then(Row::largest);
    Some(largest(OURS)? as f64 / largest(PLAIN)? as f64)
}

#[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
fn again(results: &Results, size: u64) -> Option<f64> {
    Some(results.row(RESUME, OURS)?.largest()? as f64 / size as f64)
}

/// The largest peak of any run of ours, which must all have been measured.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn peak(results: &Results) -> Option<f64> {
    let peak_of = |work: &&str| {
        let rows = results.rows(work).iter().filter(|row| row.who.starts_with(OURS));
        rows.map(Row::peak).max()
    };
    let peaks: Option<Vec<_>> = ALL.iter().map(peak_of).collect();
    Some(peaks?.into_iter().max()? as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::*;

    #[test]
    fn nothing_is_met_without_results() {
        let command = || Options::augment_args(Command::new("s3").no_binary_name(true));
        for flags in [&[][..], &["--etags-only"], &["--etags-only", "--tls"]] {
            let options = Options::from_arg_matches(&command().get_matches_from(flags)).unwrap();

            assert!(judge(&Results::default(), &options).iter().all(|bar| !bar.is_measured()));
        }
    }
}
