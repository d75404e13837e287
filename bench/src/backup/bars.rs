//! What must hold, side by side in one run on two processors; told honestly, never a test.

use super::{
    folder::{FIND, LIST},
    memory::{DENSE, MANY, SPARSE},
    works::{OURS, PIGZ_1, PIGZ_6, TAR_EXTRACT, TAR_LIST},
};
use crate::{
    bars::Bar,
    rounds::{Results, Row},
};

/// Holds the results against every bar.
pub(super) fn judge(results: &Results, index_share: Option<f64>) -> Vec<Bar> {
    let wall = |work: &str, who: &str| results.row(work, who).map(Row::wall);
    let size = |work: &str, who: &str| results.row(work, who).and_then(Row::size);
    let faster = |work: &str, than: (&str, &str)| Some(wall(work, OURS)? / wall(than.0, than.1)?);
    #[allow(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let smaller =
        |work: &str, than: &str| Some(size(work, OURS)? as f64 / size(work, than)? as f64);
    let first = ("create", OURS);
    vec![
        Bar::new("create, time of tar | pigz -6", faster("create", ("create", PIGZ_6)), 0.40),
        Bar::new("create, size of tar | pigz -6", smaller("create", PIGZ_6), 1.01),
        Bar::new("fast, time of tar | pigz -1", faster("fast", ("fast", PIGZ_1)), 0.60),
        Bar::new("fast, time, the stretch", faster("fast", ("fast", PIGZ_1)), 0.45),
        Bar::new("fast, size of tar | pigz -1", smaller("fast", PIGZ_1), 1.0),
        Bar::new("nothing changed, time of the first", faster("again", first), 0.07),
        Bar::new("nothing changed, time of restic's", faster("again", ("again", "restic")), 0.5),
        Bar::new("1 % of bytes in a folder, time of the first", faster("bytes", first), 0.10),
        Bar::new("1 % of files at random, time of the first", faster("files", first), 0.25),
        Bar::new("list, time of tar tzf", faster("list", ("list", TAR_LIST)), 0.02),
        Bar::new("restore of one file, time of tar xzf", faster("one", ("one", TAR_EXTRACT)), 0.02),
        Bar::new(
            "full restore, time of tar xzf",
            faster("restore", ("restore", TAR_EXTRACT)),
            0.85,
        ),
        memory(
            "peak memory on the tree",
            results,
            &["create", "again", "list", "restore", "verify"],
            256.0,
        ),
        memory("peak memory, 100,000 files", results, &[MANY], 256.0),
        memory("peak memory, 5 GiB, sparse", results, &[SPARSE], 256.0),
        memory("peak memory, 5 GiB, dense", results, &[DENSE], 256.0),
        Bar::new("400 archives, list", wall(LIST, OURS), 0.5).in_unit("s"),
        Bar::new("400 archives, find with dropped caches", wall(FIND, OURS), 2.0).in_unit("s"),
        memory("peak memory, 400 archives", results, &[LIST, FIND], 64.0),
        Bar::new(
            "index, of the archive (alignment not seen)",
            index_share.map(|share| share * 100.0),
            1.5,
        )
        .in_unit("%"),
    ]
}

/// The largest peak of any command of ours in these works, which must all have been measured.
#[allow(clippy::cast_precision_loss, reason = "a figure for people")]
fn memory(what: &'static str, results: &Results, works: &[&str], limit: f64) -> Bar {
    let peak_of = |work: &&str| {
        let rows = results.rows(work).iter().filter(|row| row.who.starts_with(OURS));
        rows.map(Row::peak).max()
    };
    let peaks: Option<Vec<_>> = works.iter().map(peak_of).collect();
    let peak = peaks.and_then(|peaks| peaks.into_iter().max());
    let mebibytes = peak.map(|peak| peak as f64 / f64::from(1 << 20));
    Bar::new(what, mebibytes, limit).in_unit("MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_met_without_results() {
        let bars = judge(&Results::default(), None);

        assert!(bars.iter().all(|bar| !bar.is_measured()));
    }
}
