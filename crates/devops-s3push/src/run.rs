//! From arguments to core calls to output.

mod attributes;
mod capability_cache;
mod connection;
mod copy;
mod doctor;
mod explain;
mod get;
mod get_to_stream;
mod journals;
mod list;
mod mb;
mod metrics;
mod operands;
mod options;
mod past;
mod presign;
mod prune;
mod put;
mod receipt;
mod reporter;
mod resume;
mod rm;
mod selection;
mod stream;
mod sync;
mod sync_down;
mod sync_refusal;
mod thaw;
mod timestamp;
mod totals;
mod undelete;
mod uploads;
mod verify;

use std::thread;

use devops_cli::{Failure, Outcome, Session};

use crate::cli::{Cli, Command, UploadsCommand};

pub(crate) fn run(cli: Cli, session: &Session) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(network_threads())
        .enable_all()
        .build()
        .map_err(|error| Failure::io(error).context("cannot start"))?;
    let result = runtime.block_on(dispatch(cli.command, session));
    // A read of the standard input that hangs must not keep the process.
    runtime.shutdown_background();
    result
}

/// Returns how many threads move bytes: those that read and hash need processors as well, and one too many
/// is mostly woken for nothing, which for small files costs 7 % of the CPU.
fn network_threads() -> usize {
    thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

async fn dispatch(command: Command, session: &Session) -> Result<Outcome, Failure> {
    match command {
        Command::Put(args) => Box::pin(put::put(args, session)).await,
        Command::Sync(args) => Box::pin(sync::sync(args, session)).await,
        Command::Resume(args) => resume::resume(args, session).await,
        Command::Get(args) => get::get(args, session).await,
        Command::Thaw(args) => thaw::thaw(args, session).await,
        Command::List(args) => list::list(args, session).await,
        Command::Presign(args) => presign::presign(args, session).await,
        Command::Verify(args) => verify::verify(args, session).await,
        Command::Doctor(args) => doctor::doctor(args, session).await,
        Command::Copy(args) => copy::copy(args, false, session).await,
        Command::Move(args) => copy::copy(args, true, session).await,
        Command::Rm(args) => rm::rm(args, session).await,
        Command::Undelete(args) => undelete::undelete(args, session).await,
        Command::Mb(args) => mb::mb(args, session).await,
        Command::Prune(args) => prune::prune(args, session).await,
        Command::Uploads(UploadsCommand::List(args)) => uploads::list(args, session).await,
        Command::Uploads(UploadsCommand::Abort(args)) => uploads::abort(args, session).await,
    }
}
