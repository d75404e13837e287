//! The help of every command gets those examples of its tool's help that show it, and the exit codes.

use clap::Command;

use super::reach::Reach;

const EXIT_CODES: &str = "EXIT CODES";

/// What the help of a tool ends with, for the help of its commands.
struct Ending {
    examples: Vec<String>,
    exit_codes: String,
}

/// Adds examples and exit codes to the help of every command that is reached.
pub(super) fn with_examples(mut command: Command, reach: Reach<'_>) -> Command {
    let text = after_long_help(&command);
    let name = command.get_name().to_owned();
    let mut examples: Vec<String> = section(&text, "EXAMPLES").lines().map(str::to_owned).collect();
    examples.push(format!("  {name} completions bash > {name}.bash"));
    examples.push(format!("  {name} config show --origin"));
    let ending = Ending { examples, exit_codes: section(&text, EXIT_CODES).to_owned() };
    for sub in command.get_subcommands_mut().filter(|sub| reach.covers(sub)) {
        end(sub, &name, &ending, reach);
    }
    command
}

/// Returns the text with its styles: to strip them looks at each byte, more than all else a tool does to start.
fn after_long_help(command: &Command) -> String {
    command.get_after_long_help().map(|text| text.ansi().to_string()).unwrap_or_default()
}

/// Returns the lines under a heading, up to the next empty one.
fn section<'a>(text: &'a str, heading: &str) -> &'a str {
    let Some((_, rest)) = text.split_once(heading) else { return "" };
    let rest = rest.split_once('\n').map_or("", |(_, lines)| lines);
    rest.split_once("\n\n").map_or(rest, |(lines, _)| lines)
}

fn end(command: &mut Command, above: &str, ending: &Ending, reach: Reach<'_>) {
    let path = format!("{above} {}", command.get_name());
    let shows = |line: &&String| {
        let found = line.find(&path).map(|at| &line[at + path.len()..]);
        found.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let examples: Vec<&str> = ending.examples.iter().filter(shows).map(String::as_str).collect();
    let own = after_long_help(command);
    // Codes that mean something else for this command stand in its own text.
    let (own, codes) = match own.split_once(EXIT_CODES) {
        Some((own, codes)) => {
            (own.trim_end().to_owned(), codes.trim_start_matches('\n').to_owned())
        }
        None => (own, ending.exit_codes.clone()),
    };
    let mut parts = Vec::new();
    parts.extend((!own.is_empty()).then_some(own));
    parts.extend((!examples.is_empty()).then(|| format!("EXAMPLES\n{}", examples.join("\n"))));
    parts.extend((!codes.is_empty()).then(|| format!("{EXIT_CODES}\n{codes}")));
    let text = parts.join("\n\n");
    for sub in command.get_subcommands_mut().filter(|sub| reach.covers(sub)) {
        end(sub, &path, ending, reach);
    }
    let taken = std::mem::take(command);
    *command = taken.after_long_help(text);
}
