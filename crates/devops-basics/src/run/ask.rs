//! `ask`

use std::io;

use devops_cli::{Failure, Outcome, Session};
use devops_core::lessons::nearest;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use serde_json::json;

use super::{given_or_asked, missing, no_input, print_lines};
use crate::cli::AskArgs;

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
    if let Some(default) = args.default.as_deref() {
        // A default that would be refused is found before anybody is asked.
        accept(args, default).map_err(|failure| failure.context("the default is no answer"))?;
    }
    let tries = if session.stdin_is_terminal() { MAX_TRIES } else { 1 };
    let answer = ask(args, prompt, tries, session)?;
    if session.json() {
        session.emit(&json!({"type": "answer", "answer": answer}))?;
    } else {
        session.line(answer)?;
    }
    Ok(Outcome::Done)
}

fn ask(args: &AskArgs, prompt: &str, tries: usize, session: &Session) -> Result<String, Failure> {
    let typed = type_one(args, prompt, session)?;
    let answer = match (typed, args.default.as_deref()) {
        (None, None) => return Err(no_input("pass --default VALUE")),
        (None, Some(default)) => return Ok(default.to_owned()),
        (Some(typed), Some(default)) if typed.is_empty() => return Ok(default.to_owned()),
        (Some(typed), _) => typed,
    };
    match accept(args, &answer) {
        Err(failure) if tries > 1 => {
            session.status(failure.chain().join(": "));
            ask(args, prompt, tries - 1, session)
        }
        Err(failure) => Err(failure),
        Ok(()) => Ok(answer),
    }
}

fn type_one(args: &AskArgs, prompt: &str, session: &Session) -> Result<Option<String>, Failure> {
    if !args.secret || !session.stdin_is_terminal() {
        return session.ask(prompt);
    }
    let _silent = EchoOff::new();
    session.ask(prompt)
}

fn accept(args: &AskArgs, answer: &str) -> Result<(), Failure> {
    if answer.is_empty() {
        return Err(Failure::usage("the answer is empty").hint("pass --default VALUE"));
    }
    if args.choices.is_empty() || args.choices.iter().any(|choice| choice == answer) {
        return Ok(());
    }
    // What was typed in secret is not repeated.
    let shown = if args.secret { "that" } else { &format!("'{}'", super::safe(answer)) };
    let failure = Failure::usage(format!(
        "{shown} is not a choice (choose from {})",
        args.choices.join(", ")
    ));
    Err(match nearest(answer, &args.choices) {
        Some(meant) if !args.secret => failure.hint(format!("did you mean '{meant}'?")),
        _ => failure,
    })
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
