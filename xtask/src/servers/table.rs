//! Which store does what, as `docs/stores.md` shows it.

use super::report::Report;

/// What the modules of `tests/e2e/servers/every` try, as a person calls it.
const FEATURES: [(&str, &str); 15] = [
    ("put", "put"),
    ("existing", "keep or replace"),
    ("resume", "resume"),
    ("streams", "streams"),
    ("trees", "folders"),
    ("sync", "sync"),
    ("get", "get"),
    ("keys", "odd names"),
    ("lists", "long listings"),
    ("removal", "rm"),
    ("prune", "prune"),
    ("base", "copy what both have"),
    ("uploads", "uploads"),
    ("sse_c", "SSE-C"),
    ("doctor", "doctor"),
];

/// Returns a table of what was found out, a store a column.
pub(super) fn of(reports: &[Report]) -> String {
    let stores: Vec<&Report> = reports.iter().filter(|report| has_matrix(report)).collect();
    let line = |first: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        format!("| {first} | {} |\n", cells.join(" | "))
    };
    let mut table = line("", &mut stores.iter().map(|report| report.server.to_owned()));
    table += &line("---", &mut stores.iter().map(|_| "---".to_owned()));
    for (module, feature) in FEATURES {
        table += &line(feature, &mut stores.iter().map(|report| cell(report, module)));
    }
    table
}

fn has_matrix(report: &Report) -> bool {
    report.cases.iter().any(|case| case.name.starts_with("every::"))
}

/// Returns what the cases of a module say of a store, or that they passed.
fn cell(report: &Report, module: &str) -> String {
    let prefix = format!("every::{module}::");
    let mut cases = report.cases.iter().filter(|case| case.name.starts_with(&prefix)).peekable();
    if cases.peek().is_none() {
        return "?".to_owned();
    }
    if !cases.all(|case| case.passed) {
        return "FAILED".to_owned();
    }
    let mut words: Vec<&str> =
        report.notes.iter().filter(|(of, _)| of == module).map(|(_, word)| word.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    if words.is_empty() { "yes".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::{super::report::Case, *};

    #[test]
    fn a_failed_case_counts_more_than_what_others_say() {
        let case = |name: &str, passed| Case { name: format!("every::{name}"), passed };
        let report = Report {
            server: "s",
            cases: vec![case("put::a", true), case("get::a", true), case("get::b", false)],
            notes: ["put full", "put full", "get x"]
                .map(|note| note.split_once(' ').unwrap())
                .map(|(feature, word)| (feature.to_owned(), word.to_owned()))
                .into(),
        };

        let cells = ["put", "get", "sync"].map(|module| cell(&report, module));

        assert_eq!(cells, ["full", "FAILED", "?"]);
        assert!(of(&[report]).starts_with("|  | s |\n| --- | --- |\n| put | full |\n"));
    }
}
