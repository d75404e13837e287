//! What must hold, told honestly, never a test.

use crate::table::{self, ratio};

/// One figure against its limit.
#[derive(serde::Serialize)]
pub(crate) struct Bar {
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
    pub(crate) fn new(what: &'static str, value: Option<f64>, limit: f64) -> Self {
        let verdict = match value {
            Some(value) if value <= limit => Verdict::Met,
            Some(_) => Verdict::NotMet,
            None => Verdict::NotMeasured,
        };
        Self { what, value, limit, unit: "x", verdict }
    }

    pub(crate) fn in_unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    #[cfg(test)]
    pub(crate) fn is_measured(&self) -> bool {
        self.verdict != Verdict::NotMeasured
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

/// Prints the bars below a title.
pub(crate) fn print(title: &str, bars: &[Bar]) {
    println!("\n{title}");
    let header = ["", "measured", "bar", ""].map(str::to_owned);
    table::aligned(&std::iter::once(header).chain(bars.iter().map(Bar::cells)).collect::<Vec<_>>());
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
}
