//! From the command line, the environment and config files to a tool's arguments.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

use clap::{ArgMatches, Command, Parser};
use clap_complete::Shell;
use devops_core::kind::Kind;

use crate::{
    clap_error::{summary, with_origin},
    config::{self, Named, found::Config},
    exit,
    failure::Failure,
    layers::{
        self, Layers, Subject,
        context::{Context, Lookup},
        flags::TRUST_FLAG,
        layer::Layer,
    },
    profile::ProfileTable,
    report,
    settings::Settings,
    show,
    stderr::color_labels,
    stdout::{print_text, stdout_failure},
    tool::Tool,
};

mod clap_messages;
mod color;
mod decorate;
mod examples;
mod reach;
mod shared;

pub(crate) use self::color::is_wanted;
use self::reach::Reach;

/// The outcome of the arguments.
pub(crate) enum Parsed<C> {
    /// The tool is to run.
    Run(C, Settings),
    /// Everything was said already.
    Finished(u8),
}

/// Parses the arguments of this process.
pub(crate) fn parse<C: Parser>(tool: &Tool) -> Parsed<C> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json_on_line = said_on_line("json", &arguments);
    let as_json = is_given(tool, "json", &arguments);
    color_labels(color::of_stderr(color::given(tool, &arguments, &layers::of_process)));
    exit::fail_with_1(tool.fails_with_1.is_some_and(|flag| is_given(tool, flag, &arguments)));
    match resolve(tool, C::command, &arguments, &layers::of_process) {
        Ok(Resolved::Matches(mut matches, found)) => {
            let mut settings = settings(&matches);
            settings.profiles = found.profiles;
            settings.warnings = found.warnings;
            settings.given = found.given;
            settings.json = json_on_line.unwrap_or(settings.json);
            color_labels(color::of_stderr(settings.color));
            exit::fail_with_1(tool.fails_with_1.is_some_and(|flag| is_set(&matches, flag)));
            match C::from_arg_matches_mut(&mut matches) {
                Ok(cli) => Parsed::Run(cli, settings),
                Err(error) => Parsed::Finished(show_clap(&error, as_json)),
            }
        }
        Ok(Resolved::Printed) => Parsed::Finished(0),
        Err(refusal) => Parsed::Finished(refused(tool, C::command, refusal, &arguments)),
    }
}

/// Says why nothing can be run, and returns the exit code.
fn refused(
    tool: &Tool,
    command: impl Fn() -> Command,
    refusal: Refusal,
    arguments: &[OsString],
) -> u8 {
    let as_json = is_given(tool, "json", arguments);
    exit::fail_with_1(fails_with_1(tool, &command(), arguments));
    match refusal {
        Refusal::Clap(error) => {
            let command = || {
                let color = color::of_clap(tool, arguments, &layers::of_process);
                decorate::decorate(command(), tool, Reach::Words(arguments)).color(color)
            };
            let error =
                clap_messages::with_dashes(clap_messages::with_synonym(error, tool.synonyms));
            let error = clap_messages::in_plain_words(error, command);
            show_clap(&error, as_json)
        }
        Refusal::Failure(failure) => report::early(&failure, as_json),
    }
}

/// Returns whether every failure is to end with 1, though the command line or a file is wrong.
fn fails_with_1(tool: &Tool, command: &Command, arguments: &[OsString]) -> bool {
    let Some(flag) = tool.fails_with_1 else { return false };
    let in_files = || {
        let is_command = |word: &&OsString| command.find_subcommand(word).is_some();
        let name = arguments.iter().skip(1).find(is_command)?.to_str()?;
        let known = command.find_subcommand(name)?.get_arguments();
        known.into_iter().find(|known| known.get_long() == Some(flag))?;
        let named = value_on_line("config", arguments);
        let named = named.or_else(|| layers::of_process(&layers::variable(tool, "config")));
        layers::boolean(&Config::glance(tool, named, name, flag)?)
    };
    let said = said_on_line(flag, arguments).or_else(|| said_in_environment(tool, flag));
    said.or_else(in_files).unwrap_or(false)
}

/// Returns the value of a flag, before the command line is understood.
fn value_on_line(flag: &str, arguments: &[OsString]) -> Option<OsString> {
    let (name, start) = (format!("--{flag}"), format!("--{flag}="));
    let mut words = arguments.iter().take_while(|argument| *argument != "--");
    while let Some(word) = words.next() {
        if *word == *name {
            return words.next().cloned();
        }
        if let Some(value) = word.as_bytes().strip_prefix(start.as_bytes()) {
            return Some(OsStr::from_bytes(value).to_owned());
        }
    }
    None
}

enum Resolved {
    Matches(ArgMatches, Found),
    Printed,
}

/// Profiles and warnings of the config files, and the flags of the command line.
struct Found {
    profiles: Vec<ProfileTable>,
    warnings: Vec<String>,
    given: Vec<String>,
}

enum Refusal {
    Clap(clap::Error),
    Failure(Failure),
}

impl From<clap::Error> for Refusal {
    fn from(error: clap::Error) -> Self {
        Self::Clap(error)
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// Parses the command line, and once more with the values of the environment and the files as defaults if there are
/// any.
fn resolve(
    tool: &Tool,
    make: fn() -> Command,
    arguments: &[OsString],
    environment: Lookup<'_>,
) -> Result<Resolved, Refusal> {
    let command = decorate::decorate(make(), tool, Reach::Words(arguments)).color(color::of_clap(
        tool,
        arguments,
        environment,
    ));
    let Learned { given, missing } = learn(&command, arguments)?;
    if let Some(("completions", matches)) = given.subcommand() {
        let shell = *matches.get_one::<Shell>("shell").expect("shell is required");
        return Ok(completions(tool, decorate::decorate(make(), tool, Reach::All), shell)?);
    }
    let config = Config::load(tool, &command, named(tool, &given, environment)?)?;
    if let Some(("config", matches)) = given.subcommand() {
        let (_, show) = matches.subcommand().expect("config has one subcommand");
        report::early_warnings(config.warnings(), show.get_flag("json"));
        show::show(tool, &command, &config, show, environment)?;
        return Ok(Resolved::Printed);
    }
    let subject = Subject::of(tool, &given, config.project());
    let context = Context { tool, config: &config, environment, subject: &subject };
    let layers = layers::resolve(&context, &command, &given)?;
    let flags = layers::given_flags(&command, &given);
    let matches = match missing {
        Some(error) if layers.is_empty() => return Err(error.into()),
        None if layers.is_empty() => given,
        _ => with_layers(&command, &layers, arguments)?,
    };
    let profiles = config::profiles(&config, tool)?;
    Ok(Resolved::Matches(matches, Found { profiles, warnings: layers.warnings, given: flags }))
}

/// The values of the command line alone.
struct Learned {
    given: ArgMatches,
    /// The error of a required flag that is missing, which may come from the environment or a file.
    missing: Option<clap::Error>,
}

fn learn(command: &Command, arguments: &[OsString]) -> Result<Learned, clap::Error> {
    match command.clone().try_get_matches_from(arguments) {
        Ok(given) => Ok(Learned { given, missing: None }),
        Err(error) if error.kind() == clap::error::ErrorKind::MissingRequiredArgument => {
            // The strict command words an error better.
            match layers::all_optional(command.clone()).try_get_matches_from(arguments) {
                Ok(given) => Ok(Learned { given, missing: Some(error) }),
                Err(_) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

fn with_layers(
    command: &Command,
    layers: &Layers,
    arguments: &[OsString],
) -> Result<ArgMatches, Refusal> {
    let defaults = &layers.defaults;
    let layered = layers::apply(command.clone(), defaults);
    let arguments = layers::add(arguments, &layers.added);
    layered.try_get_matches_from(&arguments).map_err(|error| {
        match defaults.iter().find(|layer| is_not_text(layer, command, &arguments)) {
            Some(layer) => not_text(layer),
            None => {
                with_origin(&error, defaults).map_or_else(|| Refusal::Clap(error), Refusal::Failure)
            }
        }
    })
}

/// Returns whether a flag that takes text alone was given something else from outside the line.
fn is_not_text(layer: &Layer, command: &Command, arguments: &[OsString]) -> bool {
    if layer.values.iter().all(|value| value.to_str().is_some()) {
        return false;
    }
    // clap does not say of which flag it complains, so each is tried alone.
    let alone = layers::all_optional(layers::apply(command.clone(), std::slice::from_ref(layer)));
    let tried = alone.try_get_matches_from(arguments);
    tried.is_err_and(|error| error.kind() == clap::error::ErrorKind::InvalidUtf8)
}

fn not_text(layer: &Layer) -> Refusal {
    Failure::usage(format!("the value of `--{}` is not UTF-8", layer.long))
        .hint(format!("the value comes from {}", layer.origin))
        .into()
}

/// Returns which config files the command line and the environment name.
fn named(tool: &Tool, given: &ArgMatches, environment: Lookup<'_>) -> Result<Named, Failure> {
    let flag = |long: &str| given.get_one::<OsString>(long).cloned();
    let config = flag("config").or_else(|| environment(&layers::variable(tool, "config")));
    let trusted = flag(TRUST_FLAG);
    if config.is_some() && trusted.is_some() {
        return Err(Failure::usage(
            "with `--config` no project file is read that could be trusted",
        )
        .hint("a file that is named with `--config` is trusted without `--trust-project`"));
    }
    Ok(Named { config, trusted })
}

fn completions(tool: &Tool, mut command: Command, shell: Shell) -> Result<Resolved, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, tool.name, &mut script);
    if shell == Shell::Bash {
        script = repaired(&String::from_utf8_lossy(&script), tool.name).into_bytes();
    }
    print_text(&script)?;
    Ok(Resolved::Printed)
}

/// Makes the two names of a command one: where a name has a hyphen, `clap_complete` sets its state by one name
/// and looks for it by another (<https://github.com/clap-rs/clap/issues/6421>).
fn repaired(script: &str, name: &str) -> String {
    script.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
}

fn settings(matches: &ArgMatches) -> Settings {
    // Before and after the subcommand a flag and its opposite do not override each other.
    let flag = |long: &str| matches.get_flag(long) && !matches.get_flag(&layers::opposite(long));
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    Settings {
        json: flag("json"),
        quiet: flag("quiet"),
        verbose: matches.get_count("verbose"),
        no_progress: flag("no-progress"),
        color: *matches.get_one("color").expect("color has a default"),
        log_format: *matches.get_one("log-format").expect("log-format has a default"),
        ci: is_set("CI"),
        profiles: Vec::new(),
        warnings: Vec::new(),
        given: Vec::new(),
    }
}

/// Returns whether a boolean flag is given, before the command line is understood.
fn is_given(tool: &Tool, flag: &str, arguments: &[OsString]) -> bool {
    said_on_line(flag, arguments).or_else(|| said_in_environment(tool, flag)).unwrap_or(false)
}

/// Returns what the command line says of a boolean flag: the last word counts.
fn said_on_line(flag: &str, arguments: &[OsString]) -> Option<bool> {
    let (yes, no) = (format!("--{flag}"), format!("--{}", layers::opposite(flag)));
    let words = arguments.iter().take_while(|argument| *argument != "--");
    let said = words.filter_map(|word| match word.to_str()? {
        word if word == yes => Some(true),
        word if word == no => Some(false),
        _ => None,
    });
    said.last()
}

fn said_in_environment(tool: &Tool, flag: &str) -> Option<bool> {
    let value = layers::of_process(&layers::variable(tool, flag))?;
    layers::boolean(&value.to_string_lossy())
}

/// Returns whether a boolean flag of the command that was given is set.
fn is_set(matches: &ArgMatches, flag: &str) -> bool {
    let command = matches.subcommand().map(|(_, matches)| matches);
    let id = flag.replace('-', "_");
    command.is_some_and(|command| matches!(command.try_get_one::<bool>(&id), Ok(Some(true))))
}

/// Prints what clap has to say, and returns the exit code.
fn show_clap(error: &clap::Error, as_json: bool) -> u8 {
    if error.use_stderr() && as_json {
        let failure = Failure::usage(summary(error));
        let failure = match clap_messages::suggestion(error) {
            Some(suggestion) => failure.hint(suggestion),
            None => failure,
        };
        return report::early(&failure, true);
    }
    match error.print() {
        // A closed pipe is no failure of a help text.
        Err(failed) if failed.kind() != std::io::ErrorKind::BrokenPipe => {
            report::early(&stdout_failure(&failed), as_json)
        }
        _ if error.use_stderr() => exit::of_kind(Kind::Usage, None),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
