//! The glossary: every word in it names one public type.

use std::collections::BTreeMap;

use syn::{Item, Visibility};

use super::{findings::Findings, sources::Source};

/// The most words a reader can be asked to learn.
const LIMIT: usize = 80;

/// Compares the words of `GLOSSARY.md` with the public types of the crates.
pub(crate) fn check(glossary: &str, files: &[Source], findings: &mut Findings) {
    let types = public_types(files);
    let words = words(glossary);
    findings.measure("GLOSSARY.md: rows", words.len(), LIMIT, LIMIT);
    if !words.is_sorted() {
        findings.error("GLOSSARY.md: its words are not in alphabetical order".to_owned());
    }
    for word in words {
        match types.get(word).map_or(&[][..], Vec::as_slice) {
            [] => findings.error(format!("GLOSSARY.md: no public type is called `{word}`")),
            [_] => {}
            several => findings.error(format!(
                "GLOSSARY.md: `{word}` names several types: {}",
                several.join(", ")
            )),
        }
    }
}

/// Returns the word of each row: what stands in backticks in its first cell.
fn words(glossary: &str) -> Vec<&str> {
    glossary
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(word, _)| word)
        .collect()
}

/// Returns the files that define each public type, those of tests left out.
fn public_types(files: &[Source]) -> BTreeMap<String, Vec<&str>> {
    let mut types: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let crates = files.iter().filter(|file| file.name.starts_with("crates/") && !file.is_test());
    for file in crates {
        for name in file.syntax.items.iter().filter_map(public_type) {
            types.entry(name).or_default().push(&file.name);
        }
    }
    types
}

fn public_type(item: &Item) -> Option<String> {
    let (visibility, name) = match item {
        Item::Struct(item) => (&item.vis, &item.ident),
        Item::Enum(item) => (&item.vis, &item.ident),
        Item::Trait(item) => (&item.vis, &item.ident),
        Item::Type(item) => (&item.vis, &item.ident),
        _ => return None,
    };
    matches!(visibility, Visibility::Public(_)).then(|| name.to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn source(name: &str, text: &str) -> Source {
        let syntax = syn::parse_file(text).unwrap();
        Source { name: name.to_owned(), path: PathBuf::from(name), text: text.to_owned(), syntax }
    }

    fn errors(glossary: &str) -> Vec<String> {
        let files = [
            source("crates/a/src/one.rs", "pub struct Part; pub enum Plan { A } struct Hidden;"),
            source("crates/a/src/two.rs", "pub type Part = u8; pub(crate) struct Plan;"),
            source("crates/a/tests/it.rs", "pub struct Plan;"),
        ];
        let mut findings = Findings::default();
        check(glossary, &files, &mut findings);
        findings.errors
    }

    #[test]
    fn each_word_names_one_public_type() {
        assert_eq!(errors("# Glossary\n\n| `Plan` | what is done |\n"), Vec::<String>::new());
        assert_eq!(
            errors("| `Part` | a piece |\n"),
            ["GLOSSARY.md: `Part` names several types: crates/a/src/one.rs, crates/a/src/two.rs"]
        );
        assert_eq!(
            errors("| `Hidden` | a type |\n"),
            ["GLOSSARY.md: no public type is called `Hidden`"]
        );
        assert_eq!(
            errors("| `Plan` | what is done |\n| `Part` | a piece |\n")[0],
            "GLOSSARY.md: its words are not in alphabetical order"
        );
    }
}
