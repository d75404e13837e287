//! One command for each item, several at a time.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

use super::run::exit_code;
use crate::{
    cancel::{Cancel, Cancelled},
    kind::{HasKind, Kind},
    limits::spawn_scoped,
    process::{self, CommandSpec, ProcessError, ProcessEvent, StdStream, find_program},
};

mod event;
mod held;
mod order;

pub use self::event::{EachEvent, EachOptions, EachOutput, ItemResult};
use self::order::Order;

/// Stands for the item in a command.
const PLACE: &[u8] = b"{}";

enum Message {
    Output(usize, StdStream, Vec<u8>),
    Finished(usize, ItemResult),
}

/// Returns `spec` for one item: in place of every `{}`, or as a last argument when there is none.
pub fn command_for(spec: &CommandSpec, item: &OsStr) -> CommandSpec {
    let words = std::iter::once(&spec.program).chain(&spec.args);
    let has_place = words.clone().any(|word| find_place(word.as_bytes()).is_some());
    let mut words: Vec<OsString> = words.map(|word| fill(word, item)).collect();
    if !has_place {
        words.push(item.to_owned());
    }
    let program = words.remove(0);
    CommandSpec { program, args: words, ..spec.clone() }
}

fn find_place(word: &[u8]) -> Option<usize> {
    word.windows(PLACE.len()).position(|window| window == PLACE)
}

fn fill(word: &OsStr, item: &OsStr) -> OsString {
    let mut rest = word.as_bytes();
    let mut filled = Vec::new();
    while let Some(at) = find_place(rest) {
        filled.extend(&rest[..at]);
        filled.extend(item.as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    filled.extend(rest);
    OsString::from_vec(filled)
}

/// Returns an error where the program is the same for all items and there is none of its name.
pub fn missing(spec: &CommandSpec) -> Option<ProcessError> {
    let program = spec.program.as_bytes();
    let search_path = spec.search_path.as_deref()?;
    if find_place(program).is_some() || program.contains(&b'/') {
        return None;
    }
    let found = find_program(&spec.program, search_path);
    found.is_none().then(|| ProcessError::NotFound { program: spec.program.clone() })
}

/// Runs the command of every item, and returns the results in the order of the items, without those that were
/// not started.
pub fn run(
    spec: &CommandSpec,
    items: &[OsString],
    options: EachOptions,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(EachEvent<'_>),
) -> Result<Vec<ItemResult>, Cancelled> {
    let queue = Queue { items, next: AtomicUsize::new(0), options };
    let (sender, messages) = mpsc::channel();
    let mut order = Order::new(items, options);
    thread::scope(|scope| {
        for n in 0..options.n_parallel.get().min(items.len()) {
            let (worker, queue) = (sender.clone(), &queue);
            let started = spawn_scoped(scope, move || work(spec, queue, cancel, &worker));
            match started {
                Ok(_running) => {}
                // Fewer at a time are slower, and one can be this thread.
                Err(_) if n == 0 => work(spec, queue, cancel, &sender),
                Err(_) => break,
            }
        }
        drop(sender);
        for message in messages {
            match message {
                Message::Output(at, stream, bytes) => order.output(at, stream, bytes, on_event),
                Message::Finished(at, result) => order.finished(at, result, on_event),
            }
        }
    });
    let results = order.end(on_event);
    cancel.check()?;
    Ok(results)
}

/// The items that are still to be started.
struct Queue<'a> {
    items: &'a [OsString],
    next: AtomicUsize,
    options: EachOptions,
}

/// Takes the next item until none is left or the work is cancelled.
fn work(spec: &CommandSpec, queue: &Queue<'_>, cancel: &Cancel, sender: &Sender<Message>) {
    loop {
        let at = queue.next.fetch_add(1, Ordering::Relaxed);
        let Some(item) = queue.items.get(at) else { return };
        let command = command_for(spec, item);
        // The receiver outlives every worker.
        let send = |stream, bytes| {
            let _sent = sender.send(Message::Output(at, stream, bytes));
        };
        let ended = match queue.options.output {
            EachOutput::Raw => {
                process::relay(&command, cancel, &mut |stream, bytes| send(stream, bytes.to_vec()))
            }
            EachOutput::Tagged | EachOutput::Grouped => {
                process::run(&command, cancel, &mut |event| {
                    if let ProcessEvent::Line { stream, bytes } = event {
                        send(stream, bytes);
                    }
                })
            }
        };
        if let Err(ProcessError::Interrupted(_)) = ended {
            return;
        }
        let result = result(item, ended);
        if result.exit != 0 && queue.options.fail_fast {
            queue.next.store(queue.items.len(), Ordering::Relaxed);
        }
        let _sent = sender.send(Message::Finished(at, result));
    }
}

fn result(item: &OsStr, ended: Result<process::ChildExit, ProcessError>) -> ItemResult {
    let item = item.to_string_lossy().into_owned();
    match ended {
        Ok(exit) => ItemResult {
            item,
            exit: exit_code(&exit),
            seconds: exit.duration.as_secs_f64(),
            error: None,
        },
        Err(error) => {
            ItemResult { item, exit: code_of(&error), seconds: 0.0, error: Some(error.to_string()) }
        }
    }
}

fn code_of(error: &ProcessError) -> u8 {
    match error {
        ProcessError::NotFound { .. } => 127,
        ProcessError::NotExecutable { .. }
        | ProcessError::InterpreterMissing { .. }
        | ProcessError::NulByte { .. } => 126,
        ProcessError::NotSupervised { .. } if error.kind() == Kind::Temporary => 75,
        ProcessError::Dir { .. }
        | ProcessError::NotSupervised { .. }
        | ProcessError::NoTerminal { .. }
        | ProcessError::Interrupted(_) => 125,
    }
}

#[cfg(test)]
mod tests {
    use std::{num::NonZeroUsize, time::Duration};

    use super::*;

    fn items(names: &[&str]) -> Vec<OsString> {
        names.iter().map(OsString::from).collect()
    }

    fn at_once(n: usize) -> EachOptions {
        EachOptions {
            n_parallel: NonZeroUsize::new(n).unwrap(),
            fail_fast: false,
            keep_order: false,
            output: EachOutput::Tagged,
        }
    }

    fn words(spec: &CommandSpec, item: &str) -> Vec<String> {
        let command = command_for(spec, OsStr::new(item));
        let words = std::iter::once(command.program).chain(command.args);
        words.map(|word| word.into_string().unwrap()).collect()
    }

    #[test]
    fn the_item_takes_every_place_or_comes_last() {
        let with_places = CommandSpec::new("ssh").args(["{}@{}", "-v"]);
        let without = CommandSpec::new("ssh").args(["-v"]);

        assert_eq!(words(&with_places, "a b"), ["ssh", "a b@a b", "-v"]);
        assert_eq!(words(&without, "$(x)"), ["ssh", "-v", "$(x)"]);
    }

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let spec = CommandSpec::new("/bin/sh").args(["-c", "echo got {}; exit {}"]);
        let mut lines = Vec::new();

        let results =
            run(&spec, &items(&["0", "3", "0", "1"]), at_once(4), &Cancel::new(), &mut |event| {
                if let EachEvent::Output(_, StdStream::Stdout, bytes) = event {
                    lines.push(String::from_utf8(bytes).unwrap());
                }
            })
            .unwrap();

        let codes: Vec<u8> = results.iter().map(|result| result.exit).collect();
        lines.sort();
        assert_eq!(codes, [0, 3, 0, 1]);
        assert_eq!(lines, ["got 0", "got 0", "got 1", "got 3"]);
    }

    #[test]
    fn commands_run_at_the_same_time() {
        // Each waits for the other: one at a time they would never end.
        let dir = tempfile::tempdir().unwrap();
        let mut spec = CommandSpec::new("/bin/sh")
            .args(["-c", "touch {}; while ! test -e a || ! test -e b; do sleep 0.01; done"]);
        spec.dir = Some(dir.path().to_owned());
        spec.timeout = Some(Duration::from_secs(30));

        let results = run(&spec, &items(&["a", "b"]), at_once(2), &Cancel::new(), &mut |_| {});

        assert!(results.unwrap().iter().all(|result| result.exit == 0));
    }

    #[test]
    fn output_keeps_the_order_of_the_items_though_the_last_ends_first() {
        // Each but the last waits until the one behind it is about to end.
        let dir = tempfile::tempdir().unwrap();
        let script = "echo {}1; echo {}2 >&2; if test {} != c; then while ! test -e $(echo {} | tr ab bc); do sleep \
                      0.01; done; fi; printf {}3; touch {}";
        let mut spec = CommandSpec::new("/bin/sh").args(["-c", script]);
        spec.dir = Some(dir.path().to_owned());
        spec.timeout = Some(Duration::from_secs(30));
        let run = |options: EachOptions| {
            let mut said = Vec::new();
            let results =
                run(&spec, &items(&["a", "b", "c"]), options, &Cancel::new(), &mut |event| {
                    said.push(match event {
                        EachEvent::Output(item, StdStream::Stdout, bytes) => {
                            (item.to_owned(), bytes)
                        }
                        EachEvent::Output(item, StdStream::Stderr, _) => {
                            (item.to_owned(), b"err".to_vec())
                        }
                        EachEvent::Finished(result) => {
                            (OsString::from(&result.item), b"end".to_vec())
                        }
                    });
                });
            assert!(results.unwrap().iter().all(|result| result.exit == 0));
            for name in ["a", "b", "c"] {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }
            said
        };
        let of = |item: &str| {
            let words = [format!("{item}1"), "err".into(), format!("{item}3"), "end".into()];
            words.map(|word| (OsString::from(item), word.into_bytes()))
        };
        let by_stream = |mut said: Vec<(OsString, Vec<u8>)>| {
            // The two streams of a command have no order between them.
            for item in said.chunks_mut(4) {
                let n = item.iter().position(|(_, word)| word == b"err").unwrap();
                item[..=n.max(1)].sort();
            }
            said
        };
        let ordered = EachOptions { keep_order: true, ..at_once(3) };
        let grouped = EachOptions { output: EachOutput::Grouped, ..at_once(3) };

        for output in [EachOutput::Tagged, EachOutput::Grouped] {
            let said = by_stream(run(EachOptions { output, ..ordered }));
            assert_eq!(said, [of("a"), of("b"), of("c")].concat(), "{output:?}");
        }
        // Which of them ends first is not said.
        let mut groups: Vec<_> = by_stream(run(grouped)).chunks(4).map(<[_]>::to_vec).collect();
        groups.sort();
        assert_eq!(groups, [of("a"), of("b"), of("c")]);
    }

    #[test]
    fn raw_output_is_what_the_commands_wrote() {
        let spec = CommandSpec::new("/bin/sh").args(["-c", "printf '{}\\n\\0no end'"]);
        let options = EachOptions { keep_order: true, output: EachOutput::Raw, ..at_once(2) };
        let mut said = Vec::new();

        let ended = run(&spec, &items(&["a", "b"]), options, &Cancel::new(), &mut |event| {
            if let EachEvent::Output(_, _, bytes) = event {
                said.extend(bytes);
            }
        });

        assert!(ended.is_ok());
        assert_eq!(said, b"a\n\0no endb\n\0no end");
    }

    #[test]
    fn a_command_that_cannot_be_started_is_a_result() {
        let results = run(
            &CommandSpec::new("no-such-cmd"),
            &items(&["a"]),
            at_once(1),
            &Cancel::new(),
            &mut |_| {},
        )
        .unwrap();

        assert_eq!(results[0].exit, 127);
        assert_eq!(results[0].error.as_deref(), Some("command `no-such-cmd` was not found"));
    }

    #[test]
    fn nothing_is_started_after_a_failure_that_ends_it_all() {
        let spec = CommandSpec::new("/bin/sh").args(["-c", "exit {}"]);
        let options = EachOptions { fail_fast: true, ..at_once(1) };

        let results =
            run(&spec, &items(&["0", "3", "0", "0"]), options, &Cancel::new(), &mut |_| {});

        let codes: Vec<u8> = results.unwrap().iter().map(|result| result.exit).collect();
        assert_eq!(codes, [0, 3]);
    }

    #[test]
    fn a_program_that_is_the_same_for_all_is_looked_for_once() {
        let spec = |program: &str| CommandSpec {
            search_path: Some("/usr/bin:/bin".into()),
            ..CommandSpec::new(program)
        };

        let error = missing(&spec("no-such-cmd")).unwrap();
        assert_eq!(error.kind(), Kind::CommandNotFound);
        for program in ["sh", "no-such-{}", "./no-such-cmd"] {
            assert!(missing(&spec(program)).is_none(), "{program}");
        }
    }

    #[test]
    fn a_signal_stops_what_runs_and_starts_nothing_more() {
        let cancel = Cancel::new();
        let spec = CommandSpec::new("/bin/sh").args(["-c", "echo up {}; exec sleep 600"]);
        let mut n_started = 0;

        let ended = run(&spec, &items(&["a", "b", "c"]), at_once(1), &cancel, &mut |event| {
            if let EachEvent::Output(..) = event {
                n_started += 1;
                cancel.cancel(15);
            }
        });

        assert_eq!(ended, Err(Cancelled { signal: 15 }));
        assert_eq!(n_started, 1);
    }
}
