//! Errors as people and programs read them, on stderr.

use std::{
    any::Any,
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use devops_core::{kind::Kind, limits::Limit};
use serde_json::json;

use crate::{
    exit,
    failure::Failure,
    json,
    settings::Settings,
    stderr::{label, stderr_line},
    text::escaped,
    tool::Tool,
};

/// Prints a fatal error: three kinds of lines for people, one object for programs.
pub(crate) fn failure(failure: &Failure, code: u8, as_json: bool) {
    stderr_line(&text(failure, code, as_json));
}

/// Returns what is printed of a fatal error, without the last line feed.
pub(crate) fn text(failure: &Failure, code: u8, as_json: bool) -> String {
    let chain = failure.chain();
    if as_json {
        let mut object = json!({
            "type": "error",
            "code": code,
            "kind": failure.kind.name(),
            "message": chain.join(": "),
        });
        if let Some(hint) = &failure.hint {
            object["hint"] = hint.as_str().into();
        }
        return json::line(&object).unwrap_or_default();
    }
    let mut text = String::new();
    for (index, message) in chain.iter().enumerate() {
        let name = if index == 0 { "error" } else { "  caused by" };
        text.push_str(&[&label(name), " ", &escape_control(message), "\n"].concat());
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&[&label("hint"), " ", &escape_control(hint), "\n"].concat());
    }
    text.truncate(text.trim_end().len());
    text
}

/// Escapes what could steer the terminal. A message of several lines keeps them, and the others begin with
/// spaces: whatever stands in it, no line can be taken for another of ours.
fn escape_control(message: &str) -> String {
    message.split('\n').map(escaped).collect::<Vec<_>>().join("\n  ")
}

/// Prints a fatal error that came before there was a session, and returns its exit code.
pub(crate) fn early(error: &Failure, as_json: bool) -> u8 {
    let code = exit::of_kind(error.kind, None);
    failure(error, code, as_json);
    code
}

/// Prints warnings that came before there was a session, as the log has them.
pub(crate) fn early_warnings(warnings: &[String], as_json: bool) {
    for warning in warnings {
        stderr_line(&if as_json {
            json::line(&json!({"type": "warning", "message": warning})).unwrap_or_default()
        } else {
            format!("{} {}", label("warning"), escaped(warning))
        });
    }
}

/// Makes a panic one clear message instead of a trace.
pub(crate) fn install_panic_message(tool: &Tool, settings: &Settings) {
    let (name, as_json) = (tool.name, settings.json);
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
        let what = panic.payload_as_str().unwrap_or("unknown panic");
        let told = match limit_in(what) {
            // The limit was reported; this panic only follows from it.
            None if IS_LIMIT_MET.load(Ordering::Relaxed) => return,
            Some(limit) => Failure::new(Kind::Temporary, what).hint(limit.hint()),
            None => {
                let message = format!("a bug in {name}{}: {what}", place.unwrap_or_default());
                Failure::new(Kind::Bug, message).hint("report it with the command line you used")
            }
        };
        IS_LIMIT_MET.fetch_or(told.kind == Kind::Temporary, Ordering::Relaxed);
        failure(&told, exit::of_kind(told.kind, None), as_json);
        if told.kind == Kind::Bug && std::env::var_os("RUST_BACKTRACE").is_some() {
            default(panic);
        }
    }));
}

/// Returns the kind of a panic: libraries also panic if the host gives them no thread.
pub(crate) fn kind_of_panic(payload: &(dyn Any + Send)) -> Kind {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or_default();
    let is_limit = limit_in(text).is_some() || IS_LIMIT_MET.load(Ordering::Relaxed);
    if is_limit { Kind::Temporary } else { Kind::Bug }
}

/// The number of an I/O error, as text and as `Debug`, and the limit it is about.
///
/// tokio and actix put the error of a thread that was not started into the message of their panic;
/// libdeflater has words of its own.
const LIMITS: [(&str, &str, Limit); 5] = [
    ("NULL: out of memory", "NULL: out of memory", Limit::Memory),
    ("(os error 11)", "code: 11,", Limit::Threads),
    ("(os error 12)", "code: 12,", Limit::Memory),
    ("(os error 23)", "code: 23,", Limit::Files),
    ("(os error 24)", "code: 24,", Limit::Files),
];

/// Is set once a panic was about a limit: other threads of a library panic in turn.
static IS_LIMIT_MET: AtomicBool = AtomicBool::new(false);

fn limit_in(panic: &str) -> Option<Limit> {
    let found =
        LIMITS.iter().find(|(text, debug, _)| panic.contains(text) || panic.contains(debug));
    found.map(|&(.., limit)| limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_writes_a_line_that_looks_like_another() {
        let failure = Failure::new(Kind::Failed, "no\nhint: run this\u{1b}[2J").hint("a\nerror: b");

        let shown = text(&failure, 1, false);

        assert_eq!(shown, "error: no\n  hint: run this\\u{1b}[2J\nhint: a\n  error: b");
    }

    #[test]
    fn a_panic_about_a_limit_is_no_bug() {
        let kind = |text: &str| kind_of_panic(&text.to_owned());

        assert_eq!(
            kind("OS can't spawn worker thread: Resource temporarily unavailable (os error 11)"),
            Kind::Temporary
        );
        assert_eq!(
            kind("failed: Os { code: 24, kind: Uncategorized, message: \"Too many open files\" }"),
            Kind::Temporary
        );
        assert_eq!(
            kind("libdeflate_alloc_compressor returned NULL: out of memory"),
            Kind::Temporary
        );
        assert_eq!(kind("index out of bounds: the len is 11 but the index is 12"), Kind::Bug);
        assert_eq!(kind_of_panic(&"no text of ours"), Kind::Bug);
    }
}
