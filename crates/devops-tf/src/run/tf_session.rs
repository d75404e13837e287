//! A stack with the terminal it speaks to.

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use devops_cli::{Failure, Session, quote, user_folder};
use devops_core::{
    clock::Clock,
    terraform::{
        DiffOptions, Environment, InitOptions, Secrets, Stack, StackOptions, TerraformError, Watch,
    },
};

use super::{explain::explain, record::Record, relay::Relay};
use crate::cli::{DirArgs, ReportFile, StackArgs};

/// A stack with the terminal it speaks to.
pub(super) struct TfSession<'a> {
    pub(super) session: &'a Session,
    pub(super) stack: Stack,
    pub(super) init: InitOptions,
    /// A workspace that does not exist is made on the way.
    pub(super) create_workspace: bool,
    /// Terraform's own text is wanted.
    pub(super) native: bool,
    /// The options of drawn plans; sensitive values may be wanted in states and outputs, too.
    pub(super) drawing: DiffOptions,
    /// The folder as it was named.
    pub(super) name: String,
    pub(super) reports: Vec<ReportFile>,
    pub(super) secrets: Secrets,
    pub(super) relay: Relay<'a>,
    pub(super) record: Record,
}

pub(super) fn open<'a>(at: &DirArgs, session: &'a Session) -> Result<TfSession<'a>, Failure> {
    open_in(&at.dir, &at.stack, session)
}

pub(super) fn open_in<'a>(
    dir: &Path,
    args: &StackArgs,
    session: &'a Session,
) -> Result<TfSession<'a>, Failure> {
    let environment: Environment = std::env::vars_os().collect();
    let added = environment.cli_args_names();
    let options = StackOptions {
        program: args.bin.clone(),
        workspace: args.workspace.clone(),
        timeout: args.timeout.filter(|timeout| !timeout.is_zero()),
        silence: args.silence_timeout.filter(|limit| !limit.is_zero()),
        deadline: args.total_timeout.and_then(|limit| Instant::now().checked_add(limit)),
        retries: args.retries,
        lock_timeout: args.lock_timeout,
        color: session.color() && !session.json(),
        native: args.native,
        temp_dir: std::env::temp_dir(),
        state_dir: state_folder(),
        started: session.clock().now(),
    };
    let stack = Stack::open(dir, options, environment).map_err(explain)?;
    if !added.is_empty() {
        session.warn(format_args!("{} adds arguments to terraform's commands", added.join(", ")));
    }
    let mut secrets = Secrets::default();
    stack.add_credentials(&mut secrets);
    let relay = Relay::new(session, dir);
    let init = InitOptions { backend_config: args.backend_config.clone(), extra: Vec::new() };
    let record = Record::new(args.audit_log.clone());
    Ok(TfSession {
        record,
        session,
        stack,
        init,
        create_workspace: false,
        native: args.native,
        drawing: DiffOptions { full: args.full, color: session.color(), revealed: args.no_redact },
        name: quote(dir),
        reports: Vec::new(),
        secrets,
        relay,
    })
}

impl TfSession<'_> {
    /// Returns whether sensitive values are to be shown, and warns of it.
    pub(super) fn reveals(&self) -> bool {
        if self.drawing.revealed {
            self.session.warn("`--no-redact` shows sensitive values");
        }
        self.drawing.revealed
    }

    /// Lets the stack work, and passes on what happens.
    pub(super) fn with<T>(
        &mut self,
        work: impl FnOnce(&Stack, &mut Watch<'_>) -> Result<T, TerraformError>,
    ) -> Result<T, Failure> {
        let Self { session, stack, secrets, relay, .. } = self;
        let on_event = &mut |event| relay.event(event);
        let done = work(stack, &mut Watch { cancel: session.cancel(), secrets, on_event });
        relay.rest();
        done.map_err(explain)
    }

    pub(super) fn init(&mut self) -> Result<(), Failure> {
        let options = self.init.clone();
        self.with(|stack, watch| stack.init(&options, watch))
    }

    /// Runs init where it has not been run, then checks the workspace.
    pub(super) fn prepare(&mut self) -> Result<(), Failure> {
        if self.stack.needs_init() || !self.init.backend_config.is_empty() {
            self.init()?;
        }
        self.check_workspace()
    }

    pub(super) fn check_workspace(&mut self) -> Result<(), Failure> {
        if self.create_workspace {
            return Ok(());
        }
        self.with(Stack::check_workspace)
    }
}

/// Returns where states are kept that could not be saved.
pub(super) fn state_folder() -> Option<PathBuf> {
    Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("devops/tf"))
}
