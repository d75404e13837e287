//! What must hold, side by side in one run on two processors; told honestly, never a test.

use super::{
    memory::{DENSE, MANY, SPARSE},
    works::{OURS, PIGZ_1, PIGZ_6, TAR_EXTRACT, TAR_LIST},
};
use crate::{
    rounds::{Results, Row},
    table::ratio,
};

/// One figure against its limit.
#[derive(serde::Serialize)]
pub(super) struct Bar {
    what: &'static str,
    /// None where a part of it was not measured, or a peer is missing.
    value: Option<f64>,
    limit: f64,
    unit: &'static str,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Met,
    NotMet,
    NotMeasured,
}

impl Bar {
    fn new(what: &'static str, value: Option<f64>, limit: f64) -> Self {
        let verdict = match value {
            Some(value) if value <= limit => Verdict::Met,
            Some(_) => Verdict::NotMet,
            None => Verdict::NotMeasured,
        };
        Self { what, value, limit, unit: "x", verdict }
    }

    fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    fn cells(&self) -> [String; 4] {
        let figure = |value: f64| match self.unit {
            "x" => format!("{} x", ratio(value)),
            unit => format!("{value:.1} {unit}"),
        };
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::NotMet => "NOT MET",
            Verdict::NotMeasured => "not measured",
        };
        let value = self.value.map_or_else(|| "-".to_owned(), figure);
        [self.what.to_owned(), value, format!("<= {}", figure(self.limit)), verdict.to_owned()]
    }
}

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
        Bar::new("create, time of tar | pigz -6", faster("create", ("create", PIGZ_6)), 0.45),
        Bar::new("create, size of tar | pigz -6", smaller("create", PIGZ_6), 1.01),
        Bar::new("fast, time of tar | pigz -1", faster("fast", ("fast", PIGZ_1)), 0.65),
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
        ),
        memory("peak memory, 100,000 files", results, &[MANY]),
        memory("peak memory, 5 GiB, sparse", results, &[SPARSE]),
        memory("peak memory, 5 GiB, dense", results, &[DENSE]),
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
fn memory(what: &'static str, results: &Results, works: &[&str]) -> Bar {
    let peak_of = |work: &&str| {
        let rows = results.rows(work).iter().filter(|row| row.who.starts_with(OURS));
        rows.map(Row::peak).max()
    };
    let peaks: Option<Vec<_>> = works.iter().map(peak_of).collect();
    let peak = peaks.and_then(|peaks| peaks.into_iter().max());
    let mebibytes = peak.map(|peak| peak as f64 / f64::from(1 << 20));
    Bar::new(what, mebibytes, 256.0).in_unit("MiB")
}

/// Returns the rows of a table, with its header.
pub(super) fn cells(bars: &[Bar]) -> Vec<[String; 4]> {
    let header = ["", "measured", "bar", ""].map(str::to_owned);
    std::iter::once(header).chain(bars.iter().map(Bar::cells)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_met_at_its_limit_and_unknown_without_a_figure() {
        let verdict = |value| Bar::new("a", value, 0.45).verdict;

        assert_eq!(verdict(Some(0.45)), Verdict::Met);
        assert_eq!(verdict(Some(0.46)), Verdict::NotMet);
        assert_eq!(verdict(None), Verdict::NotMeasured);
        assert_eq!(Bar::new("a", Some(0.5), 0.45).cells()[3], "NOT MET");
    }

    #[test]
    fn nothing_is_met_without_results() {
        let bars = judge(&Results::default(), None);

        assert!(bars.iter().all(|bar| bar.verdict == Verdict::NotMeasured));
    }
}
