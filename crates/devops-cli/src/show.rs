//! `config show`: every setting, its value, and where it came from.

use clap::{Arg, ArgMatches, Command};
use serde_json::json;

use crate::{
    config::Config,
    failure::Failure,
    layers::{self, Layer, Origin},
    profile::ProfileTable,
    session,
    tool::Tool,
};

/// Prints the settings of every command of the tool.
pub(crate) fn show(
    tool: &Tool,
    command: &Command,
    config: &Config,
    flags: &ArgMatches,
) -> Result<(), Failure> {
    let mut settings = Vec::new();
    collect(tool, command, &mut Vec::new(), config, &mut settings)?;
    for profile in config.profiles(tool)? {
        settings.extend(of_profile(&profile));
    }
    for setting in &mut settings {
        if tool.secret.contains(&setting.long.as_str()) {
            setting.values.fill("***".into());
        }
    }
    let as_json = flags.get_flag("json");
    let with_origin = flags.get_flag("origin");
    let mut text = String::new();
    for setting in settings {
        text.push_str(&if as_json { object(&setting) } else { line(&setting, with_origin) });
        text.push('\n');
    }
    session::print_text(text.as_bytes())
}

fn collect(
    tool: &Tool,
    command: &Command,
    path: &mut Vec<String>,
    config: &Config,
    settings: &mut Vec<Layer>,
) -> Result<(), Failure> {
    for arg in command.get_arguments().filter(|arg| layers::has_fallback(arg)) {
        let layer = layers::value(tool, arg, path, config)?;
        settings.push(layer.unwrap_or_else(|| default(arg, path)));
    }
    for sub in command.get_subcommands() {
        if !matches!(sub.get_name(), "completions" | "config" | "help") {
            path.push(sub.get_name().to_owned());
            collect(tool, sub, path, config, settings)?;
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
    Layer { path: path.to_vec(), long, values, origin: Origin::Default }
}

fn key(setting: &Layer) -> String {
    let flag = setting.long.replace('-', "_");
    setting.path.iter().cloned().chain([flag]).collect::<Vec<_>>().join(".")
}

fn values(setting: &Layer) -> Vec<String> {
    setting.values.iter().map(|value| value.to_string_lossy().into_owned()).collect()
}

fn line(setting: &Layer, with_origin: bool) -> String {
    let line = format!("{} = {}", key(setting), values(setting).join(", "));
    let line = line.trim_end();
    if with_origin { format!("{line}  ({})", setting.origin) } else { line.to_owned() }
}

fn object(setting: &Layer) -> String {
    json!({
        "type": "setting",
        "key": key(setting),
        "values": values(setting),
        "origin": setting.origin.to_string(),
    })
    .to_string()
}
