//! Numbers before a plural in a message, which would read `1 objects`.

use super::{findings::Findings, sources::Source};

/// The things that messages count.
const PLURALS: [&str; 28] = [
    "archives",
    "attempts",
    "bytes",
    "days",
    "entries",
    "errors",
    "files",
    "folders",
    "items",
    "lines",
    "links",
    "markers",
    "objects",
    "outputs",
    "parts",
    "prefixes",
    "processes",
    "processors",
    "profiles",
    "resources",
    "segments",
    "series",
    "sources",
    "things",
    "uploads",
    "versions",
    "warnings",
    "years",
];

/// The words that may stand between the number and the plural.
const BETWEEN: [&str; 6] = ["damaged", "delete", "more", "of", "other", "restored"];

/// Checks the messages of one file.
pub(crate) fn check(file: &Source, findings: &mut Findings) {
    if file.is_test() || !file.name.starts_with("crates/") {
        return;
    }
    let code = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    for (line, number) in code.lines().zip(1..) {
        if !line.trim_start().starts_with("//")
            && let Some(plural) = counted(line)
        {
            findings.error(format!(
                "{}:{number}: a number before `{plural}`: `devops_core::units::count` fits one, too",
                file.name
            ));
        }
    }
}

/// Returns the plural that follows a placeholder of a format string; a constant is never one.
fn counted(line: &str) -> Option<&'static str> {
    line.match_indices("} ").find_map(|(end, _)| {
        let name = &line[line[..end].rfind('{')? + 1..end];
        if name.chars().any(char::is_uppercase) {
            return None;
        }
        let mut words = line[end + 2..].split_whitespace();
        let first = words.next()?;
        let word = if BETWEEN.contains(&first) { words.next()? } else { first };
        let word = word.trim_end_matches(|c: char| !c.is_alphabetic());
        PLURALS.into_iter().find(|plural| *plural == word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_before_a_plural_is_found() {
        assert_eq!(counted(r#"format!("{n} objects were left")"#), Some("objects"));
        assert_eq!(counted(r#"format!("{} of {total} other files, {size}")"#), Some("files"));
        assert_eq!(counted(r#"format!("{uri} takes only parts of one size")"#), None);
        assert_eq!(counted(r#"format!("longer than {MAX} bytes")"#), None);
        assert_eq!(counted(r#"format!("{objects} were left")"#), None);
    }
}
