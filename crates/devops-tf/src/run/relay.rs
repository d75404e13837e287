//! Passes on what terraform says: results on stdout, progress and errors on stderr.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use devops_cli::{Failure, Live, Session, quote};
use devops_core::{
    cancel::signal_name,
    process::{SignalReason, StdStream},
    terraform::{Event, EventKind, TerraformEvent},
    units::format_duration,
};
use serde_json::{Value, json};

use super::activity::Activity;

/// The receiver of terraform's events and lines.
pub(crate) struct Relay<'a> {
    session: &'a Session,
    dir: PathBuf,
    /// Set while stdout belongs to the result alone.
    to_stderr: bool,
    n_interrupts: usize,
    activity: Arc<Mutex<Option<Activity>>>,
    _live: Live,
    failure: Option<Failure>,
}

impl<'a> Relay<'a> {
    pub(crate) fn new(session: &'a Session, dir: &Path) -> Self {
        let activity = Arc::new(Mutex::new(None));
        let shown = Arc::clone(&activity);
        let live = session.live(move || {
            let activity: &Option<Activity> = &lock(&shown);
            activity.as_ref().map(|activity| activity.line(Instant::now()))
        });
        Self {
            session,
            dir: dir.to_owned(),
            to_stderr: false,
            n_interrupts: 0,
            activity,
            _live: live,
            failure: None,
        }
    }

    /// Keeps stdout for the result: what terraform says meanwhile goes to stderr.
    pub(crate) fn route_to_stderr(&mut self, to_stderr: bool) {
        self.to_stderr = to_stderr;
    }

    pub(crate) fn event(&mut self, event: TerraformEvent) {
        let passed_on = match event {
            TerraformEvent::Command { line } => self.command(&line),
            TerraformEvent::Ui(event) => self.ui(&event),
            TerraformEvent::Line { stream, text } => self.line(stream, text.get()),
            TerraformEvent::Signalled { signal, reason } => {
                self.signalled(signal, reason);
                Ok(())
            }
            TerraformEvent::Retrying { pause } => {
                let pause = format_duration(pause);
                self.session.warn(format_args!("the error may pass: trying again in {pause}"));
                Ok(())
            }
            TerraformEvent::NotSaved { path, copy } => {
                self.not_saved(&path, copy.as_deref());
                Ok(())
            }
        };
        // Terraform must go on, whatever becomes of its words.
        if let Err(failure) = passed_on {
            self.failure.get_or_insert(failure);
        }
    }

    /// Ends the line about the work, before something else is shown.
    pub(crate) fn rest(&mut self) {
        *lock(&self.activity) = None;
    }

    /// Fails if something terraform said could not be passed on.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.rest();
        self.failure.take().map_or(Ok(()), Err)
    }

    fn command(&self, line: &str) -> Result<(), Failure> {
        let name: Vec<_> = line.split(' ').take(2).collect();
        *lock(&self.activity) = Some(Activity::new(&name.join(" "), Instant::now()));
        if self.session.json() && !self.to_stderr {
            return self.session.emit(&json!({"type": "command", "text": line}));
        }
        let dir = quote(&self.dir);
        self.session.status(format_args!("--- Running '{line}' in '{dir}' ---"));
        Ok(())
    }

    fn ui(&self, event: &Event) -> Result<(), Failure> {
        if let Some(activity) = &mut *lock(&self.activity) {
            activity.on_event(event, Instant::now());
        }
        if self.session.json() {
            if self.to_stderr {
                return Ok(());
            }
            let dir = quote(&self.dir);
            let event = event.document();
            return self.session.emit(&json!({"type": "terraform", "stack": dir, "event": event}));
        }
        match event.kind() {
            EventKind::Diagnostic => {
                let lines = event.diagnostic().map(|diagnostic| diagnostic.lines());
                self.session.beside(lines.unwrap_or_default().join("\n") + "\n");
            }
            EventKind::Summary if event.operation() != "plan" && !self.to_stderr => {
                self.session.line(format_args!("\n{}", event.message()))?;
            }
            EventKind::Outputs if !self.to_stderr => self.outputs(event)?,
            EventKind::Provisioner | EventKind::Completed | EventKind::Failed
                if !event.is_read() =>
            {
                self.session.status(event.message());
            }
            EventKind::Started if !event.is_read() && !self.session.progress_moves() => {
                self.session.status(event.message());
            }
            EventKind::Message if event.name() == "test_summary" && !self.to_stderr => {
                self.session.line(event.message())?;
            }
            EventKind::Message => self.session.status(event.message()),
            _ => {}
        }
        Ok(())
    }

    /// Prints the outputs of an apply as terraform does; those of a plan have no values.
    fn outputs(&self, event: &Event) -> Result<(), Failure> {
        let is_result = |output: &Value| output.get("action").is_none();
        let outputs = event.document().get("outputs").and_then(Value::as_object);
        if !outputs.is_some_and(|outputs| !outputs.is_empty() && outputs.values().all(is_result)) {
            return Ok(());
        }
        self.session.line("\nOutputs:\n")?;
        for (name, value) in event.outputs() {
            match value {
                Some(value) => self.session.line(format_args!("{name} = {value}"))?,
                None => self.session.line(format_args!("{name} = (sensitive value)"))?,
            }
        }
        Ok(())
    }

    fn line(&self, stream: StdStream, text: &str) -> Result<(), Failure> {
        match (stream, self.session.json()) {
            (_, true) if !self.to_stderr => {
                let name = if stream == StdStream::Stdout { "stdout" } else { "stderr" };
                self.session.emit(&json!({"type": "line", "stream": name, "text": text}))
            }
            (StdStream::Stdout, false) if !self.to_stderr => self.session.line(text),
            (StdStream::Stdout, true) => Ok(()),
            _ => {
                self.session.beside(text);
                Ok(())
            }
        }
    }

    fn not_saved(&self, path: &Path, copy: Option<&Path>) {
        let copied = match copy {
            Some(copy) => format!(", and a copy is `{}`", quote(copy)),
            None => ", and no copy could be made".to_owned(),
        };
        let (path, dir) = (quote(path), quote(&self.dir));
        self.session.warn(format_args!(
            "the state could not be saved: it is in `{path}`{copied}; save it with `devops-tf recover {dir}`"
        ));
    }

    fn signalled(&mut self, signal: i32, reason: SignalReason) {
        const SIGINT: i32 = 2;
        let why = match reason {
            SignalReason::Received(received) => format!("received {}", signal_name(received)),
            SignalReason::Timeout => "the time is up".to_owned(),
            SignalReason::Silence => "terraform says nothing any more".to_owned(),
            SignalReason::GracePeriodExpired => "terraform does not stop".to_owned(),
            SignalReason::OutputDropped => "its output is no longer read".to_owned(),
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
