//! A child that runs while the test watches its lines and signals it.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::environment::Run;

/// A step that takes longer than this has failed; generous, since the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(2);

/// A running child; dropping it kills it.
pub struct Running {
    child: Child,
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Stdout,
    Stderr,
}

impl Running {
    /// Starts a command with both streams watched.
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let (sender, lines) = channel();
        let stdout: Box<dyn Read + Send> = Box::new(child.stdout.take().expect("stdout is piped"));
        let stderr: Box<dyn Read + Send> = Box::new(child.stderr.take().expect("stderr is piped"));
        for (stream, pipe) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut reader = BufReader::new(pipe);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    line.clear();
                    if sender.send((stream, text)).is_err() {
                        return;
                    }
                }
            });
        }
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Waits for a line on either stream that contains `text`, and returns it.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((stream, line)) = self.lines.recv_timeout(left) else {
                panic!(
                    "no line with `{text}` came\n--- stdout\n{}\n--- stderr\n{}",
                    self.stdout, self.stderr
                );
            };
            self.keep(stream, &line);
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
        }
    }

    /// Returns the number of the process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the child still runs");
    }

    /// Waits for the end and returns what the child left.
    #[track_caller]
    pub fn finish(mut self) -> Run {
        let child = &mut self.child;
        wait_until("the child ends", || child.try_wait().expect("the child is ours").is_some());
        let status = self.child.wait().expect("the child is ours");
        while let Ok((stream, line)) = self.lines.recv_timeout(Duration::from_secs(5)) {
            self.keep(stream, &line);
        }
        Run {
            code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    fn keep(&mut self, stream: Stream, line: &str) {
        match stream {
            Stream::Stdout => self.stdout.push_str(line),
            Stream::Stderr => self.stderr.push_str(line),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Waits until `holds`, looking often; fails the test after a generous deadline.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "the harness polls what it cannot be told of")]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
