//! What clap says of a wrong command line, for programs: without usage line and colors.

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{clap_error::plain, text::escaped};

/// Adds the command that is meant where a word of another tool was given.
pub(super) fn with_synonym(mut error: clap::Error, synonyms: &[(&str, &str)]) -> clap::Error {
    if error.kind() == ErrorKind::InvalidSubcommand
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
        && let Some((_, command)) = synonyms.iter().find(|(synonym, _)| synonym == word)
    {
        let command = ContextValue::Strings(vec![(*command).to_owned()]);
        error.insert(ContextKind::SuggestedSubcommand, command);
    }
    error
}

/// Says where a command to run stands, where one was given in front of the `--`.
pub(super) fn with_dashes(mut error: clap::Error) -> clap::Error {
    let takes_command = error.get(ContextKind::Usage).map(ToString::to_string);
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidArg)
        && !word.starts_with('-')
        && takes_command.is_some_and(|usage| usage.contains("-- "))
    {
        let tip = format!("the command to run stands after `--`: `-- {}`", escaped(word));
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}

/// Says in plain words what is wrong with a number; `command` makes the command for the rest of the message.
pub(super) fn in_plain_words(error: clap::Error, command: impl FnOnce() -> Command) -> clap::Error {
    let text = error.to_string();
    match plain(text.strip_prefix("error: ").unwrap_or(&text)) {
        Some(plain) if error.kind() == ErrorKind::ValueValidation => {
            clap::Error::raw(error.kind(), plain).with_cmd(&command())
        }
        _ => error,
    }
}

/// Returns what clap takes for what was meant, if anything.
pub(super) fn suggestion(error: &clap::Error) -> Option<String> {
    let text = error.to_string();
    let tips = text.lines().filter_map(|line| line.strip_prefix("  tip: "));
    let tips: Vec<_> = tips.collect();
    (!tips.is_empty()).then(|| tips.join("; "))
}

#[cfg(test)]
mod tests {
    use clap::Arg;

    use super::*;
    use crate::clap_error::summary;

    fn refused(arguments: &[&str]) -> clap::Error {
        let level = Arg::new("level").long("level").value_parser(["low", "high"]);
        let number = Arg::new("number").long("number").value_parser(clap::value_parser!(u8));
        let required = ["SOURCE", "DEST"].map(|name| Arg::new(name).required(true));
        let command = Command::new("try").arg(level).arg(number).args(required);
        let line = ["try"].iter().chain(arguments).copied();
        command.try_get_matches_from(line).expect_err("it is refused")
    }

    #[test]
    fn a_message_has_all_that_is_missing_and_all_that_is_possible() {
        assert_eq!(
            summary(&refused(&[])),
            "the following required arguments were not provided: <SOURCE>, <DEST>"
        );
        assert_eq!(
            summary(&refused(&["a", "b", "--level", "middle"])),
            "invalid value 'middle' for '--level <level>' [possible values: low, high]"
        );
    }

    #[test]
    fn a_word_of_another_tool_suggests_the_command() {
        let command = || Command::new("try").subcommand(Command::new("create"));
        let refused = |word| command().try_get_matches_from(["try", word]).unwrap_err();
        let synonyms = [("backup", "create")];

        let error = with_synonym(refused("backup"), &synonyms);
        assert_eq!(suggestion(&error).as_deref(), Some("a similar subcommand exists: 'create'"));
        assert_eq!(suggestion(&with_synonym(refused("zip"), &synonyms)), None);
    }

    #[test]
    fn a_command_without_dashes_is_told_where_it_stands() {
        let command = || {
            let words = Arg::new("CMD").last(true).num_args(0..);
            Command::new("try").arg(words).arg(Arg::new("level").long("level"))
        };
        let tip = |word: &str| {
            let error = command().try_get_matches_from(["try", word]).unwrap_err();
            suggestion(&with_dashes(error))
        };

        assert_eq!(tip("ls").as_deref(), Some("the command to run stands after `--`: `-- ls`"));
        let similar = tip("--levl").unwrap();
        assert!(similar.starts_with("a similar argument exists: '--level'"), "{similar}");
    }

    #[test]
    fn a_number_that_is_none_is_told_so() {
        for (value, plain) in [("1x", "it is not a whole number"), ("", "it is empty")] {
            let error =
                in_plain_words(refused(&["a", "b", "--number", value]), || Command::new("try"));

            let message = format!("invalid value '{value}' for '--number <number>': {plain}");
            assert_eq!(summary(&error), message);
            assert!(error.to_string().starts_with(&format!("error: {message}\n")), "{error}");
        }
    }

    #[test]
    fn empty_lines_in_a_value_do_not_cut_the_message() {
        assert_eq!(
            summary(&refused(&["a", "b", "--number", "1\n\n2"])),
            "invalid value '1\\n\\n2' for '--number <number>': it is not a whole number"
        );
    }

    #[test]
    fn what_was_meant_is_a_suggestion_and_no_part_of_the_message() {
        let error = refused(&["a", "b", "--numbr", "1"]);

        assert_eq!(summary(&error), "unexpected argument '--numbr' found");
        assert_eq!(suggestion(&error).as_deref(), Some("a similar argument exists: '--number'"));
        assert_eq!(suggestion(&refused(&[])), None);
    }
}
