//! `cargo xtask units`: how many units `cargo xtask test` compiles, step by step, without compiling any.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    shell::{cargo, shown},
    test,
};

/// Prints the units that each step adds to those before it, and their sum.
pub(crate) fn run() -> Result<()> {
    let mut seen = HashSet::new();
    let bootstrap = cargo(["build", "--locked", "--profile", "xtask", "--package", "xtask"]);
    for command in [bootstrap, test::own_tests()].iter().chain(&test::builds()) {
        let units = Graph::of(command)?.compiled();
        let n_before = seen.len();
        seen.extend(units);
        println!("{:5}  {}", seen.len() - n_before, shown(command));
    }
    println!("{:5}  in all", seen.len());
    Ok(())
}

/// The unit graph of one cargo command.
struct Graph {
    units: Vec<Value>,
    /// Clippy compiles our own crates with another compiler, so they are not shared with other steps.
    is_clippy: bool,
}

impl Graph {
    fn of(command: &Command) -> Result<Self> {
        let is_clippy = command.get_args().next().is_some_and(|argument| argument == "clippy");
        let output = graph_command(command, is_clippy).output().context("cannot start cargo")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cargo gives no unit graph:\n{errors}");
        let graph: Value = serde_json::from_slice(&output.stdout)?;
        let units = graph["units"].as_array().context("a unit graph has units")?.clone();
        Ok(Self { units, is_clippy })
    }

    /// Returns the identities of the units that a compiler runs for.
    fn compiled(&self) -> HashSet<u64> {
        let mut known = HashMap::new();
        let compiled = self.units.iter().enumerate().filter(|(_, unit)| !is_run(unit));
        compiled.map(|(index, _)| self.identity(index, &mut known)).collect()
    }

    /// Returns what tells a unit from others: its own properties, and those of all that it depends on.
    fn identity(&self, index: usize, known: &mut HashMap<usize, u64>) -> u64 {
        if let Some(identity) = known.get(&index) {
            return *identity;
        }
        let unit = &self.units[index];
        let mut hasher = DefaultHasher::new();
        for property in ["pkg_id", "target", "profile", "platform", "mode", "features"] {
            unit[property].to_string().hash(&mut hasher);
        }
        (self.is_clippy && is_ours(unit)).hash(&mut hasher);
        let mut dependencies: Vec<u64> = unit["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|dependency| usize::try_from(dependency["index"].as_u64()?).ok())
            .map(|index| self.identity(index, known))
            .collect();
        dependencies.sort_unstable();
        dependencies.hash(&mut hasher);
        let identity = hasher.finish();
        known.insert(index, identity);
        identity
    }
}

/// Returns the command that prints the graph instead of building it.
///
/// Only a nightly cargo has that flag, or one that is told to take itself for one; nothing is compiled.
fn graph_command(command: &Command, is_clippy: bool) -> Command {
    let arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    let arguments = arguments.take_while(|argument| argument != "--");
    let mut graph = cargo(arguments.enumerate().map(|(n, argument)| match n {
        0 if is_clippy => "check".to_owned(),
        _ => argument,
    }));
    graph.args(["--unit-graph", "-Zunstable-options"]).env("RUSTC_BOOTSTRAP", "1");
    graph
}

/// Returns whether the unit is a run of a build script.
fn is_run(unit: &Value) -> bool {
    unit["mode"] == "run-custom-build"
}

fn is_ours(unit: &Value) -> bool {
    let source = unit["target"]["src_path"].as_str().unwrap_or_default();
    Path::new(source).starts_with(crate::shell::root())
}
