//! A child that runs while the test watches its lines and signals it.

use std::{
    io::{BufRead, BufReader, PipeReader, Read, pipe},
    os::unix::process::ExitStatusExt,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::ioctl_fionread,
    pipe::fcntl_setpipe_size,
    process::{Pid, Signal, kill_process},
};

use crate::run::Run;

/// A step that takes longer than this has failed; generous, since the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(2);
/// After so long without a line, what still holds the streams of a child that has ended will write none.
const SILENCE: Duration = Duration::from_secs(30);
/// The bytes of the smallest pipe; the kernel takes a whole page.
const SMALL_PIPE: usize = 4096;

/// A running child; dropping it kills it.
pub struct Running {
    child: Child,
    lines: Receiver<Line>,
    unread: Option<(PipeReader, Sender<Line>)>,
    stdout: String,
    stderr: String,
}

type Line = (Stream, String);

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
        let stderr = child.stderr.take().expect("stderr is piped");
        let (running, sender) = Self::watch_stdout(child);
        watch(Stream::Stderr, stderr, sender);
        running
    }

    /// Starts a command whose stderr is a small pipe that is not read before [`Running::read_on`].
    ///
    /// A command that writes more than 64 KiB there waits until then, whatever the size of a page.
    pub fn start_unread(mut command: Command) -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        fcntl_setpipe_size(&reader, SMALL_PIPE).expect("a pipe can be small");
        command.stdout(Stdio::piped()).stderr(writer);
        let child = command.spawn().expect("the program starts");
        // It holds the other end of the pipe.
        drop(command);
        let (mut running, sender) = Self::watch_stdout(child);
        running.unread = Some((reader, sender));
        running
    }

    fn watch_stdout(mut child: Child) -> (Self, Sender<Line>) {
        let (sender, lines) = channel();
        watch(Stream::Stdout, child.stdout.take().expect("stdout is piped"), sender.clone());
        let (stdout, stderr) = (String::new(), String::new());
        (Self { child, lines, unread: None, stdout, stderr }, sender)
    }

    /// Waits until there is something on the stderr that is not read yet.
    #[track_caller]
    pub fn wait_for_unread(&self) {
        let (reader, _) = self.unread.as_ref().expect("stderr is not read yet");
        wait_until("something is on stderr", || {
            ioctl_fionread(reader).expect("a pipe tells its bytes") > 0
        });
    }

    /// Begins to read a stderr that was not read so far.
    pub fn read_on(&mut self) {
        if let Some((reader, sender)) = self.unread.take() {
            watch(Stream::Stderr, reader, sender);
        }
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

    /// Reads everything, waits for the end and returns what the child left.
    #[track_caller]
    pub fn finish(mut self) -> Run {
        self.read_on();
        let child = &mut self.child;
        wait_until("the child ends", || child.try_wait().expect("the child is ours").is_some());
        let status = self.child.wait().expect("the child is ours");
        while let Ok((stream, line)) = self.lines.recv_timeout(SILENCE) {
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

/// Sends every line of a stream on, in a thread of its own.
fn watch(stream: Stream, pipe: impl Read + Send + 'static, sender: Sender<Line>) {
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
