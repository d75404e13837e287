//! Takes sensitive values out of terraform's JSON and out of what terraform writes for people.
//!
//! Terraform marks them in trees that run parallel to the values, but not everywhere: the values of
//! variables carry no mark, constants in the configuration carry none, and a provider may copy a marked
//! value into an attribute without one. So the marks count first, and then what is marked in one place is
//! hidden in all values and foreign texts. Structure is never hidden: terraform refuses sensitive values
//! where they could become a part of an address.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use serde_json::Value;

use super::{
    color::without_color,
    json,
    plan::{Plan, beside_outputs, beside_state},
    shown::{HIDDEN, Shown},
};
use crate::secret::Secret;

mod document;
mod event;
mod forms;
mod known;
mod scrub;
mod snippet;
mod view;

use known::Known;
use scrub::Scrubber;

/// All secrets known so far, and the one automaton over them.
#[derive(Clone, Default)]
pub struct Secrets {
    known: Known,
    /// Built when it is needed, and anew when more is known.
    scrubber: OnceLock<Arc<Scrubber>>,
    /// These and what stands in a file of values, while terraform speaks of that file.
    beside_file: Option<Box<Self>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.known.texts.len())
    }
}

impl Secrets {
    /// Learns a value that was given to terraform: of a sensitive variable, or of a backend.
    ///
    /// One that is an object or a list is learned with the texts in it.
    pub fn add_given(&mut self, value: &Secret) {
        let value = Value::from(value.expose());
        self.grow(|known| known.learn(&value));
    }

    /// Learns what a plan marks as sensitive, and the addresses and names that it shows.
    pub fn add_plan_secrets(&mut self, plan: &Plan) {
        self.grow(|known| known.add_plan_secrets(plan));
    }

    /// Learns what the JSON of a state marks as sensitive; an error does not quote it.
    pub fn add_state_secrets(&mut self, json: &[u8]) -> Result<(), String> {
        let beside = beside_state(json)?;
        self.grow(|known| known.learn_beside(&beside));
        Ok(())
    }

    /// Hides known secrets in what terraform or a provider wrote for people, lines or whole texts.
    ///
    /// Addresses that a plan or state named stay. A secret with spaces is found where it was wrapped.
    pub fn text(&self, text: &str) -> Shown<String> {
        Shown::redacted(self.scrubber().words(text).into_owned())
    }

    /// Hides known secrets in the next line of terraform's own text, and a secret key that stands there without
    /// quotes.
    ///
    /// Lines of a file that holds values are hidden whole, and what stands in them up to the end of the error.
    pub(super) fn line(&mut self, line: &str) -> Shown<String> {
        let plain = without_color(line);
        let begins = snippet::begins(&plain);
        if begins || snippet::is_border(&plain) {
            self.beside_file = None;
        }
        if begins {
            self.beside_file = Some(Box::new(self.with(|_| {})));
        } else if let Some(own) = &mut self.beside_file
            && let Some((number, code)) = snippet::numbered(&plain)
        {
            own.grow(|known| known.texts.extend(snippet::values(code)));
            return Shown::redacted(format!("{number} {HIDDEN}"));
        }
        self.beside_file.as_deref().unwrap_or(self).known_in(line)
    }

    fn known_in(&self, line: &str) -> Shown<String> {
        let clean = self.scrubber().words(line).into_owned();
        Shown::redacted(match bare_key(&clean) {
            Some(key) if self.scrubber().is_secret_step(key) => clean.replacen(key, HIDDEN, 1),
            _ => clean,
        })
    }

    /// Hides known secrets in an event of `terraform … -json`; what terraform gives it structure by stays.
    ///
    /// Lines of a file that holds values are left out, and what stands in them is hidden beside them.
    pub fn event(&self, mut event: Value) -> Shown<Value> {
        let texts = snippet::take(&mut event);
        if texts.is_empty() {
            event::scrub(self.scrubber(), &mut event);
        } else {
            let own = self.with(|known| known.texts.extend(texts));
            event::scrub(own.scrubber(), &mut event);
        }
        Shown::redacted(event)
    }

    /// Returns the JSON of a plan without what it marks, and without what is known in other ways.
    ///
    /// It takes the plan, so that a large one does not stay in memory beside its JSON.
    pub fn plan_json(&self, plan: Plan) -> Shown<Value> {
        let own = self.with_plan(&plan);
        let mut document = plan.into_document();
        document::hide_marked_in_plan(&mut document);
        document::scrub(own.scrubber(), &mut document);
        Shown::redacted(document)
    }

    /// Returns the JSON of a state without what it marks; an error does not quote it.
    pub fn state_json(&self, json: &[u8]) -> Result<Shown<Value>, String> {
        let beside = beside_state(json)?;
        let own = self.with(|known| known.learn_beside(&beside));
        let mut document: Value = json::read(json)?;
        document::hide_marked_in_state(&mut document);
        document::scrub(own.scrubber(), &mut document);
        Ok(Shown::redacted(document))
    }

    /// Returns the JSON of `terraform output -json`; a sensitive output has no `value` there.
    pub fn outputs_json(&self, json: &[u8]) -> Result<Shown<Value>, String> {
        let beside = beside_outputs(json)?;
        let own = self.with(|known| known.learn_beside(&beside));
        let mut document: Value = json::read(json)?;
        document::drop_sensitive_outputs(&mut document);
        document::scrub_outputs(own.scrubber(), &mut document);
        Ok(Shown::redacted(document))
    }

    /// Returns these secrets together with those of a plan.
    pub(super) fn with_plan(&self, plan: &Plan) -> Self {
        self.with(|known| known.add_plan_secrets(plan))
    }

    /// Returns these secrets together with those of a plan, for what policies say: they quote values by
    /// themselves, so short ones are hidden, too, where they stand alone.
    pub(super) fn for_policies(&self, plan: &Plan) -> Self {
        let mut own = self.with_plan(plan);
        own.known.is_quoted = true;
        own.scrubber = OnceLock::new();
        own
    }

    /// Returns these secrets together with others.
    fn with(&self, learn: impl FnOnce(&mut Known)) -> Self {
        let mut own = self.clone();
        own.grow(learn);
        own
    }

    fn grow(&mut self, learn: impl FnOnce(&mut Known)) {
        let size = self.known.size();
        learn(&mut self.known);
        if self.known.size() != size {
            self.scrubber = OnceLock::new();
        }
    }

    pub(super) fn scrubber(&self) -> &Scrubber {
        self.scrubber.get_or_init(|| Arc::new(Scrubber::new(&self.known)))
    }
}

/// Returns the key in a line of the form `key = value`.
fn bare_key(line: &str) -> Option<&str> {
    let (head, _) = line.split_once(" = ")?;
    head.trim_end().rsplit(' ').next()
}
