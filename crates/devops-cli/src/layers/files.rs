//! The value of one flag in the config files, by the trust in a project file for it.

use std::{ffi::OsString, path::Path};

use clap::Arg;

use super::{
    context::Context,
    layer::{ConfigSource, Layer},
    subject::Subject,
    values::from_file,
};
use crate::{
    config::entry::Entry,
    failure::Failure,
    text,
    trust::{
        self, Strictest,
        kinds::{Inside, Stricter, Trust},
    },
};

/// Returns the value of a flag that the files have, and why other values of theirs do not count.
pub(crate) fn value(
    context: &Context<'_>,
    arg: &Arg,
    path: &[String],
    entries: &[&Entry],
) -> Result<Option<Layer>, Failure> {
    let long = arg.get_long().expect("a fallback needs a long flag");
    let said: Vec<Said<'_>> =
        entries.iter().map(|entry| Said::read(arg, entry)).collect::<Result<_, _>>()?;
    let layer = match trust::of(context.tool, path, long) {
        Trust::Tighten(rule) => strictest(rule, &said),
        Trust::Inside(inside) => inside_value(context, inside, &said)?,
        Trust::Project | Trust::User | Trust::Program => said.first().map(Said::layer),
    };
    Ok(layer.map(|layer| Layer { path: path.to_vec(), long: long.to_owned(), ..layer }))
}

/// The values of one file.
struct Said<'a> {
    values: Vec<OsString>,
    entry: &'a Entry,
}

impl<'a> Said<'a> {
    fn read(arg: &Arg, entry: &'a Entry) -> Result<Self, Failure> {
        let values = entry.values.iter().map(OsString::from).collect();
        Ok(Self { values: from_file(arg, values, &entry.origin())?, entry })
    }

    fn layer(&self) -> Layer {
        Layer { values: self.values.clone(), origin: self.entry.origin(), ..Layer::default() }
    }

    fn note(&self, why: &str) -> String {
        format!("{} of {} {why}", text::list(&self.values), self.entry.origin())
    }
}

fn strictest(rule: Stricter, said: &[Said<'_>]) -> Option<Layer> {
    let candidates: Vec<_> =
        said.iter().map(|it| (it.values.clone(), it.entry.is_of_project())).collect();
    let chosen = Strictest { rule, candidates: &candidates }.choose();
    let (values, sources) = chosen.unwrap_or_default();
    let loose = (0..said.len()).filter(|n| !sources.contains(n));
    let loose = loose.filter(|n| said[*n].values != values && rule != Stricter::Union);
    let notes: Vec<_> = loose.map(|n| said[n].note("is less strict")).collect();
    let origin = match sources.as_slice() {
        [] => ConfigSource::Default,
        [one] => said[*one].entry.origin(),
        many => ConfigSource::Several(many.iter().map(|n| said[*n].entry.origin()).collect()),
    };
    let is_set = !sources.is_empty();
    (is_set || !notes.is_empty()).then(|| Layer {
        values,
        origin,
        is_set,
        notes,
        ..Layer::default()
    })
}

fn inside_value(
    context: &Context<'_>,
    inside: Inside,
    said: &[Said<'_>],
) -> Result<Option<Layer>, Failure> {
    let (of_project, others): (Vec<_>, Vec<_>) =
        said.iter().partition(|it| it.entry.is_of_project());
    let other = others.first().map(|it| it.layer());
    let (Some(own), Some(project)) = (of_project.first(), context.config.project()) else {
        return Ok(other);
    };
    let folder = text::quote(project.folder());
    let mut notes = Vec::new();
    match context.subject {
        Subject::Unknown => notes.push(format!("for what lies in `{folder}`")),
        Subject::Inside => check_paths(context, inside, own)?,
        Subject::Outside(what) => {
            let key = &own.entry.key;
            let origin = own.entry.origin();
            let warning =
                format!("`{key}` of {origin} is ignored: {what} is outside of `{folder}`");
            let layer = other.unwrap_or_else(|| Layer { is_set: false, ..Layer::default() });
            return Ok(Some(Layer { warnings: vec![warning], ..layer }));
        }
    }
    let layer = match (inside, other) {
        (Inside::Excludes | Inside::ExcludeFiles, Some(other)) => joined(other, own),
        (Inside::Includes, Some(other)) if !other.values.is_empty() => common(&other, own)?,
        _ => own.layer(),
    };
    Ok(Some(Layer { notes, ..layer }))
}

fn check_paths(context: &Context<'_>, inside: Inside, said: &Said<'_>) -> Result<(), Failure> {
    let Some(project) = context.config.project().filter(|_| inside.is_path()) else {
        return Ok(());
    };
    for value in &said.values {
        let shown = text::quote(Path::new(value));
        let key = &said.entry.key;
        if inside == Inside::PathOnly && value.to_string_lossy().contains('=') {
            let what = format!("a project file may not set `{key}` but to a file");
            return Err(said.entry.invalid(&what).hint(
                "set it on the command line, in the environment or in your own config file",
            ));
        }
        if !project.holds(Path::new(value)) {
            let folder = text::quote(project.folder());
            let what = format!("`{key}` names `{shown}`, which is outside of `{folder}`");
            return Err(said.entry.invalid(&what));
        }
    }
    Ok(())
}

/// Adds the exclusions of the project to those of other files.
fn joined(other: Layer, own: &Said<'_>) -> Layer {
    let added: Vec<_> =
        own.values.iter().filter(|value| !other.values.contains(value)).cloned().collect();
    Layer {
        values: [other.values, added].concat(),
        origin: ConfigSource::Several(vec![own.entry.origin(), other.origin]),
        ..Layer::default()
    }
}

/// Takes only the values that both the project and the other files have.
fn common(other: &Layer, own: &Said<'_>) -> Result<Layer, Failure> {
    let values: Vec<_> =
        own.values.iter().filter(|value| other.values.contains(value)).cloned().collect();
    if values.is_empty() {
        let (key, origin) = (&own.entry.key, &other.origin);
        let what = format!("`{key}` has nothing in common with that of {origin}");
        return Err(own.entry.invalid(&what));
    }
    let origin = ConfigSource::Several(vec![own.entry.origin(), other.origin.clone()]);
    Ok(Layer { values, origin, ..Layer::default() })
}
