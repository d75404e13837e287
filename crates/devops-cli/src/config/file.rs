//! One config file, as a flat list of settings with their lines.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::entry::{Entry, Standing, invalid, unknown};
use crate::{failure::Failure, tool::Tool};

/// The tables of all tools: a shared file may hold any of them.
const TOOLS: [&str; 5] = ["backup", "basics", "monitor", "s3push", "tf"];

/// The settings of a tool in a file.
#[derive(Debug, Default)]
pub(super) struct Settings {
    pub(super) entries: Vec<Entry>,
    /// The keys that say nothing, and why.
    pub(super) faults: Vec<(String, Failure)>,
}

/// Returns the settings of `tool` in a file.
pub(super) fn parse(
    path: &Path,
    standing: Standing,
    source: &str,
    tool: &Tool,
) -> Result<Settings, Failure> {
    let document = DeTable::parse(source).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(source, span.start));
        invalid(path, line, error.message())
    })?;
    let file = Source { path, standing, text: source };
    let mut settings = Settings::default();
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        if !TOOLS.contains(&name) {
            let fault = unknown(path, file.line(key), name, TOOLS);
            settings.faults.push((name.to_owned(), fault));
        } else if name == tool.table {
            file.collect(&mut Vec::new(), key, value, &mut settings);
        }
    }
    Ok(settings)
}

struct Source<'a> {
    path: &'a Path,
    standing: Standing,
    text: &'a str,
}

impl Source<'_> {
    fn line<T>(&self, item: &Spanned<T>) -> usize {
        line_of(self.text, item.span().start)
    }

    fn collect(
        &self,
        tables: &mut Vec<String>,
        key: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        settings: &mut Settings,
    ) {
        let Some(table) = value.get_ref().as_table() else {
            let name = key.get_ref().to_string();
            let fault = invalid(self.path, self.line(key), &format!("`{name}` is not a table"));
            settings.faults.push((name, fault));
            return;
        };
        for (key, value) in table {
            let name = key.get_ref().to_string();
            if value.get_ref().is_table() {
                tables.push(name);
                self.collect(tables, key, value, settings);
                tables.pop();
                continue;
            }
            match self.values(value) {
                Ok(values) => settings.entries.push(Entry {
                    file: self.path.to_owned(),
                    line: self.line(key),
                    standing: self.standing,
                    tables: tables.clone(),
                    key: name,
                    values,
                }),
                Err(fault) => settings.faults.push((name, fault)),
            }
        }
    }

    fn values(&self, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Failure> {
        let one = |value: &Spanned<DeValue<'_>>| match value.get_ref() {
            DeValue::String(text) => Ok(text.to_string()),
            DeValue::Integer(number) => Ok(number.as_str().to_owned()),
            DeValue::Float(number) => Ok(number.as_str().to_owned()),
            DeValue::Boolean(truth) => Ok(truth.to_string()),
            _ => Err(invalid(
                self.path,
                self.line(value),
                "a value is a string, a number, a boolean or a list of them",
            )),
        };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(one).collect(),
            _ => Ok(vec![one(value)?]),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}
