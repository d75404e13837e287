//! Evaluates policies with `regorus`, which reads no files and has no network.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

use regorus::{PolicyLengthConfig, utils::limits::ExecutionTimerConfig};
use serde_json::Value;

use super::{
    error::PolicyError,
    files::{Files, PolicyFile},
    outcome::{Effect, Outcome},
};

/// The time limit is looked at after so many steps.
const STEPS: NonZeroU32 = NonZeroU32::new(1024).expect("it is not 0");

/// The bounds of a policy's text.
const LENGTHS: PolicyLengthConfig = PolicyLengthConfig {
    max_col: NonZeroU32::new(1 << 20).expect("it is not 0"),
    max_file_bytes: NonZeroUsize::new(16 << 20).expect("it is not 0"),
    max_lines: NonZeroUsize::new(1 << 20).expect("it is not 0"),
};

/// Parsed policies and the rules to judge by.
#[derive(Clone)]
pub(super) struct Engine {
    engine: regorus::Engine,
    rules: Rules,
}

/// The rules of the packages that count.
#[derive(Clone, Default)]
struct Rules {
    /// The names of rules by their packages.
    names: BTreeMap<String, BTreeSet<String>>,
    /// The packages that have exceptions.
    excepting: BTreeSet<String>,
}

impl Engine {
    /// Parses policies and their data.
    pub(super) fn load(
        files: &Files,
        namespaces: &[String],
        limit: Duration,
    ) -> Result<Self, PolicyError> {
        let mut engine = regorus::Engine::new();
        engine.set_policy_length_config(LENGTHS);
        engine.set_execution_timer_config(ExecutionTimerConfig { limit, check_interval: STEPS });
        // They would be printed otherwise.
        engine.set_gather_prints(true);
        let mut rules = Rules::default();
        for file in &files.policies {
            let package = parse(&mut engine, file).map_err(|reason| syntax(file, reason))?;
            if let Some(namespace) =
                namespaces.iter().find(|name| package == format!("data.{name}"))
            {
                rules.add(&engine, file, namespace);
            }
        }
        if let Some(namespace) = namespaces.iter().find(|name| !rules.names.contains_key(*name)) {
            return Err(PolicyError::NoRule { namespace: namespace.clone() });
        }
        for file in &files.data {
            let added =
                data(file).and_then(|data| engine.add_data(data).map_err(|error| compact(&error)));
            added.map_err(|reason| syntax(file, reason))?;
        }
        Ok(Self { engine, rules })
    }

    /// Evaluates every rule; an error may quote what the plan holds.
    pub(super) fn judge(mut self, input: Value) -> Result<Vec<Outcome>, String> {
        let input = serde_json::from_value(input).map_err(|error| error.to_string())?;
        self.engine.set_input(input);
        let mut outcomes = Vec::new();
        for (namespace, names) in &self.rules.names {
            let mut evaluation = Evaluation { engine: &mut self.engine, outcomes: &mut outcomes };
            let excepted = if self.rules.excepting.contains(namespace) {
                evaluation.exceptions(namespace)?
            } else {
                BTreeSet::new()
            };
            for name in names {
                evaluation.rule(namespace, name, &excepted)?;
            }
        }
        Ok(outcomes)
    }
}

impl Rules {
    /// Takes the rules of a file by which is judged.
    fn add(&mut self, engine: &regorus::Engine, file: &PolicyFile, namespace: &str) {
        let path = file.path.to_string_lossy();
        let is_declared =
            |name: &str| engine.has_declared_rule_rooted_at(&path, name).unwrap_or(false);
        let words = file.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let words: BTreeSet<_> = words.filter(|word| effect(word).is_some()).collect();
        for word in words.into_iter().filter(|word| is_declared(word)) {
            self.names.entry(namespace.to_owned()).or_default().insert(word.to_owned());
        }
        if is_declared("exception") {
            self.excepting.insert(namespace.to_owned());
        }
    }
}

/// A run through the rules.
struct Evaluation<'a> {
    engine: &'a mut regorus::Engine,
    outcomes: &'a mut Vec<Outcome>,
}

impl Evaluation<'_> {
    /// Returns the names of rules that are taken out, without `deny_`, `violation_` or `warn_`.
    fn exceptions(&mut self, namespace: &str) -> Result<BTreeSet<String>, String> {
        let sets = self.value(namespace, "exception")?;
        let names = items(&sets).flat_map(items).filter_map(Value::as_str);
        Ok(names.map(str::to_owned).collect())
    }

    fn rule(
        &mut self,
        namespace: &str,
        name: &str,
        excepted: &BTreeSet<String>,
    ) -> Result<(), String> {
        let Some(effect) = effect(name) else { return Ok(()) };
        let rule = format!("{namespace}.{name}");
        if excepted.contains(name.split_once('_').map_or(name, |(_, rest)| rest)) {
            let message = format!("`{rule}` is taken out by an exception");
            self.outcomes.push(Outcome { rule, effect: Effect::Except, message });
            return Ok(());
        }
        let value = self.value(namespace, name)?;
        let messages = messages(&rule, &value)?;
        let outcome = |message| Outcome { rule: rule.clone(), effect, message };
        self.outcomes.extend(messages.into_iter().map(outcome));
        Ok(())
    }

    /// Evaluates a rule.
    ///
    /// An error of a built-in function counts as undefined, as in OPA and conftest; it is said.
    fn value(&mut self, namespace: &str, name: &str) -> Result<Value, String> {
        let path = format!("data.{namespace}.{name}");
        self.engine.set_strict_builtin_errors(true);
        let value = match self.engine.eval_rule(path.clone()) {
            Ok(value) => value,
            Err(strict) => {
                self.engine.set_strict_builtin_errors(false);
                let value = self.engine.eval_rule(path).map_err(|error| compact(&error))?;
                let reason = compact(&strict);
                let message =
                    format!("a built-in function failed, which counts as undefined: {reason}");
                let rule = format!("{namespace}.{name}");
                self.outcomes.push(Outcome { rule, effect: Effect::Warn, message });
                value
            }
        };
        if value == regorus::Value::Undefined {
            return Ok(Value::Null);
        }
        serde_json::to_value(value).map_err(|error| error.to_string())
    }
}

/// Parses a policy in the syntax of Rego v1, else in that of v0; returns its package.
fn parse(engine: &mut regorus::Engine, file: &PolicyFile) -> Result<String, String> {
    let path = file.path.to_string_lossy().into_owned();
    // It has no effect, and `regorus` would warn of it on stderr.
    let is_redundant = |line: &str| line.split_whitespace().eq(["import", "input"]);
    let lines = file.text.lines().map(|line| if is_redundant(line) { "" } else { line });
    let text = lines.collect::<Vec<_>>().join("\n");
    engine.set_rego_v0(false);
    engine.add_policy(path.clone(), text.clone()).or_else(|error| {
        engine.set_rego_v0(true);
        engine.add_policy(path, text).map_err(|older| {
            // The first rule in the syntax of v0 lacks a keyword of v1, and is not what is wrong.
            let is_old = error.to_string().contains("keyword is required");
            compact(&if is_old { older } else { error })
        })
    })
}

/// Reads data, which stands below the names of the folders it lies in.
fn data(file: &PolicyFile) -> Result<regorus::Value, String> {
    let is_json = file.path.extension().is_some_and(|end| end == "json");
    let read = if is_json { regorus::Value::from_json_str } else { regorus::Value::from_yaml_str };
    let data = read(&file.text).map_err(|error| compact(&error))?;
    Ok(file.folders.iter().rev().fold(data, |data, folder| {
        regorus::Value::from(BTreeMap::from([(folder.as_str().into(), data)]))
    }))
}

fn syntax(file: &PolicyFile, reason: String) -> PolicyError {
    PolicyError::Syntax { path: file.path.clone(), reason }
}

/// Returns the effect of a rule by its name, as conftest knows it: `deny`, `violation` or `warn`, also with words
/// behind it.
fn effect(rule: &str) -> Option<Effect> {
    let mut words = rule.split('_');
    let effect = match words.next() {
        Some("deny" | "violation") => Effect::Deny,
        Some("warn") => Effect::Warn,
        _ => return None,
    };
    words.all(|word| !word.is_empty()).then_some(effect)
}

/// Returns the messages of a rule: texts, or objects with a text `msg`.
///
/// A value that is neither a set nor undefined counts, too: a rule that denies must not pass for its form.
fn messages(rule: &str, value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::Null | Value::Bool(false) => Ok(Vec::new()),
        Value::Bool(true) => Ok(vec![format!("`{rule}` is true")]),
        Value::Array(items) => items.iter().map(|item| message(rule, item)).collect(),
        Value::Object(fields) if fields.is_empty() => Ok(Vec::new()),
        other => message(rule, other).map(|message| vec![message]),
    }
}

fn message(rule: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Object(fields) => match fields.get("msg") {
            Some(Value::String(text)) => Ok(text.clone()),
            _ => Err(format!("a message of `{rule}` has no text `msg`")),
        },
        other => Ok(other.to_string()),
    }
}

/// Returns the members of a list or an object.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let fields = value.as_object().into_iter().flat_map(|fields| fields.values());
    value.as_array().into_iter().flatten().chain(fields)
}

/// Says in one line what `regorus` says in a drawing of the place: `policy.rego:3:1: expecting ...`.
fn compact(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.strip_prefix("--> "));
    let reason = text.lines().find_map(|line| line.strip_prefix("error: "));
    match (place, reason) {
        (Some(place), Some(reason)) => format!("{place}: {reason}"),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}
