//! From arguments to core calls to output.

use std::{
    env,
    path::{Path, PathBuf},
};

use devops_cli::{Failure, Outcome, Session, json, quote, user_folder};
use devops_core::{
    archive::{ArchiveError, Healed, LeftOut, machine_id},
    clock::Clock,
    fs::read_text,
    lock::{Holder, LockError, LockEvent},
    profile::service_state_folder,
};
use serde_json::{Map, Value};

use crate::cli::{Cli, Command, SeriesFlags};

mod cat;
mod choice;
mod compare;
mod create;
mod find;
mod folder;
mod hint;
mod keys;
mod list;
mod profile;
mod prune;
mod rehearse;
mod restore;
mod stream;
mod timer;
mod verify;

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    match cli.command {
        Command::Create(args) => create::create(&args, session),
        Command::List(args) => list::list(&args, session),
        Command::Find(args) => find::find(&args, session),
        Command::Verify(args) => verify::verify(&args, session),
        Command::Restore(args) => restore::restore(&args, session),
        Command::Rehearse(args) => rehearse::rehearse(&args, session),
        Command::Diff(args) => compare::diff(&args, session),
        Command::Cat(args) => cat::cat(&args, session),
        Command::Prune(args) => prune::prune(&args, session),
        Command::Run(args) => profile::run(&args, session),
        Command::Timer(args) => timer::timer(&args, session),
    }
}

/// Adds what helps to errors that have a way out.
fn failure(error: ArchiveError) -> Failure {
    let hint = match &error {
        ArchiveError::OtherOrigin { .. } => return other_series(error),
        ArchiveError::EmptyPolicy(_) => "give at least one `--keep-` option",
        ArchiveError::Lock(LockError::Held { .. }) => LOCKED,
        ArchiveError::Lock(LockError::NotALock { .. }) => NOT_A_LOCK,
        ArchiveError::Sealed { .. } => {
            "name the file of a key with `--identity`, or `--passphrase-file`"
        }
        _ => return error.into(),
    };
    Failure::from(error).hint(hint)
}

/// Adds both ways out to the refusal of a name that is another series'.
fn other_series(error: ArchiveError) -> Failure {
    let ArchiveError::OtherOrigin { found, .. } = &error else { return error.into() };
    let (host, source) = (quote(Path::new(&found.host)), quote(&found.source));
    let hint = format!(
        "choose another name with `--name`; or, to continue that series, say so with \
         `--host '{host}' --source-as '{source}'`, each time or in the config file"
    );
    Failure::from(error).hint(hint)
}

/// What helps when somebody else is at work.
const LOCKED: &str = "wait for it with `--lock-wait 1h`, or try again later";

/// The hint for a file at the lock's path that is not a lock.
const NOT_A_LOCK: &str = "see what it is and remove it; another user may have put it there";

/// Describes this process to others that want the same folder.
fn holder(session: &Session) -> Holder {
    Holder::this_process(Path::new("/"), &host_name(), session.clock().now())
}

/// Says why it takes so long, or what is less safe than it could be.
fn tell_lock(session: &Session, folder: &Path, event: &LockEvent<'_>) {
    let folder = quote(folder);
    match event {
        LockEvent::Waiting(Some(holder)) => {
            session.status(format!("waiting: `{folder}` is locked by {holder}"));
        }
        LockEvent::Waiting(None) => session.status(format!("waiting: `{folder}` is locked")),
        LockEvent::TookOver(holder) => {
            session.warn(format!("`{folder}`: took over the stale lock of {holder}"));
        }
        LockEvent::Unlocked(reason) => {
            session.warn(format!("`{folder}` cannot be locked: {reason}"));
        }
    }
}

/// Returns the folder for the verdicts of this host about archives.
fn state_folder() -> Option<PathBuf> {
    Some(user_folder("XDG_STATE_HOME", ".local/state")?.join("devops/backup"))
}

/// This host, as archives record it.
struct HostIdentity {
    name: String,
    /// The hash of the id of the machine, unless the host is named by hand.
    machine: Option<String>,
}

impl HostIdentity {
    fn of(flags: &SeriesFlags) -> Self {
        match &flags.host {
            Some(name) => Self { name: name.clone(), machine: None },
            None => Self { name: host_name(), machine: machine_id(Path::new("/")) },
        }
    }
}

/// Returns the folder for what is remembered of a profile: that of the service that runs it, as `timer`
/// prints it, is shared by runs by hand.
fn profile_state_folder(profile: &str) -> Option<PathBuf> {
    let is_chosen = env::var_os("XDG_STATE_HOME").is_some();
    let service = (!is_chosen).then(|| service_state_folder(Path::new("/"), profile)).flatten();
    service.or_else(state_folder)
}

/// Returns the folder for what is restored on trial.
fn rehearsal_folder() -> PathBuf {
    state_folder().unwrap_or_else(env::temp_dir)
}

fn host_name() -> String {
    read_text(Path::new("/proc/sys/kernel/hostname"), 1024)
        .map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// Names something left out: a warning if it is a fault, else a remark.
fn tell_left_out(session: &Session, left_out: &LeftOut) {
    let line = format!("`{}`: {}", quote(&left_out.path), left_out.reason);
    if left_out.is_fault {
        session.warn(line);
    } else {
        session.status(format!("skipped {line}"));
    }
}

fn left_out_json(list: &[LeftOut]) -> Value {
    list.iter()
        .map(|left_out| {
            let mut object = Map::new();
            json::insert_path(&mut object, "path", &left_out.path);
            object.insert("reason".to_owned(), left_out.reason.as_str().into());
            Value::Object(object)
        })
        .collect()
}

/// Shows which archives held what is damaged in another.
fn healed_json(list: &[Healed]) -> Value {
    list.iter()
        .map(|healed| {
            let mut object = Map::new();
            json::insert_path(&mut object, "archive", &healed.archive);
            object.insert("segments".to_owned(), healed.n_segments.into());
            Value::Object(object)
        })
        .collect()
}

/// Returns an object with its type and a path.
fn object(kind: &str, key: &str, path: &Path) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), kind.into());
    json::insert_path(&mut object, key, path);
    object
}
