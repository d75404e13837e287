//! What devops-cli adds to a tool's command: shared flags and commands, the opposite of every boolean,
//! and the names of the environment variables in the help.

use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::Shell;

use super::{examples::with_examples, reach::Reach, shared::shared_flags};
use crate::{layers, tool::Tool};

/// Returns the command as users see it.
pub(super) fn decorate(command: Command, tool: &Tool, reach: Reach<'_>) -> Command {
    let version = env!("CARGO_PKG_VERSION");
    let long_version = concat!(
        env!("CARGO_PKG_VERSION"),
        "\ncommit: ",
        env!("DEVOPS_BUILD_COMMIT"),
        "\ntarget: ",
        env!("DEVOPS_BUILD_TARGET"),
        "\nrustc: ",
        env!("DEVOPS_BUILD_RUSTC"),
    );
    let command = command
        .name(tool.name)
        .bin_name(tool.name)
        .version(version)
        .long_version(long_version)
        .max_term_width(100)
        .args(shared_flags())
        .subcommand(completions_command(tool.name))
        .subcommand(config_command());
    flags(with_examples(command, reach), tool, reach)
}

fn flags(command: Command, tool: &Tool, reach: Reach<'_>) -> Command {
    let has = |long: &str| command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let negations = command.get_arguments().filter_map(negation);
    // `--no-base` takes back the `--base` that is there.
    let negations: Vec<Arg> =
        negations.filter(|arg| arg.get_long().is_none_or(|long| !has(long))).collect();
    command
        .args_override_self(true)
        .mut_args(|arg| with_environment(with_negation(arg), tool))
        .args(negations)
        .mut_subcommands(|sub| {
            if is_ours(&sub) || !reach.covers(&sub) { sub } else { flags(sub, tool, reach) }
        })
}

/// Our own commands have no settings worth a fallback.
fn is_ours(command: &Command) -> bool {
    matches!(command.get_name(), "completions" | "config" | "help")
}

fn negation(arg: &Arg) -> Option<Arg> {
    let long = boolean_long(arg)?;
    let opposite = layers::opposite(long);
    Some(
        Arg::new(opposite.clone())
            .long(opposite)
            .action(ArgAction::SetTrue)
            .global(arg.is_global_set())
            .overrides_with(arg.get_id())
            .hide(true),
    )
}

fn with_negation(arg: Arg) -> Arg {
    match boolean_long(&arg).map(layers::opposite) {
        Some(opposite) => arg.overrides_with(opposite),
        None => arg,
    }
}

fn boolean_long(arg: &Arg) -> Option<&str> {
    matches!(arg.get_action(), ArgAction::SetTrue).then(|| arg.get_long()).flatten()
}

/// Names the variable in the long help, on a line that is never wrapped; its value is never shown.
fn with_environment(arg: Arg, tool: &Tool) -> Arg {
    if !layers::has_fallback(&arg) {
        return arg;
    }
    let name = layers::variable(tool, arg.get_long().expect("a fallback needs a long flag"));
    let help = arg.get_long_help().or(arg.get_help());
    // With its styles: to strip them looks at each byte, a fifth of what a tool needs to start.
    let help = help.map(|help| help.ansi().to_string()).unwrap_or_default();
    let form = match (arg.get_action(), arg.get_value_delimiter()) {
        (ArgAction::Append, Some(_)) => ", one a line or with commas",
        (ArgAction::Append, None) => ", one a line",
        _ => "",
    };
    arg.long_help(format!("{help}\n[env: {name}{form}]").trim_start().to_owned())
}

fn completions_command(tool: &str) -> Command {
    let places = format!(
        "INSTALL\n  \
         {tool} completions bash > ~/.local/share/bash-completion/completions/{tool}\n  \
         {tool} completions zsh > ~/.zfunc/_{tool}       with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc\n  \
         {tool} completions fish > ~/.config/fish/completions/{tool}.fish"
    );
    Command::new("completions")
        .about("Print a completion script for a shell")
        .after_long_help(places)
        .display_order(901)
        .arg(
            Arg::new("shell").required(true).value_name("SHELL").value_parser(value_parser!(Shell)),
        )
}

fn config_command() -> Command {
    let origin = Arg::new("origin")
        .long("origin")
        .action(ArgAction::SetTrue)
        .help("Also print where each value came from, and the files that were looked for");
    let trust = Arg::new("trust")
        .long("trust")
        .action(ArgAction::SetTrue)
        .help("Also print what a project file may do with each: project, tighten, inside or user");
    let show = Command::new("show").about("Print every setting and its value");
    Command::new("config")
        .about("Look at the configuration")
        .display_order(900)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(show.args([origin, trust]))
}
