//! Patterns for addresses of resources, and for what is in them.

use std::{fmt, str::FromStr};

use globset::{GlobBuilder, GlobMatcher};

use super::path::push_name;

/// A pattern for addresses: only `*`, which also matches dots, `**` and `?` are wildcards.
///
/// A pattern without an instance key covers every instance, and one that names a module covers all in it.
#[derive(Clone, Debug)]
pub(super) struct AddressPattern {
    text: String,
    matcher: GlobMatcher,
}

/// A pattern for attributes of resources: `ADDRESS:PATH`.
///
/// In the path, too, `*` and `?` are wildcards; a path covers all that lies below it, and `*` everything.
#[derive(Clone, Debug)]
pub struct PathPattern {
    address: AddressPattern,
    path: String,
    matcher: GlobMatcher,
}

impl AddressPattern {
    pub(super) fn new(pattern: &str) -> Result<Self, globset::Error> {
        Ok(Self { text: pattern.to_owned(), matcher: glob(pattern)? })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the pattern covers the resource at an address.
    pub(super) fn covers(&self, address: &str) -> bool {
        names(address).iter().any(|name| self.is_match(name))
    }

    /// Returns whether the pattern matches one of the [`names`] of a resource.
    pub(super) fn is_match(&self, name: &str) -> bool {
        self.text == name || self.matcher.is_match(name)
    }
}

impl PathPattern {
    /// Returns whether the pattern covers a path in the resource at an address.
    pub(super) fn covers(&self, address: &str, path: &str) -> bool {
        self.address.covers(address) && self.covers_path(path)
    }

    fn covers_path(&self, path: &str) -> bool {
        let is_end = |at: usize| at == path.len() || path[at..].starts_with(['.', '[']);
        let mut ends = path.char_indices().map(|(at, _)| at).chain([path.len()]);
        ends.any(|at| is_end(at) && (self.path == path[..at] || self.matcher.is_match(&path[..at])))
    }
}

impl FromStr for PathPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not ADDRESS:PATH");
        let (mut quoted, mut colon) = (false, None);
        for (at, c) in text.char_indices() {
            quoted ^= c == '"';
            if c == ':' && !quoted {
                colon = Some(at);
                break;
            }
        }
        let (address, path) = text.split_at(colon.ok_or_else(wrong)?);
        let path = &in_dots(&path[1..]);
        if address.is_empty() || path.is_empty() {
            return Err(wrong());
        }
        let reason = |error: globset::Error| error.to_string();
        Ok(Self {
            address: AddressPattern::new(address).map_err(reason)?,
            path: path.to_owned(),
            matcher: glob(path).map_err(reason)?,
        })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address.text, self.path)
    }
}

/// Writes keys in brackets, `tags["x.y"]`, as paths have them: `tags."x.y"`.
fn in_dots(path: &str) -> String {
    let mut dotted = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("[\"") {
        let Some((key, after)) = after.split_once("\"]") else { break };
        dotted.push_str(before);
        push_name(&mut dotted, &key.replace("\\\"", "\"").replace("\\\\", "\\"));
        rest = after;
    }
    dotted + rest
}

fn glob(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(&literal_brackets(pattern)).backslash_escape(false).build()?;
    Ok(glob.compile_matcher())
}

/// Takes their meaning from brackets and braces, which addresses are full of.
fn literal_brackets(pattern: &str) -> String {
    let literal = |c: char| match c {
        '[' | ']' | '{' | '}' => format!("[{c}]"),
        _ => c.to_string(),
    };
    pattern.chars().map(literal).collect()
}

/// Returns every name that a resource goes by: its address and those of the modules it lies in, each with
/// and without instance keys.
pub(super) fn names(address: &str) -> Vec<String> {
    let steps = steps(address);
    let (mut names, mut spellings) = (Vec::new(), vec![String::new()]);
    for (index, step) in steps.iter().enumerate() {
        let dot = if index == 0 { "" } else { "." };
        let bare = step.split('[').next().unwrap_or(step);
        let endings: &[&str] = if bare == *step { &[step] } else { &[step, bare] };
        let longer =
            |start: &String| endings.iter().map(|end| format!("{start}{dot}{end}")).collect();
        spellings = spellings.iter().flat_map(|start| -> Vec<_> { longer(start) }).collect();
        let is_module = index > 0 && steps[index - 1] == "module";
        if is_module || index + 1 == steps.len() {
            names.extend(spellings.iter().cloned());
        }
    }
    names
}

/// Splits an address at its dots; those in quoted instance keys are none.
fn steps(address: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let is_dot = |c: char| {
        if escaped {
            escaped = false;
        } else if c == '"' {
            quoted = !quoted;
        } else {
            escaped = quoted && c == '\\';
        }
        c == '.' && !quoted
    };
    address.split(is_dot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_pattern_covers_what_lies_below_it() {
        let covers = |pattern: &str, address: &str, path: &str| {
            pattern.parse::<PathPattern>().unwrap().covers(address, path)
        };
        assert!(covers("a.b:tags", "a.b[0]", "tags.env"));
        assert!(covers("module.m:*", "module.m.a.b", ""));
        assert!(covers("*:tags.*", "a.b", "tags.env"));
        assert!(covers("a.b[\"x:y\"]:ingress[*].port", "a.b[\"x:y\"]", "ingress[3].port"));
        assert!(covers("a.b:tags[\"x.y\"]", "a.b", "tags.\"x.y\""));
        assert!(covers("a.b:m[\"env\"].k[\"a\"]", "a.b", "m.env.k.a[0]"));
        assert!(covers("a.b:l[0][\"x.*\"]", "a.b", "l[0].\"x.y\""));
        assert!(!covers("a.b:tags[\"x\"]", "a.b", "tags.\"x.y\""));
        assert!(!covers("a.b:tags", "a.b", "tags_all"));
        assert!(!covers("a.b:tags", "a.c", "tags"));
        assert!(!covers("a.b:tags", "a.b", ""));
        for wrong in ["a.b", ":x", "a.b:", "a.b[\"x:y\"]"] {
            assert!(wrong.parse::<PathPattern>().is_err(), "{wrong}");
        }
    }
}
