//! From arguments to core calls to output.

mod activity;
mod approve;
mod check;
mod flow;
mod inspect;
mod record;
mod relay;
mod repair;
mod report;
mod rules;

use std::{
    path::Path,
    time::{Duration, Instant},
};

use devops_cli::{Failure, Outcome, Session, quote};
use devops_core::{
    clock::{Clock, SystemClock},
    kind::{HasKind, Kind},
    process::ChildEnd,
    terraform::{
        Environment, InitOptions, LockInfo, SealError, Secrets, Stack, StackOptions,
        TerraformError, UnsavedError, Watch,
    },
    units::format_duration,
};

use crate::cli::{Cli, Command, DirArgs, InitArgs, ReportFile, StackArgs};
use record::Record;
use relay::Relay;

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Run(args) => flow::run(&args, session),
        Command::Init(args) => init(&args, session),
        Command::Plan(args) => flow::plan(&args, session),
        Command::Show(args) => inspect::show(&args, session),
        Command::Apply(args) => flow::apply(&args, session),
        Command::Destroy(args) => flow::destroy(&args, session),
        Command::Drift(args) => flow::drift(&args, session),
        Command::Output(args) => inspect::output(&args, session),
        Command::Compare(args) => approve::compare_plans(&args, session),
        Command::Validate(args) => check::validate(&args, session),
        Command::Fmt(args) => check::fmt(&args, session),
        Command::Test(args) => check::test(&args, session),
        Command::Report(args) => report::report(&args, session),
        Command::Recover(args) => repair::recover(&args, session),
        Command::Unlock(args) => repair::unlock(&args, session),
    }
}

/// A stack with the terminal it speaks to.
struct Desk<'a> {
    session: &'a Session,
    stack: Stack,
    init: InitOptions,
    /// A workspace that does not exist is made on the way.
    create_workspace: bool,
    /// Terraform's own text is wanted.
    native: bool,
    /// Every change of a large plan is wanted.
    full: bool,
    /// Sensitive values are wanted in what is shown of plans, states and outputs.
    revealed: bool,
    /// The folder as it was named.
    name: String,
    reports: Vec<ReportFile>,
    secrets: Secrets,
    relay: Relay<'a>,
    record: Record,
}

fn open<'a>(at: &DirArgs, session: &'a Session) -> Result<Desk<'a>, Failure> {
    open_in(&at.dir, &at.stack, session)
}

fn open_in<'a>(dir: &Path, args: &StackArgs, session: &'a Session) -> Result<Desk<'a>, Failure> {
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
        state_dir: repair::state_folder(),
        started: session.clock().now(),
    };
    let stack = Stack::open(dir, options, environment).map_err(explain)?;
    if !added.is_empty() {
        session.warn(format_args!("{} adds arguments to terraform's commands", added.join(", ")));
    }
    let mut secrets = Secrets::default();
    stack.learn_credentials(&mut secrets);
    let relay = Relay::new(session, dir);
    let init = InitOptions { backend_config: args.backend_config.clone(), extra: Vec::new() };
    let record = Record::new(args.audit_log.clone());
    Ok(Desk {
        record,
        session,
        stack,
        init,
        create_workspace: false,
        native: args.native,
        full: args.full,
        revealed: args.no_redact,
        name: quote(dir),
        reports: Vec::new(),
        secrets,
        relay,
    })
}

impl Desk<'_> {
    /// Returns whether sensitive values are to be shown, and warns of it.
    fn reveals(&self) -> bool {
        if self.revealed {
            self.session.warn("`--no-redact` shows sensitive values");
        }
        self.revealed
    }

    /// Lets the stack work, and passes on what happens.
    fn with<T>(
        &mut self,
        work: impl FnOnce(&Stack, &mut Watch<'_>) -> Result<T, TerraformError>,
    ) -> Result<T, Failure> {
        let Self { session, stack, secrets, relay, .. } = self;
        let on_event = &mut |event| relay.event(event);
        let done = work(stack, &mut Watch { cancel: session.cancel(), secrets, on_event });
        relay.rest();
        done.map_err(explain)
    }

    fn init(&mut self) -> Result<(), Failure> {
        let options = self.init.clone();
        self.with(|stack, watch| stack.init(&options, watch))
    }

    /// Runs init where it has not been run, then checks the workspace.
    fn prepare(&mut self) -> Result<(), Failure> {
        if self.stack.needs_init() || !self.init.backend_config.is_empty() {
            self.init()?;
        }
        self.check_workspace()
    }

    fn check_workspace(&mut self) -> Result<(), Failure> {
        if self.create_workspace {
            return Ok(());
        }
        self.with(Stack::check_workspace)
    }
}

fn init(args: &InitArgs, session: &Session) -> Result<Outcome, Failure> {
    let mut desk = open(&args.at, session)?;
    desk.init.extra.clone_from(&args.extra.extra);
    desk.init()?;
    desk.relay.finish()?;
    Ok(Outcome::Done)
}

/// Adds what may help to a failure of terraform.
fn explain(error: TerraformError) -> Failure {
    let hint = hint(&error);
    let failure = Failure::from(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(error: &TerraformError) -> Option<String> {
    let hint = match error {
        TerraformError::Locked { lock } => return Some(lock_hint(lock)),
        TerraformError::Missing { what: "workspace", .. } => {
            "`run`, `plan` and `apply` create it with `--create-workspace`"
        }
        _ if error.kind() == Kind::CommandNotFound => {
            "install terraform or tofu, or name one with `--bin`"
        }
        TerraformError::Trap { place, .. } if place.starts_with("environment") => {
            "unset it; devops-tf has its own flags and subcommands for this"
        }
        TerraformError::Unsaved(UnsavedError::Waiting { .. }) => {
            "save it with `devops-tf recover DIR` first: another run would go over it"
        }
        TerraformError::Trap { .. } => {
            "devops-tf sets this flag itself, or it is a part of the plan"
        }
        TerraformError::Seal(SealError::Closed) => "give a file of secret keys with `--identity`",
        TerraformError::Seal(SealError::NoKey) => "give the file of the key with `--seal-key`",
        TerraformError::Seal(_) => "make a new plan with `devops-tf plan DIR --out PLAN`",
        TerraformError::Failed { end: ChildEnd::Signal(_), .. } => {
            "terraform had no time to clean up; the state may still be locked"
        }
        _ => return None,
    };
    Some(hint.to_owned())
}

/// Says since when the lock is held, and how to break it.
fn lock_hint(lock: &LockInfo) -> String {
    let now = SystemClock::new(time::UtcOffset::UTC).now();
    let age = lock.created.and_then(|created| Duration::try_from(now - created).ok());
    let age = age.map(format_duration);
    let held = match (age, &lock.operation) {
        (Some(age), Some(operation)) => format!("it was taken {age} ago for {operation}; "),
        (Some(age), None) => format!("it was taken {age} ago; "),
        (None, _) => String::new(),
    };
    let Some(id) = &lock.id else {
        return "wait with `--lock-timeout`; terraform does not say who holds it".to_owned();
    };
    format!(
        "{held}wait with `--lock-timeout`, or, if the one who took it is gone, break it with \
         `devops-tf unlock DIR {id}` (`terraform force-unlock {id}`)"
    )
}
