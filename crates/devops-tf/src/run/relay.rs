//! Passes on what terraform says, as it says it.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Session, quote};
use devops_core::{
    cancel::signal_name,
    process::{SignalReason, Stream},
    terraform::{Secrets, TerraformEvent},
};
use serde_json::json;

/// Where terraform's lines go.
pub(crate) struct Relay<'a> {
    session: &'a Session,
    dir: PathBuf,
    /// Set while stdout belongs to the result alone.
    aside: bool,
    n_interrupts: usize,
    secrets: Secrets,
    failure: Option<Failure>,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(session: &'a Session, dir: &Path) -> Self {
        Self {
            session,
            dir: dir.to_owned(),
            aside: false,
            n_interrupts: 0,
            secrets: Secrets::default(),
            failure: None,
        }
    }

    /// Keeps stdout for the result: what terraform says meanwhile goes to stderr.
    pub(crate) fn aside(&mut self, aside: bool) {
        self.aside = aside;
    }

    /// Hides more values in what is passed on.
    pub(crate) fn secrets(&mut self) -> &mut Secrets {
        &mut self.secrets
    }

    pub(crate) fn event(&mut self, event: TerraformEvent) {
        let passed_on = match event {
            TerraformEvent::Command { line } => self.command(&line),
            TerraformEvent::Line { stream, bytes } => {
                let clean = self.secrets.text(&String::from_utf8_lossy(&bytes));
                self.line(stream, clean.get().as_bytes())
            }
            TerraformEvent::Signalled { signal, reason } => {
                self.signalled(signal, reason);
                Ok(())
            }
        };
        // Terraform must go on, whatever becomes of its words.
        if let Err(failure) = passed_on {
            self.failure.get_or_insert(failure);
        }
    }

    /// Fails if something terraform said could not be passed on.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn command(&self, line: &str) -> Result<(), Failure> {
        if self.session.json() && !self.aside {
            return self.session.emit(&json!({"type": "command", "text": line}));
        }
        let dir = quote(&self.dir);
        self.session.status(format_args!("--- Running '{line}' in '{dir}' ---"));
        Ok(())
    }

    fn line(&self, stream: Stream, bytes: &[u8]) -> Result<(), Failure> {
        match (stream, self.session.json()) {
            (_, true) if !self.aside => {
                let name = if stream == Stream::Stdout { "stdout" } else { "stderr" };
                let text = String::from_utf8_lossy(bytes);
                self.session.emit(&json!({"type": "line", "stream": name, "text": text}))
            }
            (Stream::Stdout, false) if !self.aside => {
                self.session.write(bytes)?;
                // Ends the line, and sends it on its way.
                self.session.line("")
            }
            (Stream::Stdout, true) => Ok(()),
            _ => {
                // Nobody may be reading; terraform's work does not depend on it.
                let _written = io::stderr().lock().write_all(&[bytes, b"\n"].concat());
                Ok(())
            }
        }
    }

    fn signalled(&mut self, signal: i32, reason: SignalReason) {
        const SIGINT: i32 = 2;
        let why = match reason {
            SignalReason::Received(received) => format!("received {}", signal_name(received)),
            SignalReason::Timeout => "the time is up".to_owned(),
            SignalReason::GraceOver => "terraform does not stop".to_owned(),
            SignalReason::Unwanted => "nobody wants its output".to_owned(),
            SignalReason::NoTerminal => "it wants the terminal".to_owned(),
        };
        self.n_interrupts += usize::from(signal == SIGINT);
        if signal != SIGINT {
            self.session.warn(format_args!("{why}: terraform was killed"));
        } else if self.n_interrupts == 1 {
            self.session.status(format_args!("{why}: terraform stops cleanly; waiting for it"));
        } else {
            self.session.warn(format_args!("{why}: terraform exits at once and may lose data"));
        }
    }
}
