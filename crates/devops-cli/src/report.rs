//! Errors as people and programs read them, on stderr.

use std::{io::Write, panic};

use devops_core::kind::Kind;
use serde_json::json;

use crate::{arguments::Settings, exit, failure::Failure, progress, text::escaped, tool::Tool};

/// Prints a fatal error: three kinds of lines for people, one object for programs.
pub(crate) fn failure(failure: &Failure, code: u8, as_json: bool) {
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
        stderr_line(&object.to_string());
        return;
    }
    let mut text = String::new();
    for (index, message) in chain.iter().enumerate() {
        let label = if index == 0 { "error" } else { "  caused by" };
        text.push_str(&[label, ": ", &harmless(message), "\n"].concat());
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&["hint: ", hint, "\n"].concat());
    }
    stderr_line(text.trim_end());
}

/// Escapes what could steer the terminal; messages of several lines keep them.
fn harmless(message: &str) -> String {
    message.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Prints a fatal error that came before there was a session, and returns its exit code.
pub(crate) fn early(error: &Failure, as_json: bool) -> u8 {
    let code = exit::of_kind(error.kind, None);
    failure(error, code, as_json);
    code
}

/// Prints a line on stderr beside a progress bar; a closed stderr changes nothing.
pub(crate) fn stderr_line(line: &str) {
    progress::beside_bars(|| {
        let _written = writeln!(std::io::stderr().lock(), "{line}");
    });
}

/// Makes a panic one clear message instead of a trace.
pub(crate) fn install_panic_message(tool: &Tool, settings: &Settings) {
    let (name, as_json) = (tool.name, settings.json);
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|at| format!(" at {}:{}", at.file(), at.line()));
        let what = panic.payload_as_str().unwrap_or("unknown panic");
        let message = format!("a bug in {name}{}: {what}", place.unwrap_or_default());
        let bug = Failure::new(Kind::Bug, message).hint("report it with the command line you used");
        failure(&bug, exit::of_kind(Kind::Bug, None), as_json);
        if std::env::var_os("RUST_BACKTRACE").is_some() {
            default(panic);
        }
    }));
}
