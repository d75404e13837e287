//! `each`

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read, Write},
    os::{fd::AsFd, unix::ffi::OsStringExt},
    path::Path,
    time::Duration,
};

use devops_cli::{Failure, Outcome, Session, quote, table};
use devops_core::{
    fs::{Input, IoResultExt},
    kind::Kind,
    lessons::{
        each::{self, EachEvent, EachOptions, EachOutput, ItemResult},
        range,
    },
    process::{CommandSpec, StdStream},
    units::{agree, count, format_duration},
};
use serde_json::json;

use super::{
    input::missing,
    output::{emit, print_lines, safe},
};
use crate::cli::{EachArgs, OutputForm};

pub(super) fn run(args: EachArgs, session: &Session) -> Result<Outcome, Failure> {
    if args.notes {
        return print_lines(session, range::transcript());
    }
    let mut command = args.command.iter();
    let Some(program) = command.next() else {
        return Err(missing("the command", "devops-basics each a b -- echo {}"));
    };
    let mut spec = CommandSpec::new(program).args(command);
    spec.timeout = args.timeout.filter(|timeout| !timeout.is_zero());
    spec.search_path = std::env::var_os("PATH");
    let mut items = args.items;
    if let Some(from) = &args.from {
        items.extend(read_items(from, args.null, session)?);
    }
    if let Some(error) = each::missing(&spec) {
        return Err(error.into());
    }
    let form = args.output;
    let options = EachOptions {
        n_parallel: args.parallel,
        fail_fast: args.fail_fast,
        keep_order: args.keep_order,
        // An object is a line of text.
        output: match form {
            OutputForm::Raw if session.json() => EachOutput::Tagged,
            form => form.of_each(),
        },
    };
    let mut output = Printer { form, headings: [None, None], session };
    let mut printed = Ok(());
    let results = each::run(&spec, &items, options, session.cancel(), &mut |event| {
        // A stdout that fails is reported at the end: the commands that run come first.
        if printed.is_ok() {
            printed = output.show(&event);
        }
    })?;
    printed?;
    finish(&results, items.len(), form, session)
}

fn read_items(from: &Path, null: bool, session: &Session) -> Result<Vec<OsString>, Failure> {
    let mut input = match from.to_str() {
        Some("-") => {
            let stdin = io::stdin().as_fd().try_clone_to_owned().at(from, "read")?;
            Input::new(stdin, session.cancel())
        }
        _ => Input::open(from, session.cancel())?,
    };
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).at(from, "read")?;
    Ok(if null { items_by_null(&bytes) } else { items(&bytes) })
}

fn items_by_null(bytes: &[u8]) -> Vec<OsString> {
    let items = bytes.split(|&byte| byte == 0).filter(|item| !item.is_empty());
    items.map(|item| OsString::from_vec(item.to_vec())).collect()
}

fn items(bytes: &[u8]) -> Vec<OsString> {
    bytes
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| OsString::from_vec(line.to_vec()))
        .collect()
}

/// Prints what happens.
struct Printer<'a> {
    form: OutputForm,
    /// The item whose heading is the last of stdout and of stderr.
    headings: [Option<OsString>; 2],
    session: &'a Session,
}

impl Printer<'_> {
    fn show(&mut self, event: &EachEvent<'_>) -> Result<(), Failure> {
        let session = self.session;
        match event {
            EachEvent::Output(item, stream, bytes) if session.json() => session.emit(&json!({
                "type": "line",
                "item": item.to_string_lossy(),
                "stream": if *stream == StdStream::Stdout { "stdout" } else { "stderr" },
                "text": String::from_utf8_lossy(bytes),
            })),
            EachEvent::Output(item, stream, bytes) => self.print(item, *stream, bytes),
            EachEvent::Finished(result) if session.json() => emit(session, "item", result),
            EachEvent::Finished(result) => {
                self.headings = [None, None];
                if let Some(error) = &result.error {
                    session.warn(format!("{}: {error}", safe(&result.item)));
                }
                Ok(())
            }
        }
    }

    fn print(&mut self, item: &OsStr, stream: StdStream, bytes: &[u8]) -> Result<(), Failure> {
        let text = match self.form {
            OutputForm::Tagged => prefixed(item, bytes),
            OutputForm::Grouped => [&self.heading(item, stream)[..], bytes, b"\n"].concat(),
            OutputForm::Raw => bytes.to_vec(),
        };
        match stream {
            StdStream::Stdout => {
                self.session.write(&text)?;
                self.session.flush()
            }
            StdStream::Stderr => {
                // A closed stderr changes nothing.
                let _written = io::stderr().lock().write_all(&text);
                Ok(())
            }
        }
    }

    /// Returns the line above the first one of an item, in the form of tail(1).
    fn heading(&mut self, item: &OsStr, stream: StdStream) -> Vec<u8> {
        let last = &mut self.headings[usize::from(stream == StdStream::Stderr)];
        if last.as_deref() == Some(item) {
            return Vec::new();
        }
        *last = Some(item.to_owned());
        format!("==> {} <==\n", quote(Path::new(item))).into_bytes()
    }
}

fn prefixed(item: &OsStr, line: &[u8]) -> Vec<u8> {
    [quote(Path::new(item)).as_bytes(), b": ", line, b"\n"].concat()
}

fn finish(
    results: &[ItemResult],
    n_items: usize,
    form: OutputForm,
    session: &Session,
) -> Result<Outcome, Failure> {
    let n_failed = results.iter().filter(|result| result.exit != 0).count();
    let n_left = n_items - results.len();
    if session.json() {
        session.emit(&json!({
            "type": "summary", "items": n_items, "failed": n_failed, "not_started": n_left,
        }))?;
    } else if !results.is_empty() {
        let rows = results.iter().map(|result| {
            let verdict = if result.exit == 0 { "ok" } else { "failed" };
            let seconds = format_duration(Duration::from_secs_f64(result.seconds));
            [safe(&result.item), verdict.to_owned(), result.exit.to_string(), seconds]
        });
        let table = table(&["ITEM", "RESULT", "EXIT", "TIME"], rows);
        match form {
            OutputForm::Tagged | OutputForm::Grouped => session.line(table)?,
            // Stdout is what the commands wrote, and nothing else.
            OutputForm::Raw => session.status(table),
        }
    }
    let left = if n_left > 0 { format!("; not started: {n_left}") } else { String::new() };
    match n_failed {
        0 => Ok(Outcome::Done),
        _ if n_failed == results.len() => Err(Failure::new(
            Kind::Failed,
            format!("{}{} failed{left}", agree(n_failed, "", "all "), count(n_failed, "item")),
        )),
        _ => Ok(Outcome::Partial(format!("{n_failed} of {} failed{left}", count(n_items, "item")))),
    }
}
