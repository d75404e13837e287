//! `ask`

use std::io;

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::nearest;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;

use super::{
    input::{given_or_asked, missing, no_input},
    output::print_lines,
};
use crate::{cli::AskArgs, run::output::safe};

/// How often a person is asked again.
const MAX_TRIES: usize = 3;

pub(super) fn run(args: &AskArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        let prompt = args.prompt.as_deref().unwrap_or("Please enter your name: ");
        let name = given_or_asked(None, session, prompt, "a name on stdin")?;
        return print_lines(session, ["Hello,", &name]);
    }
    let prompt = args.prompt.as_deref();
    let prompt = prompt.ok_or_else(|| missing("the question", "devops-basics ask 'Name: '"))?;
    let default = match args.default.as_deref() {
        // A default that would be refused is found before the question is asked.
        Some(default) => {
            let accepted = accept(args, default);
            Some(accepted.map_err(|failure| failure.context("the default is no answer"))?)
        }
        None => None,
    };
    let question = Question { args, prompt: shown(args, prompt, default.as_deref()), default };
    let tries = if session.stdin_is_terminal() { MAX_TRIES } else { 1 };
    let answer = question.ask(tries, session)?;
    if session.json() {
        session.emit(&json!({"type": "answer", "answer": answer}))?;
    } else {
        session.line(answer)?;
    }
    Ok(Outcome::Done)
}

/// Returns the question with the answers it takes, and the one that counts when none is given.
fn shown(args: &AskArgs, prompt: &str, default: Option<&str>) -> String {
    let choices = (!args.choices.is_empty()).then(|| format!("({})", args.choices.join("/")));
    // What is typed in secret is not shown as a default either.
    let default = default.filter(|_| !args.secret).map(|default| format!("[{default}]"));
    let mut shown = prompt.to_owned();
    for part in choices.into_iter().chain(default) {
        let gap = if shown.ends_with(char::is_whitespace) { "" } else { " " };
        shown.push_str(&[gap, &safe(&part), " "].concat());
    }
    shown
}

struct Question<'a> {
    args: &'a AskArgs,
    prompt: String,
    default: Option<String>,
}

impl Question<'_> {
    fn ask(&self, tries: usize, session: &Session) -> Result<String, Failure> {
        let typed = type_one(self.args, &self.prompt, session)?;
        let answer = match (typed, &self.default) {
            (None, None) => return Err(no_input("pass --default VALUE")),
            (None, Some(default)) => return Ok(default.clone()),
            (Some(typed), Some(default)) if typed.is_empty() => return Ok(default.clone()),
            (Some(typed), _) => typed,
        };
        match accept(self.args, &answer) {
            Err(failure) if tries > 1 => {
                let hint = failure.hint.iter().map(|hint| format!("; {hint}"));
                session.status(failure.chain().join(": ") + &hint.collect::<String>());
                self.ask(tries - 1, session)
            }
            accepted => accepted,
        }
    }
}

fn type_one(args: &AskArgs, prompt: &str, session: &Session) -> Result<Option<String>, Failure> {
    if !args.secret || !session.stdin_is_terminal() {
        return session.ask(prompt);
    }
    let _silent = EchoOff::new();
    session.ask(prompt)
}

/// Returns the answer that was meant, if it is one.
fn accept(args: &AskArgs, answer: &str) -> Result<String, Failure> {
    if answer.is_empty() {
        return Err(Failure::usage("the answer is empty").hint("pass --default VALUE"));
    }
    if args.choices.is_empty() {
        return Ok(answer.to_owned());
    }
    if let Some(choice) = choice(&args.choices, answer) {
        return Ok(choice.clone());
    }
    // What was typed in secret is not repeated.
    let shown = if args.secret { "that" } else { &format!("'{}'", safe(answer)) };
    let failure = Failure::usage(format!(
        "{shown} is not a choice (choose from {})",
        args.choices.join(", ")
    ));
    Err(match nearest(answer, &args.choices) {
        Some(meant) if !args.secret => failure.hint(format!("did you mean '{meant}'?")),
        _ => failure,
    })
}

/// Returns the choice that an answer is, or that alone begins with it; upper and lower case are the same.
fn choice<'a>(choices: &'a [String], answer: &str) -> Option<&'a String> {
    let answer_lowered = answer.to_lowercase();
    let only = |fits: &dyn Fn(&str) -> bool| {
        let mut fitting = choices.iter().filter(|choice| fits(choice));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let exact = choices.iter().find(|choice| *choice == answer);
    exact
        .or_else(|| only(&|choice| choice.to_lowercase() == answer_lowered))
        .or_else(|| only(&|choice| choice.to_lowercase().starts_with(&answer_lowered)))
}

/// Keeps a terminal from showing what is typed; puts it right when dropped.
struct EchoOff {
    before: Option<Termios>,
}

impl EchoOff {
    fn new() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut silent) = before.clone() {
            silent.local_modes.remove(LocalModes::ECHO);
            // The line break alone is shown.
            silent.local_modes.insert(LocalModes::ECHONL);
            // A terminal that refuses shows what is typed, which a person sees.
            let _set = tcsetattr(io::stdin(), OptionalActions::Flush, &silent);
        }
        Self { before }
    }
}

impl Drop for EchoOff {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Nothing can be done about a terminal that has gone.
            let _restored = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
