//! Finds and hides known secrets in texts and values without marks.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashSet},
    ops::Range,
};

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::{Map, Value};

use super::{
    forms::{Find, Form, PART_LENGTH, alone, forms, is_long_number},
    known::{Known, hash},
    view::View,
};
use crate::terraform::{address::without_access, shown::HIDDEN};

/// As much of a form stands in the automaton; the rest is compared where that much was found.
const ANCHOR: usize = 32;

/// Everything that is searched for, prepared once for all that is known.
pub(in crate::terraform) struct Scrubber {
    whole: HashSet<String>,
    names: BTreeMap<String, BTreeSet<u64>>,
    /// Names that a schema or the configuration gives; as keys they stay.
    public: HashSet<String>,
    parts: Option<AhoCorasick>,
    forms: Vec<(Vec<u8>, Find)>,
    /// Addresses that hold what is secret elsewhere.
    addresses: Option<AhoCorasick>,
}

/// The kind of a text: prose, or a value by itself.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Words,
    Data,
}

impl Scrubber {
    pub(super) fn new(known: &Known) -> Self {
        let names: BTreeMap<_, _> = known
            .names
            .iter()
            .filter(|(name, _)| !known.public.contains(*name))
            .map(|(name, hashes)| (name.clone(), hashes.clone()))
            .collect();
        let quoted = names.keys().filter(|name| is_telling(name));
        let quoted = quoted.map(|name| Form { text: format!("\"{name}\""), find: Find::InText });
        let values =
            known.texts.iter().filter(|text| known.is_quoted && !known.public.contains(*text));
        let values = values.flat_map(|text| alone(text));
        let all: BTreeSet<_> =
            known.texts.iter().flat_map(|text| forms(text)).chain(quoted).chain(values).collect();
        let flat = all
            .iter()
            .map(|form| (View::of(form.text.trim().as_bytes()).text.into_owned(), form.find));
        let forms: Vec<_> = flat.filter(|(form, _)| !form.is_empty()).collect();
        let parts = automaton(forms.iter().map(|(form, _)| &form[..form.len().min(ANCHOR)]));
        let mut scrubber = Self {
            whole: known.texts.iter().cloned().collect(),
            names,
            public: known.public.iter().cloned().collect(),
            parts,
            forms,
            addresses: None,
        };
        let shadowed = known.addresses.iter().filter(|address| {
            !scrubber.found(&View::of(address.as_bytes()), Kind::Words).is_empty()
        });
        scrubber.addresses = automaton(shadowed.map(String::as_bytes));
        scrubber
    }

    /// Hides secrets in what terraform or a provider wrote for people; addresses stay.
    pub(in crate::terraform) fn words<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.hide(text, Kind::Words) {
            Cow::Borrowed(text) => without_access(text, HIDDEN),
            Cow::Owned(text) => without_access(&text, HIDDEN).into_owned().into(),
        }
    }

    /// Hides secrets in a line that a provisioner printed.
    pub(super) fn printed(&self, line: &str) -> String {
        const START: &str = "(): ";
        let clean = self.words(&[START, line].concat()).into_owned();
        clean.strip_prefix(START).unwrap_or(&clean).to_owned()
    }

    /// Hides secrets in a text of a document that is neither structure nor known to be a value.
    pub(super) fn foreign<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.whole.contains(text) { Cow::Borrowed(HIDDEN) } else { self.words(text) }
    }

    /// Hides secrets in a text that is a value.
    pub(in crate::terraform) fn data_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.whole.contains(text) || self.names.contains_key(text) {
            return Cow::Borrowed(HIDDEN);
        }
        self.hide(text, Kind::Data)
    }

    /// Returns whether a number equals a secret one.
    pub(in crate::terraform) fn is_secret_number(&self, number: &serde_json::Number) -> bool {
        let text = number.to_string();
        is_long_number(&text) && self.whole.contains(&text)
    }

    /// Hides secrets in a value without marks; `public_keys` are given by a schema.
    pub(in crate::terraform) fn data(&self, value: &mut Value, public_keys: bool) {
        match value {
            Value::String(text) => {
                let clean = self.data_text(text);
                if clean != text.as_str() {
                    *text = clean.into_owned();
                }
            }
            Value::Number(number) if self.is_secret_number(number) => *value = HIDDEN.into(),
            Value::Array(items) => items.iter_mut().for_each(|item| self.data(item, false)),
            Value::Object(fields) => {
                if !public_keys {
                    keys(fields, |name, field| self.key(name, [field]));
                }
                fields.values_mut().for_each(|field| self.data(field, false));
            }
            _ => {}
        }
    }

    /// Hides keys of a tree that holds names but no values: marks, or a type.
    pub(super) fn tree(&self, value: &mut Value, public_keys: bool) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(|item| self.tree(item, public_keys)),
            Value::Object(fields) => {
                if !public_keys {
                    keys(fields, |name, _| self.step(name));
                }
                fields.values_mut().for_each(|field| self.tree(field, false));
            }
            _ => {}
        }
    }

    /// Hides what is secret in the key of an unmarked object, by the values it stands before.
    ///
    /// A plain word may be the name of an attribute; it is hidden before the value that it stood before within
    /// a sensitive object.
    pub(in crate::terraform) fn key<'a, 'v>(
        &self,
        name: &'a str,
        fields: impl IntoIterator<Item = &'v Value>,
    ) -> Cow<'a, str> {
        let stands_so =
            |hashes: &BTreeSet<u64>| fields.into_iter().any(|field| hashes.contains(&hash(field)));
        if self.names.get(name).is_some_and(stands_so) {
            return Cow::Borrowed(HIDDEN);
        }
        self.step(name)
    }

    /// Hides what is secret in a key where its value is not known: in a path, or in a tree of marks.
    pub(super) fn step<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.is_secret_step(name) {
            return Cow::Borrowed(HIDDEN);
        }
        if self.public.contains(name) {
            return Cow::Borrowed(name);
        }
        let is_long = name.len() >= PART_LENGTH || is_telling(name);
        if is_long && self.whole.contains(name) {
            return Cow::Borrowed(HIDDEN);
        }
        self.hide(name, Kind::Data)
    }

    /// Returns whether a step of a path is a key that is hidden.
    pub(super) fn is_secret_step(&self, name: &str) -> bool {
        self.names.contains_key(name) && is_telling(name)
    }

    fn hide<'a>(&self, text: &'a str, kind: Kind) -> Cow<'a, str> {
        if self.parts.is_none() {
            return Cow::Borrowed(text);
        }
        let view = View::of(text.as_bytes());
        let mut found = self.found(&view, kind);
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        if kind == Kind::Words {
            let kept = self.kept(&view);
            found.retain(|one| {
                !kept.iter().any(|kept| kept.start <= one.start && one.end <= kept.end)
            });
        }
        replaced(text, &view, found)
    }

    /// Returns where secrets stand in a view, in the order of their beginnings.
    fn found(&self, view: &View<'_>, kind: Kind) -> Vec<Range<usize>> {
        let Some(parts) = &self.parts else { return Vec::new() };
        let text = &view.text[..];
        let (mut found, mut encoded) = (Vec::new(), 0..0);
        for hit in parts.find_overlapping_iter(text) {
            let (form, find) = &self.forms[hit.pattern().as_usize()];
            let (start, end) = (hit.start(), hit.start() + form.len());
            let is_whole = text
                .get(hit.end()..end)
                .is_some_and(|rest| rest.eq_ignore_ascii_case(&form[hit.len()..]));
            let is_known = *find == Find::Encoded && encoded.contains(&start);
            let is_for_words = matches!(find, Find::InText | Find::Line);
            if !is_whole || is_known || (is_for_words && kind == Kind::Data) {
                continue;
            }
            let Some(place) = placed(view, start..end, *find) else { continue };
            if *find == Find::Encoded {
                encoded = place.clone();
            }
            found.push(place);
        }
        found.sort_unstable_by_key(|range| range.start);
        found
    }

    /// Returns where whole addresses stand.
    fn kept(&self, view: &View<'_>) -> Vec<Range<usize>> {
        let Some(addresses) = &self.addresses else { return Vec::new() };
        let text = &view.text[..];
        let hits = addresses.find_overlapping_iter(text).map(|hit| hit.start()..hit.end());
        hits.filter(|hit| !continues(text, hit)).collect()
    }
}

/// Returns whether a key cannot be taken for the name of an attribute.
fn is_telling(name: &str) -> bool {
    !name.chars().all(|c| c.is_ascii_lowercase() || c == '_')
}

fn automaton(patterns: impl Iterator<Item = impl AsRef<[u8]>>) -> Option<AhoCorasick> {
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .ascii_case_insensitive(true)
        .build(patterns)
        .expect("patterns are short, and far fewer than the automaton can number");
    (automaton.patterns_len() > 0).then_some(automaton)
}

/// Hides what is secret in keys; a name can stand only once in an object, so others like it get numbers.
fn keys(fields: &mut Map<String, Value>, clean: impl for<'a> Fn(&'a str, &Value) -> Cow<'a, str>) {
    if fields.iter().all(|(name, field)| clean(name, field) == name.as_str()) {
        return;
    }
    let mut n_used = BTreeMap::<String, usize>::new();
    let renamed = std::mem::take(fields).into_iter().map(|(name, field)| {
        let name = clean(&name, &field).into_owned();
        let n = n_used.entry(name.clone()).or_default();
        *n += 1;
        (if *n == 1 { name } else { format!("{name} {n}") }, field)
    });
    *fields = renamed.collect();
}

/// Returns the part to hide for a form that was found, if it stands as it must.
fn placed(view: &View<'_>, hit: Range<usize>, find: Find) -> Option<Range<usize>> {
    let text = &view.text[..];
    match find {
        Find::Line => view.is_line(hit.start, hit.end).then_some(hit),
        Find::Anywhere | Find::InText => Some(hit),
        Find::Alone => {
            let is_free = |byte: Option<&u8>| !byte.is_some_and(u8::is_ascii_alphanumeric);
            let before = hit.start.checked_sub(1).and_then(|before| text.get(before));
            (is_free(before) && is_free(text.get(hit.end))).then_some(hit)
        }
        Find::Encoded => {
            let is_code = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(byte);
            let before = text[..hit.start].iter().rev().take_while(|byte| is_code(byte)).count();
            let after = text[hit.end..].iter().take_while(|byte| is_code(byte)).count();
            Some(hit.start - before..hit.end + after)
        }
    }
}

/// Returns whether a word goes on before or behind an address, which then is none.
fn continues(text: &[u8], hit: &Range<usize>) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let before = hit.start.checked_sub(1).and_then(|at| text.get(at));
    before.is_some_and(is_word) || text.get(hit.end).is_some_and(is_word)
}

fn replaced<'a>(text: &'a str, view: &View<'_>, found: Vec<Range<usize>>) -> Cow<'a, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut clean, mut done) = (String::with_capacity(text.len()), 0);
    let mut found = found.into_iter().peekable();
    while let Some(mut range) = found.next() {
        while let Some(next) = found.next_if(|next| next.start < range.end) {
            range.end = range.end.max(next.end);
        }
        let (start, end) = view.place(range.start, range.end);
        let (start, end) = (text.floor_char_boundary(start), text.ceil_char_boundary(end));
        clean.push_str(&text[done.min(start)..start]);
        clean.push_str(HIDDEN);
        done = end;
    }
    clean.push_str(&text[done..]);
    Cow::Owned(clean)
}
