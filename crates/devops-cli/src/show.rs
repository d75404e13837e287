//! `config show`: every setting, its value, and where it came from.

use clap::{Arg, ArgMatches, Command};
use devops_core::secret::without_secrets;
use serde_json::{Map, Value, json};

use crate::{
    config::{
        self,
        found::{Config, LookedFor},
    },
    failure::Failure,
    json::insert_path,
    layers::{
        self, Subject,
        context::{Context, Lookup},
        layer::{ConfigSource, Layer},
    },
    profile::ProfileTable,
    stdout::print_text,
    text::{escaped, quote},
    tool::Tool,
    trust,
};

/// One flag with its value, and what a project file may do with it.
pub(crate) struct Setting {
    pub(crate) layer: Layer,
    /// The word for it; `undecided` fails the tests.
    pub(crate) trust: &'static str,
}

/// Prints the settings of every command of the tool.
pub(crate) fn show(
    tool: &Tool,
    command: &Command,
    config: &Config,
    flags: &ArgMatches,
    environment: Lookup<'_>,
) -> Result<(), Failure> {
    let style = Style { origin: flags.get_flag("origin"), trust: flags.get_flag("trust") };
    let as_json = flags.get_flag("json");
    let mut text = String::new();
    for setting in settings(tool, command, config, environment)? {
        text.push_str(&if as_json { object(&setting) } else { line(&setting, style) });
        text.push('\n');
    }
    for file in config.looked_for().iter().filter(|_| style.origin) {
        text.push_str(&looked_for(file, as_json));
        text.push('\n');
    }
    print_text(text.as_bytes())
}

/// Says of a config file whether it is there.
fn looked_for(file: &LookedFor, as_json: bool) -> String {
    let LookedFor { path, is_there } = file;
    if as_json {
        let mut object = Map::new();
        object.insert("type".to_owned(), "file".into());
        insert_path(&mut object, "path", path);
        object.insert("found".to_owned(), (*is_there).into());
        return Value::Object(object).to_string();
    }
    format!("# {}: {}", quote(path), if *is_there { "found" } else { "not found" })
}

/// Returns the settings of every command and of every profile.
pub(crate) fn settings(
    tool: &Tool,
    command: &Command,
    config: &Config,
    environment: Lookup<'_>,
) -> Result<Vec<Setting>, Failure> {
    let mut layers = Vec::new();
    let context = Context { tool, config, environment, subject: &Subject::Unknown };
    collect(&context, command, &mut Vec::new(), &mut layers)?;
    for profile in config::profiles(config, tool)? {
        layers.extend(of_profile(&profile));
    }
    let setting = |mut layer: Layer| {
        if tool.secret.contains(&layer.long.as_str()) {
            layer.values.fill("***".into());
            layer.notes.clear();
        }
        let trust = trust::decision(tool, &layer.path, &layer.long);
        Setting { trust: trust.map_or("undecided", trust::Trust::name), layer }
    };
    Ok(layers.into_iter().map(setting).collect())
}

fn collect(
    context: &Context<'_>,
    command: &Command,
    path: &mut Vec<String>,
    settings: &mut Vec<Layer>,
) -> Result<(), Failure> {
    for arg in command.get_arguments().filter(|arg| layers::has_fallback(arg)) {
        settings.push(match layers::value(context, arg, path)? {
            Some(layer) if layer.is_set => layer,
            Some(Layer { notes, .. }) => Layer { notes, ..default(arg, path) },
            None => default(arg, path),
        });
    }
    for sub in command.get_subcommands() {
        if !matches!(sub.get_name(), "completions" | "config" | "help") {
            path.push(sub.get_name().to_owned());
            collect(context, sub, path, settings)?;
            path.pop();
        }
    }
    Ok(())
}

fn of_profile(profile: &ProfileTable) -> Vec<Layer> {
    let path = ["profile".to_owned(), profile.name.clone()];
    let keys = (profile.keys)();
    let args = keys.get_arguments().filter(|arg| layers::has_fallback(arg));
    args.map(|arg| {
        let set = profile.layers.iter().find(|layer| Some(layer.long.as_str()) == arg.get_long());
        set.cloned().unwrap_or_else(|| default(arg, &path))
    })
    .collect()
}

fn default(arg: &Arg, path: &[String]) -> Layer {
    let values = match arg.get_action() {
        clap::ArgAction::SetTrue => vec!["false".into()],
        _ => arg.get_default_values().iter().map(Into::into).collect(),
    };
    let long = arg.get_long().expect("a setting has a long flag").to_owned();
    Layer { path: path.to_vec(), long, values, origin: ConfigSource::Default, ..Layer::default() }
}

fn key(setting: &Layer) -> String {
    let flag = setting.long.replace('-', "_");
    setting.path.iter().cloned().chain([flag]).collect::<Vec<_>>().join(".")
}

fn values(setting: &Layer) -> Vec<String> {
    setting.values.iter().map(|value| without_secrets(&value.to_string_lossy())).collect()
}

/// The remarks that follow a value.
#[derive(Clone, Copy)]
struct Style {
    origin: bool,
    trust: bool,
}

fn line(setting: &Setting, style: Style) -> String {
    let layer = &setting.layer;
    let values: Vec<_> = values(layer).iter().map(|value| escaped(value)).collect();
    let line = format!("{} = {}", key(layer), values.join(", "));
    let mut parts = vec![line.trim_end().to_owned()];
    if style.trust {
        parts.push(format!("[{}]", setting.trust));
    }
    if style.origin {
        let notes = layer.notes.iter().map(|note| without_secrets(note));
        let all: Vec<_> = [layer.origin.to_string()].into_iter().chain(notes).collect();
        parts.push(format!("({})", all.join("; ")));
    }
    parts.join("  ")
}

fn object(setting: &Setting) -> String {
    let layer = &setting.layer;
    json!({
        "type": "setting",
        "key": key(layer),
        "values": values(layer),
        "origin": layer.origin.to_string(),
        "notes": layer.notes.iter().map(|note| without_secrets(note)).collect::<Vec<_>>(),
        "trust": setting.trust,
    })
    .to_string()
}
